package document

// Ladder is a connection between two ends, packet by packet. Printers that cannot draw it leave it out: all it shows is in tables too.
type Ladder struct {
	Level Level
	// ID is unique in the document. Title says what it is of, Desc in words what it shows.
	ID, Title, Desc string
	// Ends are the left and the right one.
	Ends  [2]LadderEnd
	Rungs []Rung
}

// LadderEnd is an end of a connection.
type LadderEnd struct {
	Name, Address string
	// First is its state at the beginning. Last says what is left at the end.
	First State
	Last  string
}

// State is a state that begins.
type State struct {
	Name string
	// Dwell is how long it lasted in seconds, negative if that is not known. Lasts says that it went on.
	Dwell float64
	Lasts bool
	// Left is what is left of it, in seconds, 0 if that is not known.
	Left float64
}

// Rung is a step.
type Rung struct {
	// At is in seconds.
	At float64
	// States are those that begin with the step, nil if the end's state stays.
	States [2]*State
	// Arrow is nil if the step is no packet. End is then the one that it happens at: 0 is left.
	Arrow *Arrow
	End   int
	// Text says what happens, and Source where to read about it.
	Text, Source string
}

// Arrow is a packet.
type Arrow struct {
	// Right is set if it goes from left to right.
	Right bool
	// Flags, like FIN|ACK; Numbers, like "seq 2 ack 2 win 502"; and Options of a SYN.
	Flags, Numbers, Options string
	// Lost packets do not arrive. Part is set if only a part of the way is drawn: Leaves before something else happens, or Arrives.
	Lost            bool
	Leaves, Arrives bool
	Tone            Tone
}

func (*Ladder) block() {}
