package sockstate

import "slices"

// Outcome is how a connection ended: a closed set. Most are a load's, which accounts for each lifecycle by one of them;
// the last are of a server's own account only.
type Outcome uint8

// The outcomes, in the order to show them: ends, then failures in the order of a connection's life, then what is unfinished.
const (
	NoOutcome Outcome = iota

	OutcomeFIN         // closed by FIN; a load saw the peer's only where it waits for it (client:half, server:*)
	OutcomeRSTSent     // reset by this side, as the policy asks
	OutcomeRSTReceived // reset by the peer; a load's failure where the policy does not predict it

	OutcomeNoLocalPort    // EADDRNOTAVAIL: every local port of the pair is taken
	OutcomeNoFD           // EMFILE, ENFILE
	OutcomeNoMemory       // ENOMEM, ENOBUFS
	OutcomeUnreachable    // EHOSTUNREACH, ENETUNREACH and the like
	OutcomeRefused        // RST or ICMP in answer to the SYN, or the socket connected to itself
	OutcomeConnectTimeout // no answer to the SYN in time
	OutcomeCutInRequest   // RST or EOF before the whole reply
	OutcomeHTTPStatus     // a whole reply, but 5xx
	OutcomeRequestTimeout // no whole reply in time
	OutcomeClosedEarly    // the peer closed before its turn
	OutcomeCloseTimeout   // the peer did not close in time
	OutcomeOther          // anything else, counted by errno or by what came instead of a reply

	OutcomeHeld        // never closed, by policy
	OutcomeInterrupted // open when the run was stopped

	OutcomeAborted     // reset by the server: its grace was over
	OutcomeAbruptFIN   // an abrupt shutdown closed it by FIN
	OutcomeAbruptRST   // an abrupt shutdown closed it with data unread: by RST
	OutcomeBadRequest  // what came was not a request
	OutcomeDrained     // closed by the server because it stops
	OutcomeShutdownRST // reset by the server because it stops

	// NumOutcomes is the length of an array indexed by Outcome.
	NumOutcomes = int(OutcomeShutdownRST) + 1
)

var outcomeNames = [NumOutcomes]string{
	"",
	"fin", "rst_sent", "rst_received",
	"no_local_port", "no_fd", "no_memory", "unreachable", "refused", "connect_timeout", "cut_in_request", "http_status",
	"request_timeout", "closed_early", "close_timeout", "other",
	"held", "interrupted",
	"aborted", "abrupt_fin", "abrupt_rst", "bad_request", "drained", "shutdown_rst",
}

// String is the outcome's name in a record.
func (o Outcome) String() string { return outcomeNames[o] }

// ParseOutcome is the inverse of String, NoOutcome for a name outside the set.
func ParseOutcome(name string) Outcome {
	for o, n := range outcomeNames {
		if n == name {
			return Outcome(o)
		}
	}
	return NoOutcome
}

// OutcomeClass is the column of a load's account that an outcome counts in: attempted = completed + failed + unfinished.
type OutcomeClass uint8

// The classes.
const (
	ClassUnknown    OutcomeClass = iota
	ClassEnd                     // completed, but for an OutcomeRSTReceived that the policy does not predict: failed
	ClassFailure                 // failed
	ClassUnfinished              // unfinished
	ClassServer                  // of a server's account only
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

// OutcomeNames lists the names of the outcomes of some classes, in the order to show them.
func OutcomeNames(of ...OutcomeClass) []string {
	var names []string
	for o := OutcomeFIN; int(o) < NumOutcomes; o++ {
		if slices.Contains(of, o.Class()) {
			names = append(names, o.String())
		}
	}
	return names
}

// LoadOutcomeNames lists the names of all that a load's lifecycles end by.
func LoadOutcomeNames() []string { return OutcomeNames(ClassEnd, ClassFailure, ClassUnfinished) }
