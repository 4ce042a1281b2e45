package metric

import (
	"slices"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
)

// DrainThresholdHelp lists what ParseDrainThreshold accepts.
const DrainThresholdHelp = `METRIC then < <= > >= == or != then VALUE, as 'failed==0' or 'refused_window<100ms'; every try must keep it. ` +
	`failed sums requests lost or answered 5xx, and connects refused, unreachable or not answered in time. Metrics: ` +
	`failed|lost|lost_ratio|unsafe|safe|raced|unreceived|requests|cut_fin|cut_rst|timed_out|unanswered|answered_5xx|answered_close|slowest|answer_gap; ` +
	`http_2xx|http_3xx|http_4xx|http_5xx|http_invalid|http_3xx_before|http_4xx_before|http_5xx_before (replies by status, from the signal on or before); ` +
	`refused|refused_window|first_refusal|last_accept|accepts_again|connect_timed_out|connect_pending|connect_failed|connect_slowest|unserved; ` +
	`idle_fin|idle_rst|idle_never; partial_fin|partial_rst|partial_never; queued_reset|queued_served; ` +
	`reconnected|reconnect_failed|reconnect_last; exit_time|exit_code|then_sent|last_gone; ` +
	`time_wait_left|fin_wait2_left|bind_plain|bind_reuse (1: ok, 0: refused); mismatches (of the accounting); ` +
	`connect|exchange . min|mean|p50|p90|p99|p999|max|count (of all tries; who had no answer in time counts as slower than all)`

// ParseDrainThreshold is ParseThreshold for a drain, see DrainThresholdHelp. A threshold that it returns
// must be kept by every try.
func ParseDrainThreshold(expr string) (Threshold, error) {
	return parseThreshold(expr, "failed==0", lookupDrainMetric)
}

func lookupDrainMetric(name string) (m metric, accepted string, ok bool) {
	for _, d := range drainMetrics() {
		if d.name == name {
			return metric{unit: d.unit, try: &d}, "", true
		}
	}
	if family, _, dotted := strings.Cut(name, "."); dotted && drainHasLatency(family) {
		return lookupMetric(name)
	}
	_, all, _ := strings.Cut(DrainThresholdHelp, "Metrics: ")
	return metric{}, all, false
}

// drainHasLatency tells the latencies that a drain measures.
func drainHasLatency(name string) bool { return slices.Contains([]string{"connect", "exchange"}, name) }

// drainMetric is what a threshold, a spread or a comparison may ask of a try.
type drainMetric struct {
	name string
	unit unit
	// path is the metric's key in a try: where Unknown may say why it has no value.
	path string
	// value is found in a try that knows it. Without ok there is none, for the reason given.
	value func(*record.DrainTry) (v float64, reason string, ok bool)
	// atLeast says why the value is a lower bound only, empty where it is exact; nil: always exact.
	atLeast func(*record.DrainTry) string
}

// get finds the metric in a try: in its unit, times in microseconds. Without ok, reason says why there is none.
func (d *drainMetric) get(t *record.DrainTry) (v float64, reason string, ok bool) {
	v, reason, ok = d.value(t)
	why, unknown := t.WhyUnknown(d.path)
	// What did come is a fact, whatever else is unknown; a count of 0 may be for want of knowledge.
	if unknown && (!ok || v == 0) {
		return 0, why, false
	}
	return v, reason, ok
}

// lowerBound says why the metric is at least its value, and may be more; empty: it is exact.
func (d *drainMetric) lowerBound(t *record.DrainTry) string {
	if d.atLeast == nil {
		return ""
	}
	return d.atLeast(t)
}

const didNotHappen = "it did not happen"

func drainMetrics() []drainMetric {
	return slices.Concat(drainRequestMetrics(), drainListenerMetrics(), drainGroupMetrics(), drainServerMetrics())
}

func drainNumber(f func(*record.DrainTry) int64) func(*record.DrainTry) (float64, string, bool) {
	return func(t *record.DrainTry) (float64, string, bool) { return float64(f(t)), "", true }
}

func drainTime(f func(*record.DrainTry) *float64) func(*record.DrainTry) (float64, string, bool) {
	return func(t *record.DrainTry) (float64, string, bool) {
		s := f(t)
		if s == nil {
			return 0, didNotHappen, false
		}
		return *s * 1e6, "", true
	}
}

