package server

import "lastack/sockstate/sockio"

// Outcome is how a connection ended, as the server saw it.
type Outcome uint8

// The outcomes.
const (
	NoOutcome    Outcome = iota
	FIN                  // closed by FIN
	RSTSent              // aborted by the server, as its policy has it
	RSTReceived          // aborted by the client
	Held                 // never closed
	CutInRequest         // ended by the client with a request half sent, or unanswered
	ClosedEarly          // closed by the client before the server's turn
	BadRequest           // what came was not a request
	Drained              // closed by the server because it stops
	Aborted              // reset by the server because its grace was over
	Other                // a system call failed

	numOutcomes = int(Other) + 1
)

var outcomeNames = [numOutcomes]string{
	"", "fin", "rst_sent", "rst_received", "held", "cut_in_request", "closed_early", "bad_request", "drained",
	"aborted", "other",
}

func (o Outcome) String() string { return outcomeNames[o] }

// Stats is the server's ledger. Accepted = Open + the sum of Outcomes.
type Stats struct {
	Accepted int64
	Open     int64
	// Stuck are those of Open that the policy leaves in CLOSE_WAIT until the server ends.
	Stuck int64
	// Requests is the number of requests answered.
	Requests int64
	Outcomes [numOutcomes]int64
	// AcceptErrors counts failures of accept by errno.
	AcceptErrors map[sockio.Errno]int64
}

// ByName returns the outcomes that occurred.
func (s *Stats) ByName() map[string]int64 {
	m := make(map[string]int64)
	for o, n := range s.Outcomes {
		if n > 0 {
			m[Outcome(o).String()] = n
		}
	}
	return m
}

func (s *Stats) add(o *Stats) {
	s.Accepted += o.Accepted
	s.Open += o.Open
	s.Stuck += o.Stuck
	s.Requests += o.Requests
	for i := range s.Outcomes {
		s.Outcomes[i] += o.Outcomes[i]
	}
	for e, n := range o.AcceptErrors {
		if s.AcceptErrors == nil {
			s.AcceptErrors = make(map[sockio.Errno]int64)
		}
		s.AcceptErrors[e] += n
	}
}

func (s *Stats) clone() Stats {
	var c Stats
	c.add(s)
	return c
}
