package record

import (
	"slices"
	"strings"
)

// DrainThresholdHelp lists what ParseDrainThreshold accepts.
const DrainThresholdHelp = `METRIC then < <= > >= == or != then VALUE, as 'lost==0' or 'refused_window<100ms'; every try must keep it. Metrics: ` +
	`lost|lost_ratio|unsafe|safe|raced|requests|cut_fin|cut_rst|timed_out|answered_5xx|answered_close|slowest|answer_gap; ` +
	`refused|refused_window|first_refusal|last_accept|accepts_again|connect_timed_out|connect_slowest; ` +
	`idle_fin|idle_rst|idle_never; partial_fin|partial_rst|partial_never; queued_reset|queued_served; ` +
	`reconnected|reconnect_failed|reconnect_last; exit_time|exit_code|then_sent|last_gone; ` +
	`time_wait_left|fin_wait2_left|bind_plain|bind_reuse (1: ok, 0: refused); mismatches (of the accounting); ` +
	`connect|exchange . min|mean|p50|p90|p99|p999|max|count (of all tries)`

// ParseDrainThreshold is ParseThreshold for a drain, see DrainThresholdHelp. A threshold that it returns
// must be kept by every try.
func ParseDrainThreshold(expr string) (Threshold, error) {
	return parseThreshold(expr, "lost==0", lookupDrainMetric)
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
	value func(*DrainTry) (v float64, reason string, ok bool)
}

// get finds the metric in a try: in its unit, times in microseconds. Without ok, reason says why there is none.
func (d *drainMetric) get(t *DrainTry) (v float64, reason string, ok bool) {
	v, reason, ok = d.value(t)
	why, unknown := t.WhyUnknown(d.path)
	// What did come is a fact, whatever else is unknown; a count of 0 may be for want of knowledge.
	if unknown && (!ok || v == 0) {
		return 0, why, false
	}
	return v, reason, ok
}

// WhyUnknown looks the path of a key up in Unknown, then what the key is part of.
func (t *DrainTry) WhyUnknown(path string) (why string, ok bool) {
	for path != "" {
		if why, ok := t.Unknown[path]; ok {
			return why, true
		}
		path = path[:max(strings.LastIndex(path, "."), 0)]
	}
	return "", false
}

// Group finds the group of that name, nil where the load had none.
func (t *DrainTry) Group(name string) *DrainGroup {
	for i := range t.Groups {
		if t.Groups[i].Name == name {
			return &t.Groups[i]
		}
	}
	return nil
}

const didNotHappen = "it did not happen"

func drainMetrics() []drainMetric {
	return slices.Concat(drainRequestMetrics(), drainListenerMetrics(), drainGroupMetrics(), drainServerMetrics())
}

func drainNumber(f func(*DrainTry) int64) func(*DrainTry) (float64, string, bool) {
	return func(t *DrainTry) (float64, string, bool) { return float64(f(t)), "", true }
}

func drainTime(f func(*DrainTry) *float64) func(*DrainTry) (float64, string, bool) {
	return func(t *DrainTry) (float64, string, bool) {
		s := f(t)
		if s == nil {
			return 0, didNotHappen, false
		}
		return *s * 1e6, "", true
	}
}

func drainRequestMetrics() []drainMetric {
	number := func(name, key string, f func(*DrainRequests) int64) drainMetric {
		return drainMetric{name, count, "requests." + key, drainNumber(func(t *DrainTry) int64 { return f(&t.Requests) })}
	}
	return []drainMetric{
		number("lost", "lost", (*DrainRequests).Lost),
		{"lost_ratio", share, "requests.lost", lostRatio},
		number("unsafe", "unsafe", func(r *DrainRequests) int64 { return r.Unsafe }),
		number("safe", "safe", func(r *DrainRequests) int64 { return r.Safe }),
		number("raced", "raced", func(r *DrainRequests) int64 { return r.Raced }),
		number("requests", "sent", func(r *DrainRequests) int64 { return r.Sent }),
		number("cut_fin", "cut_fin", func(r *DrainRequests) int64 { return r.CutFIN }),
		number("cut_rst", "cut_rst", func(r *DrainRequests) int64 { return r.CutRST }),
		number("timed_out", "timed_out", func(r *DrainRequests) int64 { return r.TimedOut }),
		number("answered_5xx", "answered_5xx", func(r *DrainRequests) int64 { return r.Answered5xx }),
		number("answered_close", "completed_close", func(r *DrainRequests) int64 { return r.CompletedClose }),
		{"slowest", micros, "requests.slowest_s", drainTime(func(t *DrainTry) *float64 { return t.Requests.SlowestS })},
		{"answer_gap", micros, "requests.gap_s", drainTime(func(t *DrainTry) *float64 { return t.Requests.GapS })},
	}
}

func lostRatio(t *DrainTry) (float64, string, bool) {
	if t.Requests.Sent == 0 {
		return 0, "no request was under way at the signal, or sent after it", false
	}
	return float64(t.Requests.Lost()) / float64(t.Requests.Sent), "", true
}

