package document

// Machine is TCP's state machine, with what connections did in it. Printers that cannot draw it leave it out: all it shows is in tables too.
type Machine struct {
	// ID is unique in the document. Desc says in words what it shows.
	ID, Desc string
	States   []MachineState
	Changes  []MachineChange
}

// MachineState is a state that a connection was in, at the client and at the server.
type MachineState struct {
	Name string
	// Dwell is the median time in it in microseconds, of the Left connections that have left it; Stayed is how many have not.
	Dwell        [2]Micros
	Left, Stayed [2]int64
}

// MachineChange is how many connections went from one state to another, at the client and at the server.
type MachineChange struct {
	From, To string
	N        [2]int64
}

func (*Machine) block() {}
