package report

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"lastack/bench/record"
	"lastack/sockstate"
)

func keys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// ordered lists m's keys: those of first that it has, in that order, then the others, sorted.
func ordered[V any](m map[string]V, first []string) []string {
	known := slices.DeleteFunc(slices.Clone(first), func(k string) bool { _, ok := m[k]; return !ok })
	return append(known, slices.DeleteFunc(keys(m), func(k string) bool { return slices.Contains(first, k) })...)
}

// limitWords explains a limit.
func limitWords(limit string) string {
	if l, ok := record.LimitNamed(limit); ok {
		return l.Words
	}
	return "limited by " + limit
}

// outcomeWords explains an outcome, but not other, which its errno or the reply's fault explains.
func outcomeWords(outcome string) string {
	if o := sockstate.ParseOutcome(outcome); o != sockstate.OutcomeOther {
		return o.Means()
	}
	return ""
}

// finWords explains the ends by FIN: a client sees the peer's FIN only if its policy waits for it.
func finWords(plan []record.Group) string {
	seen, unseen := false, false
	for _, g := range plan {
		who, how, _ := strings.Cut(g.Close, ":")
		waits, kept := who == "server" || who == "client" && how == "half", g.Keep != "" // either may close what is kept
		seen, unseen = seen || waits || kept, unseen || !waits || kept
	}
	switch {
	case seen && unseen:
		return outcomeWords(sockstate.OutcomeFIN.String())
	case seen:
		return "closed in order, FINs both ways"
	}
	return "closed by this side; the peer's close is not seen"
}

// allSockets qualifies what is counted where the load was not alone.
const allSockets = "of all sockets in this namespace"

// phaseName is what a page calls the phase of an interval.
func phaseName(iv *record.Interval) string {
	if iv.Phase == "drain" { // records call so what is no drain of a server
		return "ending"
	}
	return iv.Phase
}

// counterWord is a kernel counter worth a look, and what its growth means.
type counterWord struct{ name, words string }

// counterWords lists the counters by subject: loss, listeners, resets, TIME_WAIT, memory.
func counterWords() []counterWord {
	return []counterWord{
		{"TcpRetransSegs", "segments retransmitted"},
		{"TcpExtTCPSynRetrans", "SYNs and SYN-ACKs retransmitted, after 1 s or more each"},
		{"TcpExtTCPTimeouts", "retransmission timeouts"},
		{"TcpExtTCPLostRetransmit", "lost retransmissions"},
		{"TcpExtTCPSpuriousRTOs", "retransmission timeouts that came too early"},
		{"TcpExtListenOverflows", "accept queue full"},
		{"TcpExtListenDrops", "SYNs or final ACKs dropped at a listener, for any reason"},
		{"TcpExtTCPReqQFullDrop", "SYN queue full, SYN dropped"},
		{"TcpExtTCPReqQFullDoCookies", "SYN queue full, SYN cookie sent"},
		{"TcpExtSyncookiesSent", "SYN cookies sent"},
		{"TcpExtSyncookiesFailed", "SYN cookies that came back invalid"},
		{"TcpAttemptFails", "handshakes that failed"},
		{"TcpEstabResets", "established connections reset, by either side"},
		{"TcpOutRsts", "RSTs sent"},
		{"TcpInErrs", "bad segments received"},
		{"TcpExtTCPAbortOnData", "RST: closed with SO_LINGER 0, or data came after the close"},
		{"TcpExtTCPAbortOnClose", "RST: closed with data unread"},
		{"TcpExtTCPAbortOnMemory", "RST: out of memory or too many orphans"},
		{"TcpExtTCPAbortOnTimeout", "given up after too many retransmissions"},
		{"TcpExtTCPAbortOnLinger", "RST: closed with TCP_LINGER2 below 0"},
		{"TcpExtTCPAbortFailed", "RST that could not be sent"},
		{"TcpExtTCPTimeWaitOverflow", "closed without TIME_WAIT: the buckets were full"},
		{"TcpExtTWRecycled", "TIME_WAIT sockets whose port a connect took over"},
		{"TcpExtPAWSTimewait", "segments dropped in TIME_WAIT for an old timestamp"},
		{"TcpExtPAWSActive", "SYN-ACKs dropped for an old timestamp"},
		{"TcpExtPAWSEstab", "segments dropped for an old timestamp"},
		{"TcpExtTCPACKSkippedTimeWait", "ACKs from TIME_WAIT held back by the rate limit"},
		{"TcpExtTCPChallengeACK", "challenge ACKs sent"},
		{"TcpExtTCPMigrateReqSuccess", "queued connections moved to another listener"},
		{"TcpExtTCPMigrateReqFailure", "queued connections that could not be moved"},
		{"TcpExtTCPBacklogDrop", "segments dropped: the socket's backlog was full"},
		{"TcpExtTCPRcvQDrop", "segments dropped: the receive queue was full"},
		{"TcpExtTCPZeroWindowDrop", "segments dropped at a zero window"},
		{"TcpExtPruneCalled", "receive queues pruned for lack of memory"},
		{"TcpExtTCPMemoryPressures", "times that TCP came under memory pressure"},
		{"TcpExtTCPFromZeroWindowAdv", "zero windows opened again"},
		{"IpOutNoRoutes", "packets without a route"},
		{"IpInDiscards", "packets discarded on the way in"},
		{"IpOutDiscards", "packets discarded on the way out"},
	}
}

// stateOrder lists the states in the order of a connection's life.
func stateOrder() []string {
	return []string{
		"LISTEN", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "CLOSING", "TIME_WAIT",
		"CLOSE_WAIT", "LAST_ACK", "CLOSED",
	}
}
