package sockstate

import "slices"

// Outcome is how a connection ended: a closed set. A load counts each lifecycle under exactly one. Those from
// OutcomeAborted on are a server's only.
type Outcome uint8

// The outcomes in display order: ends, failures in the order of a connection's life, the unfinished, a server's own.
const (
	NoOutcome Outcome = iota

	OutcomeFIN // a load sees the peer's FIN only if it waits for it (client:half, server:*)
	OutcomeRSTSent
	OutcomeRSTReceived // a failure unless the policy predicts it

	OutcomeNoLocalPort
	OutcomeNoFD
	OutcomeNoMemory
	OutcomeUnreachable
	OutcomeRefused
	OutcomeConnectTimeout
	OutcomeCutInRequest
	OutcomeHTTPStatus
	OutcomeRequestTimeout
	OutcomeClosedEarly
	OutcomeCloseTimeout
	OutcomeOther // subdivided by errno or Fault

	OutcomeHeld
	OutcomeInterrupted

	OutcomeAborted
	OutcomeAbruptFIN
	OutcomeAbruptRST
	OutcomeBadRequest
	OutcomeDrained
	OutcomeShutdownRST

	// NumOutcomes is the length of an array indexed by Outcome.
	NumOutcomes = int(OutcomeShutdownRST) + 1
)

// outcomes are the names in records, and the meanings.
var outcomes = [NumOutcomes]struct{ name, means string }{
	OutcomeFIN:            {"fin", "closed by FIN"},
	OutcomeRSTSent:        {"rst_sent", "reset by this side, as asked"},
	OutcomeRSTReceived:    {"rst_received", "reset by the peer"},
	OutcomeNoLocalPort:    {"no_local_port", "all local ports taken (EADDRNOTAVAIL)"},
	OutcomeNoFD:           {"no_fd", "no descriptor left (EMFILE, ENFILE)"},
	OutcomeNoMemory:       {"no_memory", "no memory for a socket (ENOMEM, ENOBUFS)"},
	OutcomeUnreachable:    {"unreachable", "no route, or an ICMP error (EHOSTUNREACH and the like)"},
	OutcomeRefused:        {"refused", "no server took the SYN (ECONNREFUSED)"},
	OutcomeConnectTimeout: {"connect_timeout", "no answer to the SYN in time"},
	OutcomeCutInRequest:   {"cut_in_request", "reset or EOF before the whole reply"},
	OutcomeHTTPStatus:     {"http_status", "a whole reply, but a 5xx"},
	OutcomeRequestTimeout: {"request_timeout", "no whole reply in time"},
	OutcomeClosedEarly:    {"closed_early", "the peer closed before its turn"},
	OutcomeCloseTimeout:   {"close_timeout", "the peer did not close in time"},
	OutcomeOther:          {"other", "anything else"},
	OutcomeHeld:           {"held", "never closed, by policy"},
	OutcomeInterrupted:    {"interrupted", "open when the run was stopped"},
	OutcomeAborted:        {"aborted", "reset by the server: its grace period was over"},
	OutcomeAbruptFIN:      {"abrupt_fin", "closed by an abrupt shutdown"},
	OutcomeAbruptRST:      {"abrupt_rst", "closed by an abrupt shutdown with data unread: reset"},
	OutcomeBadRequest:     {"bad_request", "the client sent no valid request"},
	OutcomeDrained:        {"drained", "closed by the server because it is stopping"},
	OutcomeShutdownRST:    {"shutdown_rst", "reset by the server because it is stopping"},
}

// String is the outcome's name in a record.
func (o Outcome) String() string { return outcomes[o].name }

// Means explains the outcome in a few words.
func (o Outcome) Means() string { return outcomes[o].means }

// ParseOutcome is the inverse of String, NoOutcome for a name outside the set.
func ParseOutcome(name string) Outcome {
	i := slices.IndexFunc(outcomes[:], func(o struct{ name, means string }) bool { return o.name == name })
	return Outcome(max(i, int(NoOutcome)))
}

// OutcomeClass is the column of a load's account that an outcome counts in: attempted = completed + failed + unfinished.
type OutcomeClass uint8

// The classes.
const (
	ClassUnknown    OutcomeClass = iota
	ClassEnd                     // completed, except an OutcomeRSTReceived that the policy does not predict: failed
	ClassFailure                 // failed
	ClassUnfinished              // unfinished
	ClassServer                  // a server's only
)

// Class is the class of o.
func (o Outcome) Class() OutcomeClass {
	switch {
	case o == NoOutcome:
		return ClassUnknown
	case o <= OutcomeRSTReceived:
		return ClassEnd
	case o <= OutcomeOther:
		return ClassFailure
	case o <= OutcomeInterrupted:
		return ClassUnfinished
	}
	return ClassServer
}

// OutcomeNames lists the names of the outcomes of some classes in display order.
func OutcomeNames(of ...OutcomeClass) []string {
	var names []string
	for o := OutcomeFIN; int(o) < NumOutcomes; o++ {
		if slices.Contains(of, o.Class()) {
			names = append(names, o.String())
		}
	}
	return names
}

// LoadOutcomeNames lists the names of the outcomes that a load can have.
func LoadOutcomeNames() []string { return OutcomeNames(ClassEnd, ClassFailure, ClassUnfinished) }
