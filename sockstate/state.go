package sockstate

import "fmt"

// State is a TCP connection state with the kernel's own number
// (include/net/tcp_states.h), as /proc/net/tcp and sock_diag print it.
//
//	 active closer                          passive closer
//	ESTABLISHED                            ESTABLISHED
//	  close() --- FIN ------------------->
//	FIN_WAIT_1                             CLOSE_WAIT
//	          <------------------- ACK ---
//	FIN_WAIT_2
//	          <------------------- FIN --- close()
//	TIME_WAIT                              LAST_ACK
//	          --- ACK ------------------->
//	(60 s, TimeWaitLasts) CLOSED           CLOSED
//
// When both FINs cross, each side goes FIN_WAIT_1 > CLOSING > TIME_WAIT.
type State uint8

// The states of RFC 9293, section 3.3.2, numbered as in the kernel.
// NewSynRecv is the kernel's request socket, which both observers report as SYN_RECV.
const (
	Established State = 1 + iota
	SynSent
	SynRecv
	FinWait1
	FinWait2
	TimeWait
	Closed
	CloseWait
	LastAck
	Listen
	Closing
	NewSynRecv

	// NumStates is the length of an array indexed by State.
	NumStates = int(NewSynRecv) + 1
)

// states are the names, and what each means.
var states = [NumStates]struct{ name, means string }{
	Established: {"ESTABLISHED", "open in both directions"},
	SynSent:     {"SYN_SENT", "connect() has sent its SYN; there is no answer yet"},
	SynRecv:     {"SYN_RECV", "a listener has answered a SYN; the client's ACK has not come yet"},
	FinWait1:    {"FIN_WAIT_1", "closed here first; the FIN is not acknowledged yet"},
	FinWait2:    {"FIN_WAIT_2", "the FIN is acknowledged; the peer has not closed yet"},
	TimeWait:    {"TIME_WAIT", "closed by both, this side first; the ports stay taken for 60 s"},
	Closed:      {"CLOSED", "gone"},
	CloseWait:   {"CLOSE_WAIT", "the peer has closed; the program here has not yet"},
	LastAck:     {"LAST_ACK", "closed here second; the FIN is not acknowledged yet"},
	Listen:      {"LISTEN", "a listening socket"},
	Closing:     {"CLOSING", "both closed at once: the FINs crossed; the ACK has not come yet"},
	NewSynRecv:  {"SYN_RECV", "a listener has answered a SYN; the client's ACK has not come yet"},
}

func (s State) String() string {
	if int(s) < len(states) && states[s].name != "" {
		return states[s].name
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// Means explains the state in a few words; empty for an unknown number.
func (s State) Means() string {
	if int(s) < len(states) {
		return states[s].means
	}
	return ""
}

// Side is an end of a connection.
type Side uint8

// The end that called connect, and the end that accepted.
const (
	Client Side = iota
	Server

	// NumSides is the length of an array indexed by Side.
	NumSides = 2
)

// Other returns the opposite end.
func (s Side) Other() Side { return 1 - s }

func (s Side) String() string {
	if s == Client {
		return "client"
	}
	return "server"
}
