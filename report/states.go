package report

import (
	"fmt"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// timeline is how the run went: a series for each quantity that moved.
func timeline(run *record.Run) *document.Section {
	tl := run.Timeline
	if len(tl) < 2 {
		return nil
	}
	c := &document.Chart{Times: make([]float64, len(tl)), Phases: make([]string, len(tl))}
	for i := range tl {
		c.Times[i], c.Phases[i] = tl[i].TS, tl[i].Phase
	}
	level := document.Detail
	series := func(side, name string, kind document.SeriesKind, limit float64, value func(iv *record.Interval) float64) {
		s := document.Series{Level: level, Side: side, Name: name, Kind: kind, Limit: limit, Points: make([]float64, len(tl))}
		some := false
		for i := range tl {
			v := value(&tl[i])
			if kind == document.Speed {
				length := tl[i].TS
				if i > 0 {
					length -= tl[i-1].TS
				}
				if length <= 0 {
					length = 1e18
				}
				v /= length
			}
			s.Points[i] = finite(v)
			some = some || s.Points[i] > 0
		}
		if some {
			c.Series = append(c.Series, s)
		}
	}
	series("", "opened/s", document.Speed, run.Rate.TargetPerS, func(iv *record.Interval) float64 { return float64(iv.Opened) })
	series("", "failed/s", document.Speed, 0, func(iv *record.Interval) float64 { return float64(iv.Failed) })
	series("", "in flight", document.Gauge, 0, func(iv *record.Interval) float64 { return float64(iv.InFlight) })
	series("", "lifecycle p50", document.Duration, 0, func(iv *record.Interval) float64 { return iv.P50Us })
	series("", "lifecycle p99", document.Duration, 0, func(iv *record.Interval) float64 { return iv.P99Us })
	series("", "lifecycle max", document.Duration, 0, func(iv *record.Interval) float64 { return iv.MaxUs })
	for _, side := range []string{"client", "server"} {
		of := func(iv *record.Interval) map[string]int {
			if side == "client" {
				return iv.Client
			}
			return iv.Server
		}
		seen, shown := statesOf(tl, of)
		for i, state := range seen {
			level = document.Detail
			if !shown[i] {
				level = document.Data
			}
			limit := 0.0
			if state == "TIME_WAIT" {
				limit = float64(run.TimeWait.MaxBuckets)
			}
			series(side, state, document.Gauge, limit, func(iv *record.Interval) float64 { return float64(of(iv)[state]) })
		}
	}
	level = document.Detail
	series("", "accept queue", document.Gauge, float64(run.Pressure.Backlog), func(iv *record.Interval) float64 { return float64(iv.AcceptQueue) })
	series("", "orphans", document.Gauge, 0, func(iv *record.Interval) float64 { return float64(iv.Orphans) })
	series("", "ports in use", document.Gauge, float64(run.Pressure.Ports.Available), func(iv *record.Interval) float64 { return float64(iv.PortsInUse) })
	level = document.Data
	series("", "descriptors", document.Gauge, float64(run.Pressure.Fds.Limit), func(iv *record.Interval) float64 { return float64(iv.Fds) })
	series("", "TCP buffers, bytes", document.Gauge, float64(run.Pressure.Memory.TCPLimitBytes), func(iv *record.Interval) float64 { return float64(iv.MemBytes) })
	return &document.Section{ID: "timeline", Title: "TIMELINE", Blocks: []document.Block{c}}
}

// statesOf lists the states of a side, and which are drawn: those that were more than a passing few, which is from a twentieth of the
// side's largest, and ESTABLISHED and TIME_WAIT always.
func statesOf(tl []record.Interval, of func(*record.Interval) map[string]int) (seen []string, shown []bool) {
	peak := make(map[string]int)
	top := 0
	for i := range tl {
		for s, n := range of(&tl[i]) {
			if s != "LISTEN" {
				peak[s] = max(peak[s], n)
				top = max(top, n)
			}
		}
	}
	seen = stateKeys(peak)
	// TCP has eleven; whoever brings thousands gets a row for the first of them only.
	seen = seen[:min(len(seen), 16)]
	for _, s := range seen {
		shown = append(shown, peak[s] >= top/20 || s == "ESTABLISHED" || s == "TIME_WAIT")
	}
	return seen, shown
}

// stateKeys lists m's keys, the known states in order.
func stateKeys[V any](m map[string]V) []string { return ordered(m, stateOrder()) }

// states is what the census saw.
func states(run *record.Run) *document.Section {
	st := &run.States
	s := &document.Section{ID: "states", Title: "TCP STATES", Level: document.First}
	if len(st.Peak) == 0 && len(st.Final) == 0 {
		if st.Source != "" || run.Observer.CensusReason == "" {
			return nil
		}
		s.Lead = "not observed: " + run.Observer.CensusReason
		return s
	}
	sides := sideOrder(st)
	all := make(map[string]bool)
	t := table(document.First, "")
	for _, side := range sides {
		for state, n := range st.Peak[side] {
			all[state] = all[state] || n > 0
		}
		for state, n := range st.Final[side] {
			all[state] = all[state] || n > 0
		}
		t.Columns = append(t.Columns, document.Column{Name: side + " peak", Level: document.First})
		if len(st.Final) > 0 {
			t.Columns = append(t.Columns, document.Column{Name: "at the end", Level: document.First})
		}
	}
	seen := func(n int) document.Value {
		if n == 0 {
			return document.Absent("in no sample")
		}
		return count(n)
	}
	for _, state := range stateKeys(all) {
		// Listeners are no connections.
		if !all[state] || state == "LISTEN" {
			continue
		}
		r := row(document.First, state)
		for _, side := range sides {
			r.Cells = append(r.Cells, seen(st.Peak[side][state]))
			if len(st.Final) > 0 {
				r.Cells = append(r.Cells, seen(st.Final[side][state]))
			}
		}
		t.Rows = append(t.Rows, r)
	}
	if len(t.Rows) == 0 {
		s.Lead = "no socket of the load was seen in any sample"
		return s
	}
	by := ""
	if st.Source != "" {
		by = "by " + censusWords(st.Source)
	}
	s.Blocks = append(s.Blocks, t)
	s.Blocks = append(s.Blocks, note(document.Detail, join("; ", by, "- is in no sample: a state shorter than the interval is seen by chance only"))...)
	tw := &run.TimeWait
	if tw.FinWait2MiniPeak > 0 {
		s.Blocks = append(s.Blocks, note(document.Detail, "of FIN_WAIT_2, minisockets (closed, waiting for the peer's FIN under tcp_fin_timeout): peak "+quantity.Count(int64(tw.FinWait2MiniPeak)))...)
	}
	if tw.OrphanPeak > 0 {
		s.Blocks = append(s.Blocks, note(document.Detail, "orphans (closed by their process, not yet done): peak "+quantity.Count(int64(tw.OrphanPeak)))...)
	}
	return s
}

func sideOrder(s *record.States) []string {
	all := make(map[string]bool)
	for side := range s.Peak {
		all[side] = true
	}
	for side := range s.Final {
		all[side] = true
	}
	sides := ordered(all, []string{"client", "server"})
	// A record has two.
	return sides[:min(len(sides), 3)]
}

// timeWait is how TIME_WAIT built up.
func timeWait(run *record.Run) *document.Section {
	tw := &run.TimeWait
	s := &document.Section{ID: "time_wait", Title: "TIME_WAIT", Level: document.First}
	entered := tw.Entered + tw.EnteredShort
	if tw.NotRead != "" {
		s.Lead = fmt.Sprintf("peak %s; how many entered it is not read: %s", quantity.Count(int64(tw.Peak)), tw.NotRead)
		return s
	}
	if tw.Peak == 0 && entered == 0 && tw.Overflow == 0 && tw.ReusedByConnect == 0 {
		if len(run.Counters) == 0 || run.Connections.Opened == 0 {
			return nil
		}
		s.Lead = "none: no socket entered it"
		return s
	}
	t := table(document.Detail, "", "", "~")
	var lead []string
	add := func(words, name string, v document.Value, note string) {
		t.Rows = append(t.Rows, row(document.Detail, name, v, txt(note)))
		if words != "" {
			lead = append(lead, words)
		}
	}
	if entered > 0 {
		note := ""
		if tw.EnteredShort > 0 {
			note = quantity.Count(tw.EnteredShort) + " of them for 4 s or less (TcpExtTWKilled)"
		}
		if tw.Peak == 0 && tw.FinWait2MiniPeak > 0 {
			note = join("; ", note, "as FIN_WAIT_2 minisockets, which the kernel counts alike")
		}
		if !alone(run) {
			note = join("; ", note, "everybody's in this namespace")
		}
		add(quantity.Count(entered)+" entered", "entered", count(entered), note)
	}
	if n := tw.Simultaneous; n != nil {
		add("", "simultaneous", count(*n), quantity.Share(float64(*n), float64(entered+tw.Overflow-*n))+" of the connections: the FINs crossed, and both ends entered it")
	}
	if tw.Peak > 0 {
		note, used := timeWaitPeak(run)
		add(join(", ", "peak "+quantity.Count(int64(tw.Peak)), used), "peak", count(tw.Peak), note)
	}
	if tw.ReusedByConnect > 0 {
		add(quantity.Count(tw.ReusedByConnect)+" reused by connect", "reused by connect", count(tw.ReusedByConnect), "ports taken over before TIME_WAIT was over (tcp_tw_reuse)")
	}
	if tw.EndedEarly > 0 {
		add("", "ended early", count(tw.EndedEarly), "reopened by a SYN from the same port, or reset: no counter has these")
	}
	if tw.Overflow > 0 {
		add(quantity.Count(tw.Overflow)+" closed without it, the buckets being full", "overflow", count(tw.Overflow), "closed without TIME_WAIT, the buckets being full")
	}
	if tw.LongestLeftS > 0 {
		add("", "last one gone in", seconds(tw.LongestLeftS), strings.TrimSpace(roundedUp(run, tw.LongestLeftS))+", from the last census on")
	}
	s.Lead = strings.Join(lead, "; ")
	s.Blocks = append(s.Blocks, t)
	return s
}

// timeWaitPeak says of the peak who had it, and how much of the buckets that was.
func timeWaitPeak(run *record.Run) (note, used string) {
	tw := &run.TimeWait
	var parts []string
	for _, side := range keys(tw.PeakBySide) {
		if n := tw.PeakBySide[side]; n > 0 {
			parts = append(parts, side+" "+quantity.Count(int64(n)))
		}
	}
	note = strings.Join(parts, ", ")
	if tw.MaxBuckets <= 0 {
		return note, ""
	}
	most := tw.Peak
	if run.Sandbox.Topology == "veth" {
		most = 0 // each side's namespace has buckets of its own
		for _, n := range tw.PeakBySide {
			most = max(most, n)
		}
	}
	used = quantity.Usage(float64(most), float64(tw.MaxBuckets)) + " of " + quantity.Count(int64(tw.MaxBuckets)) + " buckets"
	note = join("; ", note, used)
	if n := tw.HostBuckets; n > 0 && n < tw.MaxBuckets {
		note += ", the sandbox's; the host has " + quantity.Count(int64(n))
	}
	return note, used
}

// roundedUp is what the kernel's timer wheel may add to a TIME_WAIT that has so many seconds left, as " to 62.0 s".
func roundedUp(run *record.Run, leftS float64) string {
	if len(run.Hosts) == 0 || run.Hosts[0].TimeWaitMaxS <= run.Hosts[0].TimeWaitMinS {
		return " or a few more"
	}
	h := &run.Hosts[0]
	return " to " + quantity.Seconds(leftS+h.TimeWaitMaxS-h.TimeWaitMinS)
}

// settle is the watch over the teardown after the load.
func settle(run *record.Run) *document.Section {
	w := run.Settle
	if w == nil {
		return nil
	}
	s := &document.Section{ID: "settle", Title: "SETTLE", Level: levelIf(!w.Done)}
	switch {
	case w.Quiet:
		s.Lead = "every socket of the load was gone"
		if w.GoneAfterS > 0 {
			s.Lead += " " + quantity.Seconds(w.GoneAfterS) + " after the end of the load"
		}
	case w.Done:
		s.Lead = "watched " + quantity.Seconds(w.ElapsedS) + ": " + atRest(run)
	default:
		s.Lead = "watched " + quantity.Seconds(w.ElapsedS) + ": sockets that are not in TIME_WAIT were still left"
	}
	return s
}

// atRest says what a teardown that has settled left behind.
func atRest(run *record.Run) string {
	var kept []string
	for _, side := range sideOrder(&run.States) {
		final := run.States.Final[side]
		for _, st := range stateKeys(final) {
			if n := final[st]; n > 0 && st != "TIME_WAIT" && st != "LISTEN" {
				kept = append(kept, side+" "+st+" "+quantity.Count(int64(n)))
			}
		}
	}
	if len(kept) == 0 {
		return "nothing but TIME_WAIT was left"
	}
	return "nothing moved any more; beside TIME_WAIT: " + strings.Join(kept, ", ")
}

func censusWords(source string) string {
	switch source {
	case "diag":
		return "census of sock_diag"
	case "proc":
		return "census of /proc/net/tcp and tcp6"
	case "bpf":
		return "census in the kernel (bpf)"
	}
	return "census " + source
}
