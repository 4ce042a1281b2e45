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

var stateNames = [NumStates]string{
	Established: "ESTABLISHED",
	SynSent:     "SYN_SENT",
	SynRecv:     "SYN_RECV",
	FinWait1:    "FIN_WAIT_1",
	FinWait2:    "FIN_WAIT_2",
	TimeWait:    "TIME_WAIT",
	Closed:      "CLOSED",
	CloseWait:   "CLOSE_WAIT",
	LastAck:     "LAST_ACK",
	Listen:      "LISTEN",
	Closing:     "CLOSING",
	NewSynRecv:  "SYN_RECV",
}

func (s State) String() string {
	if int(s) < len(stateNames) && stateNames[s] != "" {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// Side tells the two ends of a connection apart.
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
