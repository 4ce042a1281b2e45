package record

import "slices"

// The outcomes: how a lifecycle ended, a closed set. A record's Outcomes has no other keys.
const (
	// Ends.
	OutcomeFIN         = "fin"          // closed by FIN; the peer's was seen only where this side waits for it (client:half, server:*)
	OutcomeRSTSent     = "rst_sent"     // reset by this side, as the policy asks
	OutcomeRSTReceived = "rst_received" // reset by the peer: completed only where the policy predicts it, else failed

	// Failures.
	OutcomeRefused        = "refused"         // RST or ICMP in answer to the SYN, or nobody but itself
	OutcomeConnectTimeout = "connect_timeout" // no answer to the SYN in time
	OutcomeNoLocalPort    = "no_local_port"   // EADDRNOTAVAIL: every local port of the pair is taken
	OutcomeNoFD           = "no_fd"           // EMFILE, ENFILE
	OutcomeNoMemory       = "no_memory"       // ENOMEM, ENOBUFS
	OutcomeUnreachable    = "unreachable"     // EHOSTUNREACH, ENETUNREACH
	OutcomeCutInRequest   = "cut_in_request"  // reset or EOF before the whole reply
	OutcomeClosedEarly    = "closed_early"    // the peer closed before its turn
	OutcomeHTTPStatus     = "http_status"     // a whole reply, but 5xx
	OutcomeRequestTimeout = "request_timeout" // no whole reply in time
	OutcomeCloseTimeout   = "close_timeout"   // the peer did not close in time
	OutcomeOther          = "other"           // see Result.Errnos and Result.ExchangeErrors

	// Unfinished.
	OutcomeHeld        = "held"        // never closed, by policy
	OutcomeInterrupted = "interrupted" // open when the run was stopped
)

// OutcomeClass is the column of the ledger that an outcome counts in.
type OutcomeClass uint8

// The classes: attempted = completed + failed + unfinished.
const (
	ClassUnknown OutcomeClass = iota
	// ClassEnd is an end of the connection: completed, but for a rst_received
	// that the policy does not predict, which is failed.
	ClassEnd
	ClassFailure
	ClassUnfinished
)

// EndOutcomes lists the outcomes of ClassEnd in the order to show them.
func EndOutcomes() []string {
	return []string{OutcomeFIN, OutcomeRSTSent, OutcomeRSTReceived}
}

// FailureOutcomes lists the outcomes of ClassFailure in the order of a connection's life.
func FailureOutcomes() []string {
	return []string{
		OutcomeNoLocalPort, OutcomeNoFD, OutcomeNoMemory, OutcomeUnreachable, OutcomeRefused, OutcomeConnectTimeout,
		OutcomeCutInRequest, OutcomeHTTPStatus, OutcomeRequestTimeout, OutcomeClosedEarly, OutcomeCloseTimeout, OutcomeOther,
	}
}

// UnfinishedOutcomes lists the outcomes of ClassUnfinished.
func UnfinishedOutcomes() []string { return []string{OutcomeHeld, OutcomeInterrupted} }

// OutcomeNames lists all outcomes: ends, failures, unfinished.
func OutcomeNames() []string {
	return slices.Concat(EndOutcomes(), FailureOutcomes(), UnfinishedOutcomes())
}

// ClassOf returns the class of an outcome, ClassUnknown for a name outside the set.
func ClassOf(outcome string) OutcomeClass {
	switch {
	case slices.Contains(EndOutcomes(), outcome):
		return ClassEnd
	case slices.Contains(FailureOutcomes(), outcome):
		return ClassFailure
	case slices.Contains(UnfinishedOutcomes(), outcome):
		return ClassUnfinished
	}
	return ClassUnknown
}
