package bench

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"lastack/bench/record"
	"lastack/bench/setup"
	"lastack/sockstate"
	"lastack/sockstate/observe"
	"lastack/sockstate/trace"
)

// tracer is what traces the run, nil if nothing does.
func (e *experiment) tracer() observe.Tracer {
	if t := e.setup.Trace; t != setup.TraceAuto && t != setup.TraceOn {
		return nil
	}
	needs := e.setup.Needs.TimeWaits
	return &observe.BPF{
		Sockets:   max(2*e.setup.Slots, trace.DefaultSockets), // both ends
		TimeWaits: max(2*e.setup.Slots, trace.DefaultSockets, int(min(needs.Client+needs.Server, mostTimeWaits))),
	}
}

// mostTimeWaits bounds the memory of a trace: an entry takes about 100 bytes.
const mostTimeWaits = 1 << 23

// stopTrace ends the trace, once the teardown has settled.
func (e *experiment) stopTrace() {
	r, err := e.watch.StopTrace()
	if err != nil {
		e.sampler.warn("states.transitions: " + err.Error())
		return
	}
	e.traced = r
}

// addTrace adds what the trace has counted.
func (e *experiment) addTrace(r *record.Run) {
	t := e.traced
	if t == nil {
		return
	}
	s := &r.States
	s.Transitions, s.Dwell, s.Living = make(map[string]map[string]int64), make(map[string]map[string]record.Latency), make(map[string]map[string]int64)
	s.ResetsSent, s.ResetsReceived, s.Retransmits = make(map[string]map[string]int64), make(map[string]map[string]int64), make(map[string]map[string]int64)
	s.ResetsSentIn = make(map[string]map[string]map[string]int64)
	for side := range sockstate.Side(sockstate.NumSides) {
		name := side.String()
		s.Transitions[name] = transitions(t, side)
		var err error
		if s.Dwell[name], err = dwell(t, side); err != nil {
			r.Warnings = append(r.Warnings, "states.dwell: "+err.Error())
		}
		s.Living[name] = sockstate.ByName[sockstate.State](t.Living[side][:])
		s.ResetsReceived[name] = sockstate.ByName[sockstate.State](t.Received[side][:])
		s.Retransmits[name] = sockstate.ByName[sockstate.State](t.Retransmits[side][:])
		s.ResetsSent[name], s.ResetsSentIn[name] = make(map[string]int64), make(map[string]map[string]int64)
	}
	for _, reset := range t.Sent {
		side, state := reset.Side.String(), "NONE"
		if reset.State != 0 {
			state = reset.State.String()
		}
		s.ResetsSent[side][reset.Reason] += reset.N
		if s.ResetsSentIn[side][reset.Reason] == nil {
			s.ResetsSentIn[side][reset.Reason] = make(map[string]int64)
		}
		s.ResetsSentIn[side][reset.Reason][state] += reset.N
	}
	if len(r.Plan.Groups) == 1 && len(r.Predicted.Paths) > 0 {
		s.Paths = make(map[string]record.Paths)
		for side := range sockstate.Side(sockstate.NumSides) {
			w := wayOf(r.Predicted.Paths[side.String()], t.TimeWaitReason != "")
			paths, odd := w.judge(t, side)
			s.Paths[side.String()] = paths
			s.Exceptions = append(s.Exceptions, odd...)
		}
	}
	s.Unpredicted = unpredicted(s.Transitions, r.Predicted.Paths, len(r.Plan.Groups), t.TimeWaitReason != "")
	s.Minisockets = minisockets(t)
	if e.sandbox == nil {
		t.Lost.Resets = 0 // where only one end is traced, nothing is missing
	}
	s.Lost, s.LostBy = t.Lost.Total(), lostBy(&t.Lost)
	if s.Lost > 0 {
		r.Warnings = append(r.Warnings, "states.transitions: the trace missed events, so its numbers are too low (states.lost_by: "+words(s.LostBy)+")")
	}
	if t.ResetReason != "" {
		r.Warnings = append(r.Warnings, "states.resets_sent: missing: "+t.ResetReason)
	}
	if t.TimeWaitReason != "" {
		r.Warnings = append(r.Warnings, "states.transitions: TIME_WAIT was not followed, FIN_WAIT_2>CLOSED includes it: "+t.TimeWaitReason)
	}
	r.Accounting = append(r.Accounting, e.traceChecks(r)...)
	e.addClose(r)
}

func minisockets(t *trace.Result) map[string]map[string]record.Minis {
	all := make(map[string]map[string]record.Minis)
	for side := range sockstate.Side(sockstate.NumSides) {
		for _, of := range []struct {
			state sockstate.State
			minis trace.Minis
		}{{sockstate.TimeWait, t.TimeWaits[side]}, {sockstate.FinWait2, t.FinWait2[side]}} {
			if of.minis == (trace.Minis{}) {
				continue
			}
			if all[side.String()] == nil {
				all[side.String()] = make(map[string]record.Minis)
			}
			all[side.String()][of.state.String()] = record.Minis(of.minis)
		}
	}
	return all
}

func lostBy(l *trace.Lost) map[string]int64 {
	by := map[string]int64{
		record.LostInterrupted: l.Missed, record.LostSockets: l.Sockets, record.LostTimeWaits: l.TimeWaits, record.LostResets: l.Resets,
		record.LostUnknown: l.Unknown, record.LostUnbalanced: l.Unbalanced,
	}
	maps.DeleteFunc(by, func(_ string, n int64) bool { return n == 0 })
	return by
}

// words lists counts, in the order of their names.
func words(by map[string]int64) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(by)) {
		all = append(all, name+" "+strconv.FormatInt(by[name], 10))
	}
	return strings.Join(all, ", ")
}

