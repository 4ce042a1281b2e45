package verdict

import (
	"maps"
	"slices"

	"lastack/bench/record"
	"lastack/sockstate"
)

// failures judges a load that mostly failed at the target. The target's own closes are not a limit: see closes.
func (j *judgement) failures() bool {
	c := j.r.Connections
	if (c.Failed-j.failedAstray())*2 < c.Attempted {
		return false
	}
	worst, n := sockstate.OutcomeRSTReceived.String(), j.r.UnexpectedResets()
	for _, o := range sockstate.OutcomeNames(sockstate.ClassFailure) {
		if k := j.r.Outcomes[o]; k > n {
			worst, n = o, k
		}
	}
	by := record.LimitServer
	a := args{"failed": c.Failed, "attempted": c.Attempted, "outcome": worst, "outcomes": n}
	switch errno, k := j.errno(); {
	case worst == sockstate.OutcomeUnreachable.String():
		by = record.LimitNetwork
		j.advise("check_route", nil)
	case worst == sockstate.OutcomeOther.String() && 2*k > n: // not what came in place of a reply
		by = record.LimitUnknown
		a["errno"], a["errnos"] = errno, k
		if errno == "EPERM" || errno == "EACCES" {
			j.advise("check_what_is_forbidden", nil)
		}
	}
	// The kernel answers a SYN whatever the server does, unless a queue is full, which queues has judged.
	lost := j.r.Sandbox.Loss != "" && (j.waitsForLoss() || worst == sockstate.OutcomeConnectTimeout.String())
	if lost {
		by = record.LimitNetwork
	}
	j.limit(by, c.Completed > 0, "most_failed", a)
	switch {
	case worst != sockstate.OutcomeCutInRequest.String():
	case j.r.Latency["exchange"].Count == 0 && len(j.r.HTTP) == 0 && len(j.r.ExchangeErrors) == 0:
		j.advise("check_protocol", nil)
	case slices.ContainsFunc(j.r.Plan.Groups, func(g record.Group) bool { return g.Requests > 1 }):
		j.advise("fewer_requests_cut", nil)
	}
	if lost {
		j.because("segments_lost", j.lossArgs())
	}
	return true
}

// errno is the most frequent one behind the outcome "other".
func (j *judgement) errno() (name string, n int64) {
	for _, e := range slices.Sorted(maps.Keys(j.r.Errnos)) {
		if k := j.r.Errnos[e]; k > n {
			name, n = e, k
		}
	}
	return name, n
}

func failureCodes() []Code {
	return []Code{
		found("most_failed", "at least half of the lifecycles failed, most with the outcome that is named", "see that outcome: lastack help outcomes",
			"{failed} of {attempted} lifecycles failed, most as {outcome} ([{errno} {errnos} of ]{outcomes})"),
		remedy("check_route", "check the route to the target", "check the route to the target (ip route get ADDRESS) and the routers on the way"),
		remedy("check_what_is_forbidden", "look for what forbids this host to send",
			"look into what this host forbids: firewall rules for what it sends (nft list ruleset), a security module (dmesg), a seccomp filter"),
		remedy("check_protocol", "check what protocol the target speaks",
			"check what the target speaks: it ended each connection without a reply, as some servers do that await TLS or another protocol (curl -kv https://HOST:PORT/ tells TLS); "+
				"then look into its log"),
		remedy("fewer_requests_cut", "fewer requests on a connection, for a target that ends it between replies",
			"fewer --requests, if the target takes no more on a connection: it ended connections between its replies"),
	}
}
