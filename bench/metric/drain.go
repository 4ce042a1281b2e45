package metric

import (
	"cmp"
	"slices"

	"lastack/bench/quantity"
	"lastack/bench/record"
)

const didNotHappen = "it did not happen"

func drainMetrics() []Metric {
	return slices.Concat(drainRequestMetrics(), drainListenerMetrics(), drainGroupMetrics(), drainServerMetrics())
}

// of makes a metric of a try. path is its key in the record, for which DrainTry.Unknown may say why it has no value. atLeast says why
// the value is only a lower bound, or returns "" if it is exact; nil means always exact.
func of(name string, unit Unit, better Better, help, path string, value func(*record.DrainTry) Value, atLeast func(*record.DrainTry) string) Metric {
	return Metric{Name: name, Unit: unit, Better: better, Help: help, try: func(t *record.DrainTry) Value {
		v := value(t)
		// What was seen is a fact, whatever else is unknown. A count of 0 may only mean that nothing was seen.
		if why, unknown := t.WhyUnknown(path); unknown && (!v.Known || v.V == 0) {
			return none(why)
		}
		if atLeast == nil {
			return v
		}
		return v.atLeast(atLeast(t))
	}}
}

func tried(f func(*record.DrainTry) int64) func(*record.DrainTry) Value {
	return func(t *record.DrainTry) Value { return number(f(t)) }
}

func drainTime(f func(*record.DrainTry) *float64) func(*record.DrainTry) Value {
	return func(t *record.DrainTry) Value {
		s := f(t)
		if s == nil {
			return none(didNotHappen)
		}
		return exactly(*s * 1e6)
	}
}

func drainRequestMetrics() []Metric {
	certain := func(name string, better Better, help, key string, f func(*record.DrainRequests) int64) Metric {
		return of(name, Count, better, help, "requests."+key, tried(func(t *record.DrainTry) int64 { return f(&t.Requests) }), nil)
	}
	undecided := func(name string, better Better, help, key string, f func(*record.DrainRequests) int64) Metric {
		return of(name, Count, better, help, "requests."+key, tried(func(t *record.DrainTry) int64 { return f(&t.Requests) }), stillOpen)
	}
	return []Metric{
		of("failed", Count, Lower, "requests and connects that failed", "requests.lost", tried((*record.DrainTry).Failed), undecidedAny),
		undecided("lost", Lower, "requests without a whole reply", "lost", (*record.DrainRequests).Lost),
		of("lost_ratio", Share, Lower, "requests lost, of those sent", "requests.lost", lostRatio, stillOpen),
		undecided("unsafe", Lower, "lost, and the server may have begun", "unsafe", func(r *record.DrainRequests) int64 { return r.Unsafe }),
		undecided("safe", Lower, "lost, and the server had not begun", "safe", func(r *record.DrainRequests) int64 { return r.Safe }),
		undecided("raced", Lower, "lost, arrived after the server closed", "raced", func(r *record.DrainRequests) int64 { return r.Raced }),
		undecided("unreceived", Lower, "lost, not received whole", "unreceived", func(r *record.DrainRequests) int64 { return r.Unreceived }),
		certain("requests", Neither, "in progress at the stop, or sent later", "sent", func(r *record.DrainRequests) int64 { return r.Sent }),
		undecided("cut_fin", Lower, "requests cut by FIN", "cut_fin", func(r *record.DrainRequests) int64 { return r.CutFIN }),
		undecided("cut_rst", Lower, "requests cut by RST", "cut_rst", func(r *record.DrainRequests) int64 { return r.CutRST }),
		undecided("timed_out", Lower, "requests without a reply in time", "timed_out", func(r *record.DrainRequests) int64 { return r.TimedOut }),
		certain("unanswered", Lower, "requests without a reply at the end", "open", func(r *record.DrainRequests) int64 { return r.Open }),
		undecided("answered_5xx", Lower, "requests answered with a 5xx", "answered_5xx", func(r *record.DrainRequests) int64 { return r.Answered5xx }),
		undecided("answered_close", Neither, "answered with Connection: close", "completed_close", func(r *record.DrainRequests) int64 { return r.CompletedClose }),
		of("slowest", Micros, Lower, "the slowest reply", "requests.slowest_s", drainTime(func(t *record.DrainTry) *float64 { return t.Requests.SlowestS }), unanswered),
		of("answer_gap", Micros, Lower, "the longest time without any reply", "requests.gap_s", drainTime(func(t *record.DrainTry) *float64 { return t.Requests.GapS }), openGap),
		undecided("http_2xx", Neither, "replies with a status of 2xx", "http", func(r *record.DrainRequests) int64 { return r.HTTP["2xx"] }),
		undecided("http_3xx", Neither, "replies with a status of 3xx", "http", func(r *record.DrainRequests) int64 { return r.HTTP["3xx"] }),
		undecided("http_4xx", Lower, "replies with a status of 4xx", "http", func(r *record.DrainRequests) int64 { return r.HTTP["4xx"] }),
		undecided("http_5xx", Lower, "replies with a status of 5xx", "http", func(r *record.DrainRequests) int64 { return r.HTTP["5xx"] }),
		undecided("http_invalid", Lower, "replies with an invalid status", "http", func(r *record.DrainRequests) int64 { return r.HTTP["invalid"] }),
		certain("http_3xx_before", Neither, "3xx replies before the stop", "http_before", func(r *record.DrainRequests) int64 { return r.HTTPBefore["3xx"] }),
		certain("http_4xx_before", Lower, "4xx replies before the stop", "http_before", func(r *record.DrainRequests) int64 { return r.HTTPBefore["4xx"] }),
		certain("http_5xx_before", Lower, "5xx replies before the stop", "http_before", func(r *record.DrainRequests) int64 { return r.HTTPBefore["5xx"] }),
	}
}