func drainListenerMetrics() []drainMetric {
	// Where nobody asked, nothing is known of refusals.
	asked := func(f func(*DrainTry) (float64, string, bool)) func(*DrainTry) (float64, string, bool) {
		return func(t *DrainTry) (float64, string, bool) {
			if t.Listener.Attempts == 0 {
				return 0, "nothing connected after the signal", false
			}
			return f(t)
		}
	}
	return []drainMetric{
		{"refused", count, "listener.refused", asked(drainNumber(func(t *DrainTry) int64 { return t.Listener.Refused }))},
		{"refused_window", micros, "listener.refused_window_s", asked(closedWindow)},
		{"first_refusal", micros, "listener.first_refusal_s", drainTime(func(t *DrainTry) *float64 { return t.Listener.FirstRefusalS })},
		{"last_accept", micros, "listener.last_accept_s", drainTime(func(t *DrainTry) *float64 { return t.Listener.LastAcceptS })},
		{"accepts_again", micros, "listener.accepts_again_s", drainTime(func(t *DrainTry) *float64 { return t.Listener.AcceptsAgainS })},
		{"connect_timed_out", count, "listener.timed_out", asked(drainNumber(func(t *DrainTry) int64 { return t.Listener.TimedOut }))},
		{"connect_slowest", micros, "listener.slowest_connect_s", func(t *DrainTry) (float64, string, bool) {
			if t.Listener.SlowestConnectS == 0 {
				return 0, "no connect succeeded after the signal", false
			}
			return t.Listener.SlowestConnectS * 1e6, "", true
		}},
	}
}

// closedWindow is the refused window, unless it was open still when the watch ended: its length is the watch's then, and
// says nothing of the server.
func closedWindow(t *DrainTry) (v float64, reason string, ok bool) {
	l := &t.Listener
	if l.FirstRefusalS != nil && l.AcceptsAgainS == nil {
		return 0, "nothing accepted again while clients were watched, for " + after(l.RefusedWindowS), false
	}
	return l.RefusedWindowS * 1e6, "", true
}

func drainGroupMetrics() []drainMetric {
	fate := func(group, name string, f func(*DrainConnections) int64) drainMetric {
		return drainMetric{group + "_" + name, count, "groups." + group, func(t *DrainTry) (float64, string, bool) {
			g := t.Group(group)
			if g == nil {
				return 0, "the load had no group of " + group + " clients", false
			}
			return float64(f(&g.Connections)), "", true
		}}
	}
	queued := func(name, key string, f func(*DrainQueued) int64) drainMetric {
		return drainMetric{name, count, "queued." + key, func(t *DrainTry) (float64, string, bool) {
			if t.Queued == nil {
				return 0, "the load queued no connections", false
			}
			return float64(f(t.Queued)), "", true
		}}
	}
	fin := func(c *DrainConnections) int64 { return c.FIN }
	rst := func(c *DrainConnections) int64 { return c.RST }
	return []drainMetric{
		fate("idle", "fin", fin), fate("idle", "rst", rst), fate("idle", "never", (*DrainConnections).Left),
		fate("partial", "fin", fin), fate("partial", "rst", rst),
		fate("partial", "never", (*DrainConnections).Left),
		queued("queued_reset", "reset", func(q *DrainQueued) int64 { return q.Reset }),
		queued("queued_served", "served", func(q *DrainQueued) int64 { return q.Served }),
		{"reconnected", count, "reconnect.landed", drainNumber(func(t *DrainTry) int64 { return t.Reconnect.Reconnected() })},
		{"reconnect_failed", count, "reconnect.failed", drainNumber(func(t *DrainTry) int64 { return t.Reconnect.Failed })},
		{"reconnect_last", micros, "reconnect.last_s", drainTime(func(t *DrainTry) *float64 { return t.Reconnect.LastS })},
	}
}

func drainServerMetrics() []drainMetric {
	left := func(name, key string, f func(*DrainLeftover) int) drainMetric {
		return drainMetric{name, count, "leftover." + key, func(t *DrainTry) (float64, string, bool) {
			if !t.Leftover.Known {
				return 0, "the sockets left on the port were not counted", false
			}
			return float64(f(&t.Leftover)), "", true
		}}
	}
	bind := func(name, key string, f func(*DrainPort) string) drainMetric {
		return drainMetric{name, count, "port." + key, func(t *DrainTry) (float64, string, bool) {
			switch errno := f(&t.Port); errno {
			case "":
				return 0, "it was not tried", false
			case DrainBound:
				return 1, "", true
			default:
				return 0, errno, true
			}
		}}
	}
	return []drainMetric{
		{"exit_time", micros, "server.exit_s", exitTime},
		{"exit_code", count, "server.exit_code", exitCode},
		{"then_sent", count, "server.then_sent", drainNumber(func(t *DrainTry) int64 {
			if t.Server.ThenSent {
				return 1
			}
			return 0
		})},
		{"last_gone", micros, "last_gone_s", drainTime(func(t *DrainTry) *float64 { return t.LastGoneS })},
		left("time_wait_left", "time_wait", func(l *DrainLeftover) int { return l.TimeWait }),
		left("fin_wait2_left", "fin_wait2", func(l *DrainLeftover) int { return l.FinWait2 }),
		bind("bind_plain", "plain", func(p *DrainPort) string { return p.Plain }),
		bind("bind_reuse", "reuse", func(p *DrainPort) string { return p.Reuse }),
		{"mismatches", count, "accounting", drainMismatches},
	}
}

func exitTime(t *DrainTry) (float64, string, bool) {
	switch {
	case t.Server.ExitS != nil:
		return *t.Server.ExitS * 1e6, "", true
	case t.Server.Stayed:
		return 0, keptRunning, false
	}
	return 0, didNotHappen, false
}

func exitCode(t *DrainTry) (float64, string, bool) {
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

func drainMismatches(t *DrainTry) (float64, string, bool) {
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
