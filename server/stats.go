package server

import (
	"lastack/sockstate"
	"lastack/sockstate/sockio"
)

// Stats is the server's ledger. Accepted = Open + the sum of Outcomes.
type Stats struct {
	Accepted int64
	Open     int64
	// Stuck are those of Open that the policy leaves in CLOSE_WAIT until the server ends.
	Stuck int64
	// Requests is the number of requests answered, Closing the part of them that HTTP answered with
	// "Connection: close".
	Requests, Closing int64
	// Cut is the number of requests that the server had received, in whole or in part, and that it closed or
	// reset the connection on without an answer. It is exact with Abrupt, see Server.Shutdown; otherwise
	// it may miss requests that arrived and were not read. Those that clients broke off are not among them.
	Cut int64
	// QueueReset is the number of connections that were still in an accept queue when its listener was closed: the
	// kernel resets them. They are not among Accepted.
	QueueReset int64
	Outcomes   [sockstate.NumOutcomes]int64
	// AcceptErrors counts failures of accept by errno.
	AcceptErrors map[sockio.Errno]int64
}

// ByName returns the outcomes that occurred.
func (s *Stats) ByName() map[string]int64 { return sockstate.ByName[sockstate.Outcome](s.Outcomes[:]) }

// Counts is the ledger as names and numbers: accepted, open, requests, closing, cut, queue_reset, accept_errors, and each
// outcome that occurred as outcome.NAME.
func (s *Stats) Counts() map[string]int64 {
	m := map[string]int64{
		"accepted": s.Accepted, "open": s.Open, "requests": s.Requests, "closing": s.Closing, "cut": s.Cut,
		"queue_reset": s.QueueReset, "accept_errors": 0,
	}
	for name, n := range s.ByName() {
		m["outcome."+name] = n
	}
	for _, n := range s.AcceptErrors {
		m["accept_errors"] += n
	}
	return m
}

func (s *Stats) add(o *Stats) {
	s.Accepted += o.Accepted
	s.Open += o.Open
	s.Stuck += o.Stuck
	s.Requests += o.Requests
	s.Closing += o.Closing
	s.Cut += o.Cut
	s.QueueReset += o.QueueReset
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