func drainRequestMetrics() []drainMetric {
	number := func(name, key string, f func(*record.DrainRequests) int64) drainMetric {
		return drainMetric{name: name, unit: count, path: "requests." + key, value: drainNumber(func(t *record.DrainTry) int64 { return f(&t.Requests) })}
	}
	undecided := func(name, key string, f func(*record.DrainRequests) int64) drainMetric {
		m := number(name, key, f)
		m.atLeast = stillOpen
		return m
	}
	return []drainMetric{
		{name: "failed", unit: count, path: "requests.lost", value: drainNumber((*record.DrainTry).Failed), atLeast: undecidedAny},
		undecided("lost", "lost", (*record.DrainRequests).Lost),
		{name: "lost_ratio", unit: share, path: "requests.lost", value: lostRatio, atLeast: stillOpen},
		undecided("unsafe", "unsafe", func(r *record.DrainRequests) int64 { return r.Unsafe }),
		undecided("safe", "safe", func(r *record.DrainRequests) int64 { return r.Safe }),
		undecided("raced", "raced", func(r *record.DrainRequests) int64 { return r.Raced }),
		undecided("unreceived", "unreceived", func(r *record.DrainRequests) int64 { return r.Unreceived }),
		number("requests", "sent", func(r *record.DrainRequests) int64 { return r.Sent }),
		undecided("cut_fin", "cut_fin", func(r *record.DrainRequests) int64 { return r.CutFIN }),
		undecided("cut_rst", "cut_rst", func(r *record.DrainRequests) int64 { return r.CutRST }),
		undecided("timed_out", "timed_out", func(r *record.DrainRequests) int64 { return r.TimedOut }),
		number("unanswered", "open", func(r *record.DrainRequests) int64 { return r.Open }),
		undecided("answered_5xx", "answered_5xx", func(r *record.DrainRequests) int64 { return r.Answered5xx }),
		undecided("answered_close", "completed_close", func(r *record.DrainRequests) int64 { return r.CompletedClose }),
		{name: "slowest", unit: micros, path: "requests.slowest_s", value: drainTime(func(t *record.DrainTry) *float64 { return t.Requests.SlowestS }), atLeast: unanswered},
		{name: "answer_gap", unit: micros, path: "requests.gap_s", value: drainTime(func(t *record.DrainTry) *float64 { return t.Requests.GapS }), atLeast: openGap},
		undecided("http_2xx", "http", func(r *record.DrainRequests) int64 { return r.HTTP["2xx"] }),
		undecided("http_3xx", "http", func(r *record.DrainRequests) int64 { return r.HTTP["3xx"] }),
		undecided("http_4xx", "http", func(r *record.DrainRequests) int64 { return r.HTTP["4xx"] }),
		undecided("http_5xx", "http", func(r *record.DrainRequests) int64 { return r.HTTP["5xx"] }),
		undecided("http_invalid", "http", func(r *record.DrainRequests) int64 { return r.HTTP["invalid"] }),
		number("http_3xx_before", "http_before", func(r *record.DrainRequests) int64 { return r.HTTPBefore["3xx"] }),
		number("http_4xx_before", "http_before", func(r *record.DrainRequests) int64 { return r.HTTPBefore["4xx"] }),
		number("http_5xx_before", "http_before", func(r *record.DrainRequests) int64 { return r.HTTPBefore["5xx"] }),
	}
}

// stillOpen says that requests had no fate yet.
func stillOpen(t *record.DrainTry) string {
	n := t.Requests.Open
	if n == 0 {
		return ""
	}
	return quantity.Count(n) + quantity.Plural(n, " request", " requests") + " had no reply yet when the load ended"
}

// unanswered says that requests had no reply, for however long they waited.
func unanswered(t *record.DrainTry) string {
	n := t.Requests.TimedOut + t.Requests.Open
	if n == 0 {
		return ""
	}
	return quantity.Count(n) + quantity.Plural(n, " request", " requests") + " had none"
}

func openGap(t *record.DrainTry) string {
	if !t.Requests.GapOpen {
		return ""
	}
	return "no reply came any more while clients were watched"
}

// undecidedAny says that requests or connects had no fate yet.
func undecidedAny(t *record.DrainTry) string {
	if s := stillOpen(t); s != "" {
		return s
	}
	return pendingConnects(t)
}

func lostRatio(t *record.DrainTry) (float64, string, bool) {
	if t.Requests.Sent == 0 {
		return 0, "no request was under way at the signal, or sent after it", false
	}
	return float64(t.Requests.Lost()) / float64(t.Requests.Sent), "", true
}