// some says how many there are, followed by rest: "3 requests had none". It returns "" for none.
func some(n int64, one, many, rest string) string {
	if n == 0 {
		return ""
	}
	return quantity.Count(n) + " " + quantity.Plural(n, one, many) + rest
}

func someConnects(n int64, rest string) string { return some(n, "connect", "connects", rest) }

// stillOpen says how many requests were still pending.
func stillOpen(t *record.DrainTry) string {
	return some(t.Requests.Open, "request", "requests", " had no reply yet when the load ended")
}

// unanswered says how many requests had no reply, whether they timed out or were still pending.
func unanswered(t *record.DrainTry) string {
	return some(t.Requests.TimedOut+t.Requests.Open, "request", "requests", " had none")
}

func openGap(t *record.DrainTry) string {
	if !t.Requests.GapOpen {
		return ""
	}
	return "no more replies came while clients were watched"
}

// undecidedAny says how many requests, or else connects, were still pending.
func undecidedAny(t *record.DrainTry) string {
	return cmp.Or(stillOpen(t), pendingConnects(t))
}

func lostRatio(t *record.DrainTry) Value {
	if t.Requests.Sent == 0 {
		return none("no request was in progress at the signal, or sent after it")
	}
	return exactly(float64(t.Requests.Lost()) / float64(t.Requests.Sent))
}

