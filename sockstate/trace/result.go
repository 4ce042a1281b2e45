package trace

import "lastack/sockstate"

// Result is what a trace has counted.
type Result struct {
	// Transitions is each side's number of state changes, by the state before and the state after. A connection begins and ends in
	// CLOSED; at the server it begins in LISTEN.
	Transitions [sockstate.NumSides][sockstate.NumStates][sockstate.NumStates]int64
	// Dwell is the time spent in a state, of those that have left it.
	Dwell [sockstate.NumSides][sockstate.NumStates]Dwell
	// Close is the time from the side's own FIN to the end of the close: TIME_WAIT, or CLOSED. Of an open connection that the side resets it is the time
	// until the peer is in CLOSED too, if the trace follows both ends.
	Close [sockstate.NumSides]Dwell
	// Living is the number of sockets that were still in a state.
	Living [sockstate.NumSides][sockstate.NumStates]int64
	// TimeWaits is how minisockets in TIME_WAIT ended, FinWait2 those in FIN_WAIT_2.
	TimeWaits, FinWait2 [sockstate.NumSides]Minis
	// TimeWaitReason says why TIME_WAIT was not followed; FIN_WAIT_2>CLOSED then includes it.
	TimeWaitReason string
	// Sent are the resets that were sent, without zeros. ResetReason says why they were not followed.
	Sent        []Reset
	ResetReason string
	// Received is the number of resets that a full socket received, by its state.
	Received [sockstate.NumSides][sockstate.NumStates]int64
	// Retransmits is the number of segments sent again, by state: in FIN_WAIT_1, CLOSING and LAST_ACK a FIN.
	Retransmits [sockstate.NumSides][sockstate.NumStates]int64
	// Lost is what the trace has not seen.
	Lost Lost
}

// Minis is how minisockets ended.
type Minis struct {
	// Expired lived until their timer fired. Early ended before: reused by connect, reopened by a SYN, reset or destroyed; in FIN_WAIT_2 only the
	// latter two. Rearmed counts how often a timer started anew, as a FIN came again; at least, as one that stays in its bucket is not shown (__mod_timer).
	Expired, Early, Rearmed int64
}

// Reset counts the resets of one kind.
type Reset struct {
	Side sockstate.Side
	// Reason is the kernel's, without its prefix (enum sk_rst_reason): "TCP_ABORT_ON_CLOSE".
	Reason string
	// State is that of the socket, 0 if the packet that was answered belonged to none.
	State sockstate.State
	N     int64
}

// Lost is what a trace has not seen.
type Lost struct {
	// Missed counts events of any socket of the host for which no program ran, because one had just begun on the CPU and was interrupted.
	Missed int64
	// Sockets and TimeWaits count those that found no room in a map.
	Sockets, TimeWaits int64
	// Resets counts the resets of open connections that found no room: Close lacks them. Where only one end is traced, all stay in the map, and nothing
	// is missing. They are not in Known.
	Resets int64
	// Unknown counts changes of sockets whose state before was not followed.
	Unknown int64
	// Unbalanced counts connections that came into a state, and neither left it nor are there, or the reverse: a change went unseen.
	Unbalanced int64
}

// Known is the number of events of which the trace knows that they are missing or incomplete.
func (l Lost) Known() int64 { return l.Missed + l.Sockets + l.TimeWaits + l.Unknown }

// Total is the number of events that are missing or incomplete, at least.
func (l Lost) Total() int64 { return max(l.Known(), l.Unbalanced) }

// balance compares the connections that came into each state with those that left it or are there. They begin in CLOSED or LISTEN, and end in CLOSED.
func (r *Result) balance() {
	for side := range sockstate.Side(sockstate.NumSides) {
		for s := range sockstate.State(sockstate.NumStates) {
			if s != sockstate.Closed && s != sockstate.Listen {
				d := r.Entries(side, s) - r.Exits(side, s) - r.Living[side][s]
				r.Lost.Unbalanced += max(d, -d)
			}
		}
	}
}

// Entries and Exits are how many connections came into a state, and left it.
func (r *Result) Entries(side sockstate.Side, s sockstate.State) (n int64) {
	for from := range sockstate.NumStates {
		n += r.Transitions[side][from][s]
	}
	return n
}

// Exits is how many connections left a state.
func (r *Result) Exits(side sockstate.Side, s sockstate.State) (n int64) {
	for to := range sockstate.NumStates {
		n += r.Transitions[side][s][to]
	}
	return n
}