func transitions(t *trace.Result, side sockstate.Side) map[string]int64 {
	m := make(map[string]int64)
	for from := range sockstate.State(sockstate.NumStates) {
		for to := range sockstate.State(sockstate.NumStates) {
			if n := t.Transitions[side][from][to]; n != 0 {
				m[from.String()+">"+to.String()] += n
			}
		}
	}
	return m
}

func dwell(t *trace.Result, side sockstate.Side) (map[string]record.Latency, error) {
	m := make(map[string]record.Latency)
	for state := range sockstate.State(sockstate.NumStates) {
		d := &t.Dwell[side][state]
		if d.Count() == 0 {
			continue
		}
		l, err := record.NewLatency(d.Histogram())
		if err != nil {
			return m, err
		}
		m[state.String()] = exact(l, d)
	}
	return m, nil
}

func exact(l record.Latency, d *trace.Dwell) record.Latency {
	return l.Exactly(float64(d.Min)/1e3, float64(d.Mean())/1e3, float64(d.Max)/1e3)
}

// unpredicted leaves the changes of state after the handshake that are on no predicted path. It is nil with several groups, whose paths are not all
// known.
func unpredicted(all map[string]map[string]int64, paths map[string][]string, groups int, noTimeWait bool) map[string]map[string]int64 {
	if groups > 1 {
		return nil
	}
	left := make(map[string]map[string]int64)
	for side, changes := range all {
		w := wayOf(paths[side], noTimeWait)
		m := maps.Clone(changes)
		maps.DeleteFunc(m, func(change string, _ int64) bool { return w.changes[change] })
		for _, known := range []string{"CLOSED>SYN_SENT", "SYN_SENT>ESTABLISHED", "LISTEN>SYN_RECV", "SYN_RECV>ESTABLISHED"} {
			delete(m, known)
		}
		if len(m) > 0 {
			left[side] = m
		}
	}
	return left
}

// traceChecks compares the trace with the ledger and the kernel's counters.
func (e *experiment) traceChecks(r *record.Run) []record.Check {
	t := e.traced
	var total sockstate.Range // opened, and begun
	for i := range e.result.Groups {
		g := &e.result.Groups[i]
		for _, l := range []struct{ opened, begun int64 }{{g.Ledger.Opened, g.Ledger.Attempted - g.Ledger.NoSYN}, {g.Warmup.Opened, g.Warmup.Attempted - g.Warmup.NoSYN}} {
			total.Min, total.Max = total.Min+l.opened, total.Max+l.begun
		}
	}
	sent := int64(0)
	for _, reset := range t.Sent {
		sent += reset.N
	}
	missed := t.Lost.Known()
	isExact := e.sandbox != nil && r.Settle.Done && missed == 0
	checks := []record.Check{
		check("trace: connections that came to ESTABLISHED at the client", total, t.Entries(sockstate.Client, sockstate.Established), isExact, ""),
		check("trace: states whose entries are not exits and living", one(0), t.Lost.Unbalanced, isExact, ""),
	}
	// counted compares with a counter of the kernel, unless something was not read.
	counted := func(name, counter string, got int64, why string) {
		c := check("trace: "+name+" = "+counter, one(r.Counters[counter]), got, isExact, "")
		if why = cmp.Or(why, e.after.notRead(&e.before, counter)); why != "" {
			c = record.Check{Name: c.Name, Want: c.Want, NotRead: why}
		}
		checks = append(checks, c)
	}
	if e.sandbox != nil {
		// A child of the listener begins in SYN_RECV (tcp_create_openreq_child).
		counted("connections that began at the server", "TcpPassiveOpens", t.Transitions[sockstate.Server][sockstate.Listen][sockstate.SynRecv], "")
	}
	counted("resets sent", "TcpOutRsts", sent, t.ResetReason)
	if r.Settle.Done && r.States.Source != "" {
		checks = append(checks, check("trace: open sockets that differ from the last census", one(0), apart(t, &e.sampler.sample.Census), isExact, ""))
	}
	if missed > 0 {
		for i := range checks {
			checks[i] = record.Check{Name: checks[i].Name, Want: checks[i].Want, NotRead: "the trace missed events"}
		}
	}
	return checks
}

// apart is the number of sockets by which a trace's living differ from a census. What has no socket of its own in the trace, or may have ended
// by its timer between both, is left out: LISTEN, SYN_RECV, TIME_WAIT and FIN_WAIT_2.
func apart(t *trace.Result, census *sockstate.Census) (n int64) {
	for side := range sockstate.NumSides {
		for s := range sockstate.State(sockstate.NumStates) {
			switch s {
			case sockstate.Closed, sockstate.Listen, sockstate.SynRecv, sockstate.TimeWait, sockstate.FinWait2:
			default:
				d := t.Living[side][s] - int64(census.Count[side][s])
				n += max(d, -d)
			}
		}
	}
	return n
}

// addClose adds the time that a close takes of which the client sees nothing. A warm-up cannot be told apart.
func (e *experiment) addClose(r *record.Run) {
	name := sockstate.LatencyClose.String()
	d := &e.traced.Close[sockstate.Client]
	if len(e.plan.Groups) != 1 || r.LatencyAbsent[name] == "" || r.Warmup != nil || d.Count() == 0 {
		return
	}
	l, err := record.NewLatency(d.Histogram())
	if err != nil {
		r.Warnings = append(r.Warnings, "latency.close: "+err.Error())
		return
	}
	if n := e.traced.Lost.Resets; n > 0 {
		r.Warnings = append(r.Warnings, "latency.close: "+strconv.FormatInt(n, 10)+" resets found no room in the trace, so that closes are missing")
	}
	r.Latency[name], r.LatencySource = exact(l, d), map[string]string{name: record.FromTrace}
	delete(r.LatencyAbsent, name)
}