func drainListenerMetrics() []Metric {
	// Without connects nothing is known about refusals.
	asked := func(f func(*record.DrainTry) Value) func(*record.DrainTry) Value {
		return func(t *record.DrainTry) Value {
			if t.Listener.Attempts == 0 {
				return none("nothing connected after the signal")
			}
			return f(t)
		}
	}
	return []Metric{
		of("refused", Count, Lower, "connects refused", "listener.refused", asked(tried(func(t *record.DrainTry) int64 { return t.Listener.Refused })), pendingConnects),
		of("refused_window", Micros, Lower, "from the first refusal to an accept", "listener.refused_window_s", asked(closedWindow), undecidedConnections),
		of("first_refusal", Micros, Neither, "the first connect refused", "listener.first_refusal_s", drainTime(func(t *record.DrainTry) *float64 { return t.Listener.FirstRefusalS }), nil),
		of("last_accept", Micros, Neither, "the old server's last handshake", "listener.last_accept_s", drainTime(func(t *record.DrainTry) *float64 { return t.Listener.LastAcceptS }), nil),
		of("accepts_again", Micros, Lower, "the first handshake after a refusal", "listener.accepts_again_s", drainTime(func(t *record.DrainTry) *float64 { return t.Listener.AcceptsAgainS }), nil),
		of("connect_timed_out", Count, Lower, "connects without an answer in time", "listener.timed_out", asked(tried(func(t *record.DrainTry) int64 { return t.Listener.TimedOut })), pendingConnects),
		of("connect_pending", Count, Lower, "connects without an answer at the end", "listener.pending", asked(tried(func(t *record.DrainTry) int64 { return t.Listener.Pending })), nil),
		of("connect_failed", Count, Lower, "connects that failed on this host", "listener.failed", asked(tried(func(t *record.DrainTry) int64 { return t.Listener.Failed })), nil),
		of("connect_slowest", Micros, Lower, "the slowest connect that succeeded", "listener.slowest_connect_s", func(t *record.DrainTry) Value {
			if t.Listener.SlowestConnectS == 0 {
				return none("no connect succeeded after the signal")
			}
			return exactly(t.Listener.SlowestConnectS * 1e6)
		}, unansweredConnects),
		of("unserved", Count, Lower, "connections that no process served", "listener.unserved", asked(tried(func(t *record.DrainTry) int64 { return t.Listener.Unserved })), undecidedConnections),
	}
}

// pendingConnects says how many connects were still pending.
func pendingConnects(t *record.DrainTry) string {
	return someConnects(t.Listener.Pending, " had no answer yet when the load ended")
}

// undecidedConnections says for how many connections it is not known whether a process had accepted them.
func undecidedConnections(t *record.DrainTry) string {
	s := some(t.Listener.Undecided, "connection", "connections", " when the load ended")
	if s == "" {
		return ""
	}
	return "no reply had come yet on " + s
}

// unansweredConnects says how many connects had no answer, whether they timed out or were still pending.
func unansweredConnects(t *record.DrainTry) string {
	return someConnects(t.Listener.Unanswered(), " had no answer")
}

// closedWindow is the refused window. It has no value if the window was still open when the watch ended: its length would be that of
// the watch.
func closedWindow(t *record.DrainTry) Value {
	l := &t.Listener
	switch {
	case l.FirstRefusalS != nil && l.AcceptsAgainS == nil:
		return none("nothing accepted again while clients were watched, for " + after(l.RefusedWindowS))
	case l.UnservedFromS != nil:
		return none("handshakes by the kernel from " + after(*l.UnservedFromS) + " on: no process was seen accepting")
	case l.FirstRefusalS == nil && l.NoneAnswered():
		return none("no connect was answered")
	}
	return exactly(l.RefusedWindowS * 1e6)
}

func drainGroupMetrics() []Metric {
	fate := func(group, name string, better Better, help string, f func(*record.DrainConnections) int64) Metric {
		return of(group+"_"+name, Count, better, help, "groups."+group, func(t *record.DrainTry) Value {
			g := t.Group(group)
			if g == nil {
				return none("the load had no group of " + group + " clients")
			}
			return number(f(&g.Connections))
		}, nil)
	}
	queued := func(name string, better Better, help, key string, f func(*record.DrainQueued) int64) Metric {
		return of(name, Count, better, help, "queued."+key, func(t *record.DrainTry) Value {
			if t.Queued == nil {
				return none("the load queued no connections")
			}
			return number(f(t.Queued))
		}, nil)
	}
	fin := func(c *record.DrainConnections) int64 { return c.FIN }
	rst := func(c *record.DrainConnections) int64 { return c.RST }
	return []Metric{
		fate("idle", "fin", Neither, "idle connections ended by FIN", fin),
		fate("idle", "rst", Lower, "idle connections ended by RST", rst),
		fate("idle", "never", Lower, "idle connections never ended", (*record.DrainConnections).Left),
		fate("partial", "fin", Neither, "half a request sent, ended by FIN", fin),
		fate("partial", "rst", Lower, "half a request sent, ended by RST", rst),
		fate("partial", "never", Lower, "half a request sent, never ended", (*record.DrainConnections).Left),
		queued("queued_reset", Lower, "in the accept queue, reset", "reset", func(q *record.DrainQueued) int64 { return q.Reset }),
		queued("queued_served", Higher, "in the accept queue, served after all", "served", func(q *record.DrainQueued) int64 { return q.Served }),
		of("reconnected", Count, Higher, "clients that reconnected", "reconnect.landed", tried(func(t *record.DrainTry) int64 { return t.Reconnect.Reconnected() }), nil),
		of("reconnect_failed", Count, Lower, "clients that did not reconnect", "reconnect.failed", tried(func(t *record.DrainTry) int64 { return t.Reconnect.Failed }), nil),
		of("reconnect_last", Micros, Lower, "the last client back", "reconnect.last_s", drainTime(func(t *record.DrainTry) *float64 { return t.Reconnect.LastS }), notBack),
	}
}