func drainListenerMetrics() []drainMetric {
	// Where nobody asked, nothing is known of refusals.
	asked := func(f func(*record.DrainTry) (float64, string, bool)) func(*record.DrainTry) (float64, string, bool) {
		return func(t *record.DrainTry) (float64, string, bool) {
			if t.Listener.Attempts == 0 {
				return 0, "nothing connected after the signal", false
			}
			return f(t)
		}
	}
	return []drainMetric{
		{name: "refused", unit: count, path: "listener.refused", value: asked(drainNumber(func(t *record.DrainTry) int64 { return t.Listener.Refused })), atLeast: pendingConnects},
		{name: "refused_window", unit: micros, path: "listener.refused_window_s", value: asked(closedWindow), atLeast: undecidedConnections},
		{name: "first_refusal", unit: micros, path: "listener.first_refusal_s", value: drainTime(func(t *record.DrainTry) *float64 { return t.Listener.FirstRefusalS })},
		{name: "last_accept", unit: micros, path: "listener.last_accept_s", value: drainTime(func(t *record.DrainTry) *float64 { return t.Listener.LastAcceptS })},
		{name: "accepts_again", unit: micros, path: "listener.accepts_again_s", value: drainTime(func(t *record.DrainTry) *float64 { return t.Listener.AcceptsAgainS })},
		{name: "connect_timed_out", unit: count, path: "listener.timed_out", value: asked(drainNumber(func(t *record.DrainTry) int64 { return t.Listener.TimedOut })), atLeast: pendingConnects},
		{name: "connect_pending", unit: count, path: "listener.pending", value: asked(drainNumber(func(t *record.DrainTry) int64 { return t.Listener.Pending }))},
		{name: "connect_failed", unit: count, path: "listener.failed", value: asked(drainNumber(func(t *record.DrainTry) int64 { return t.Listener.Failed }))},
		{name: "connect_slowest", unit: micros, path: "listener.slowest_connect_s", value: func(t *record.DrainTry) (float64, string, bool) {
			if t.Listener.SlowestConnectS == 0 {
				return 0, "no connect succeeded after the signal", false
			}
			return t.Listener.SlowestConnectS * 1e6, "", true
		}, atLeast: unansweredConnects},
		{name: "unserved", unit: count, path: "listener.unserved", value: asked(drainNumber(func(t *record.DrainTry) int64 { return t.Listener.Unserved })), atLeast: undecidedConnections},
	}
}

// pendingConnects says that connects had no fate yet.
func pendingConnects(t *record.DrainTry) string {
	n := t.Listener.Pending
	if n == 0 {
		return ""
	}
	return quantity.Count(n) + quantity.Plural(n, " connect", " connects") + " had no answer yet when the load ended"
}

// undecidedConnections says that it is not known of connections whether a process had accepted them.
func undecidedConnections(t *record.DrainTry) string {
	n := t.Listener.Undecided
	if n == 0 {
		return ""
	}
	return "no reply had come yet on " + quantity.Count(n) + quantity.Plural(n, " connection", " connections") + " when the load ended"
}

// unansweredConnects says that connects had no answer, for however long they waited.
func unansweredConnects(t *record.DrainTry) string {
	n := t.Listener.Unanswered()
	if n == 0 {
		return ""
	}
	return quantity.Count(n) + quantity.Plural(n, " connect", " connects") + " had no answer"
}

// closedWindow is the refused window, unless it was open still when the watch ended: its length is the watch's then, and
// says nothing of the server.
func closedWindow(t *record.DrainTry) (v float64, reason string, ok bool) {
	l := &t.Listener
	switch {
	case l.FirstRefusalS != nil && l.AcceptsAgainS == nil:
		return 0, "nothing accepted again while clients were watched, for " + after(l.RefusedWindowS), false
	case l.UnservedFromS != nil:
		return 0, "handshakes by the kernel from " + after(*l.UnservedFromS) + " on: no process was seen accepting", false
	case l.FirstRefusalS == nil && l.NoneAnswered():
		return 0, "no connect was answered", false
	}
	return l.RefusedWindowS * 1e6, "", true
}