// notBack says how many clients did not reconnect.
func notBack(t *record.DrainTry) string {
	return some(t.Reconnect.Failed, "client was", "clients were", " not back when the watch ended")
}

func drainServerMetrics() []Metric {
	left := func(name string, better Better, help, key string, f func(*record.DrainLeftover) int) Metric {
		return of(name, Count, better, help, "leftover."+key, func(t *record.DrainTry) Value {
			if !t.Leftover.Known {
				return none("the sockets left on the port were not counted")
			}
			return exactly(float64(f(&t.Leftover)))
		}, nil)
	}
	bind := func(name string, better Better, help, key string, f func(*record.DrainPort) string) Metric {
		return of(name, Count, better, help, "port."+key, func(t *record.DrainTry) Value {
			switch errno := f(&t.Port); errno {
			case "":
				return none("it was not tried")
			case record.DrainBound:
				return exactly(1)
			default:
				return Value{Known: true, Reason: errno}
			}
		}, nil)
	}
	return []Metric{
		of("exit_time", Micros, Lower, "the end of the server's process", "server.exit_s", exitTime, nil),
		of("exit_code", Count, Neither, "exit code of the server's process", "server.exit_code", exitCode, nil),
		of("then_sent", Count, Lower, "1: it needed a signal after the grace", "server.then_sent", tried(func(t *record.DrainTry) int64 {
			if t.Server.ThenSent {
				return 1
			}
			return 0
		}), nil),
		of("last_gone", Micros, Lower, "the last connection gone", "last_gone_s", drainTime(func(t *record.DrainTry) *float64 { return t.LastGoneS }), nil),
		left("time_wait_left", Lower, "TIME_WAIT sockets left on the port", "time_wait", func(l *record.DrainLeftover) int { return l.TimeWait }),
		left("fin_wait2_left", Lower, "FIN_WAIT_2 orphans left on the port", "fin_wait2", func(l *record.DrainLeftover) int { return l.FinWait2 }),
		bind("bind_plain", Higher, "1: bound at once, without SO_REUSEADDR", "plain", func(p *record.DrainPort) string { return p.Plain }),
		bind("bind_reuse", Higher, "1: bound at once with SO_REUSEADDR", "reuse", func(p *record.DrainPort) string { return p.Reuse }),
		of("mismatches", Count, Lower, "checks that do not hold", "accounting", func(t *record.DrainTry) Value { return mismatches(t.Accounting, "nothing could be checked") }, nil),
	}
}

func exitTime(t *record.DrainTry) Value {
	switch {
	case t.Server.ExitS != nil:
		return exactly(*t.Server.ExitS * 1e6)
	case t.Server.Stayed:
		return none(keptRunning)
	}
	return none(didNotHappen)
}

func exitCode(t *record.DrainTry) Value {
	switch {
	case t.Server.ExitCode != nil:
		return exactly(float64(*t.Server.ExitCode))
	case t.Server.ExitSignal != "":
		return none(t.Server.ExitSignal + " ended it, so there is no exit code")
	case t.Server.Stayed:
		return none(keptRunning)
	case t.Server.ExitS != nil:
		return none("the exit code is not known")
	}
	return none(didNotHappen)
}