func drainGroupMetrics() []drainMetric {
	fate := func(group, name string, f func(*record.DrainConnections) int64) drainMetric {
		return drainMetric{name: group + "_" + name, unit: count, path: "groups." + group, value: func(t *record.DrainTry) (float64, string, bool) {
			g := t.Group(group)
			if g == nil {
				return 0, "the load had no group of " + group + " clients", false
			}
			return float64(f(&g.Connections)), "", true
		}}
	}
	queued := func(name, key string, f func(*record.DrainQueued) int64) drainMetric {
		return drainMetric{name: name, unit: count, path: "queued." + key, value: func(t *record.DrainTry) (float64, string, bool) {
			if t.Queued == nil {
				return 0, "the load queued no connections", false
			}
			return float64(f(t.Queued)), "", true
		}}
	}
	fin := func(c *record.DrainConnections) int64 { return c.FIN }
	rst := func(c *record.DrainConnections) int64 { return c.RST }
	return []drainMetric{
		fate("idle", "fin", fin), fate("idle", "rst", rst), fate("idle", "never", (*record.DrainConnections).Left),
		fate("partial", "fin", fin), fate("partial", "rst", rst),
		fate("partial", "never", (*record.DrainConnections).Left),
		queued("queued_reset", "reset", func(q *record.DrainQueued) int64 { return q.Reset }),
		queued("queued_served", "served", func(q *record.DrainQueued) int64 { return q.Served }),
		{name: "reconnected", unit: count, path: "reconnect.landed", value: drainNumber(func(t *record.DrainTry) int64 { return t.Reconnect.Reconnected() })},
		{name: "reconnect_failed", unit: count, path: "reconnect.failed", value: drainNumber(func(t *record.DrainTry) int64 { return t.Reconnect.Failed })},
		{name: "reconnect_last", unit: micros, path: "reconnect.last_s", value: drainTime(func(t *record.DrainTry) *float64 { return t.Reconnect.LastS }), atLeast: notBack},
	}
}

// notBack says that clients had no connection again.
func notBack(t *record.DrainTry) string {
	n := t.Reconnect.Failed
	if n == 0 {
		return ""
	}
	return quantity.Count(n) + quantity.Plural(n, " client was", " clients were") + " not back when the watch ended"
}

func drainServerMetrics() []drainMetric {
	left := func(name, key string, f func(*record.DrainLeftover) int) drainMetric {
		return drainMetric{name: name, unit: count, path: "leftover." + key, value: func(t *record.DrainTry) (float64, string, bool) {
			if !t.Leftover.Known {
				return 0, "the sockets left on the port were not counted", false
			}
			return float64(f(&t.Leftover)), "", true
		}}
	}
	bind := func(name, key string, f func(*record.DrainPort) string) drainMetric {
		return drainMetric{name: name, unit: count, path: "port." + key, value: func(t *record.DrainTry) (float64, string, bool) {
			switch errno := f(&t.Port); errno {
			case "":
				return 0, "it was not tried", false
			case record.DrainBound:
				return 1, "", true
			default:
				return 0, errno, true
			}
		}}
	}
	return []drainMetric{
		{name: "exit_time", unit: micros, path: "server.exit_s", value: exitTime},
		{name: "exit_code", unit: count, path: "server.exit_code", value: exitCode},
		{name: "then_sent", unit: count, path: "server.then_sent", value: drainNumber(func(t *record.DrainTry) int64 {
			if t.Server.ThenSent {
				return 1
			}
			return 0
		})},
		{name: "last_gone", unit: micros, path: "last_gone_s", value: drainTime(func(t *record.DrainTry) *float64 { return t.LastGoneS })},
		left("time_wait_left", "time_wait", func(l *record.DrainLeftover) int { return l.TimeWait }),
		left("fin_wait2_left", "fin_wait2", func(l *record.DrainLeftover) int { return l.FinWait2 }),
		bind("bind_plain", "plain", func(p *record.DrainPort) string { return p.Plain }),
		bind("bind_reuse", "reuse", func(p *record.DrainPort) string { return p.Reuse }),
		{name: "mismatches", unit: count, path: "accounting", value: drainMismatches},
	}
}

func exitTime(t *record.DrainTry) (float64, string, bool) {
	switch {
	case t.Server.ExitS != nil:
		return *t.Server.ExitS * 1e6, "", true
	case t.Server.Stayed:
		return 0, keptRunning, false
	}
	return 0, didNotHappen, false
}

func exitCode(t *record.DrainTry) (float64, string, bool) {
	switch {
	case t.Server.ExitCode != nil:
		return float64(*t.Server.ExitCode), "", true
	case t.Server.ExitSignal != "":
		return 0, t.Server.ExitSignal + " ended it, so that there is no code", false
	case t.Server.Stayed:
		return 0, keptRunning, false
	case t.Server.ExitS != nil:
		return 0, "the exit code is not known", false
	}
	return 0, didNotHappen, false
}

func drainMismatches(t *record.DrainTry) (float64, string, bool) {
	if len(t.Accounting) == 0 {
		return 0, "nothing could be held against it", false
	}
	n := 0
	for _, c := range t.Accounting {
		if !c.OK && c.NotRead == "" {
			n++
		}
	}
	return float64(n), "", true
}
