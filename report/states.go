package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// timeline shows how the run went: a series for each quantity. Pages have those that moved, if there are several intervals.
func timeline(run *record.Run) *section {
	tl := run.Timeline
	if len(tl) == 0 {
		return nil
	}
	page := document.Detail
	if len(tl) == 1 {
		page = document.Data
	}
	c := &document.Chart{Level: page, Times: make([]float64, len(tl)), Phases: make([]string, len(tl))}
	for i := range tl {
		c.Times[i], c.Phases[i] = tl[i].TS, phaseName(&tl[i])
	}
	level, counted := document.Detail, false // by the census
	series := func(side, name string, kind document.SeriesKind, limit float64, value func(iv *record.Interval) float64) {
		s := document.Series{Level: level, Side: side, Name: name, Kind: kind, Limit: limit, Points: make([]float64, len(tl))}
		some := false
		for i := range tl {
			v := value(&tl[i])
			if counted && !tl[i].Census() {
				s.Points[i] = math.NaN()
				continue
			}
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
			if kind == document.Duration && v == 0 {
				s.Points[i] = math.NaN() // no lifecycle ended
			}
		}
		if !some {
			s.Level = document.Data
		}
		c.Series = append(c.Series, s)
	}
	series("", "opened/s", document.Speed, run.Rate.TargetPerS, func(iv *record.Interval) float64 { return float64(iv.Opened) })
	series("", "failed/s", document.Speed, 0, func(iv *record.Interval) float64 { return float64(iv.Failed) })
	series("", "in flight", document.Gauge, 0, func(iv *record.Interval) float64 { return float64(iv.InFlight) })
	series("", "lifecycle p50", document.Duration, 0, func(iv *record.Interval) float64 { return iv.P50Us })
	series("", "lifecycle p99", document.Duration, 0, func(iv *record.Interval) float64 { return iv.P99Us })
	series("", "lifecycle max", document.Duration, 0, func(iv *record.Interval) float64 { return iv.MaxUs })
	counted = true
	for _, side := range sides() {
		seen, shown := statesOf(tl, side.of)
		for i, state := range seen {
			level = document.Detail
			if !shown[i] {
				level = document.Data
			}
			limit := 0.0
			if state == "TIME_WAIT" {
				limit = float64(run.TimeWait.MaxBuckets)
			}
			series(side.name, state, document.Gauge, limit, func(iv *record.Interval) float64 { return float64(side.of(iv)[state]) })
		}
	}
	level = document.Detail
	series("", "accept queue", document.Gauge, float64(run.Pressure.Backlog), func(iv *record.Interval) float64 { return float64(iv.AcceptQueue) })
	series("", "orphans", document.Gauge, 0, func(iv *record.Interval) float64 { return float64(iv.Orphans) })
	series("", "ports in use", document.Gauge, float64(run.Pressure.Ports.Available), func(iv *record.Interval) float64 { return float64(iv.PortsInUse) })
	series("", "ports reusable", document.Gauge, 0, func(iv *record.Interval) float64 { return float64(iv.PortsReusable) })
	if k := run.Tracking; k != nil {
		counted = false
		series("", "conntrack entries", document.Gauge, float64(k.Max), func(iv *record.Interval) float64 { return float64(iv.Tracked) })
		counted = true
	}
	level = document.Data
	series("", "descriptors", document.Gauge, float64(run.Pressure.Fds.Limit), func(iv *record.Interval) float64 { return float64(iv.Fds) })
	counted = false
	series("", "started", document.Growth, 0, func(iv *record.Interval) float64 { return float64(iv.Started) })
	series("", "opened", document.Growth, 0, func(iv *record.Interval) float64 { return float64(iv.Opened) })
	series("", "completed", document.Growth, 0, func(iv *record.Interval) float64 { return float64(iv.Completed) })
	series("", "failed", document.Growth, 0, func(iv *record.Interval) float64 { return float64(iv.Failed) })
	series("", "requests", document.Growth, 0, func(iv *record.Interval) float64 { return float64(iv.Requests) })
	counted = true
	series("", "TCP buffers, bytes", document.Gauge, float64(run.Pressure.Memory.TCPLimitBytes), func(iv *record.Interval) float64 { return float64(iv.MemBytes) })
	s := begin(page, "TIMELINE", "")
	s.add(c)
	return s
}

// sides are the ends of the connections, and their sockets by state in an interval, which is nil without a census.
func sides() []sideStates {
	return []sideStates{
		{"client", func(iv *record.Interval) map[string]int { return iv.Client }},
		{"server", func(iv *record.Interval) map[string]int { return iv.Server }},
	}
}

type sideStates struct {
	name string
	of   func(*record.Interval) map[string]int
}

// statesOf lists the states of a side, and which of them are drawn: those that had a twentieth of the side's largest number or more,
// and always ESTABLISHED and TIME_WAIT.
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
	// TCP has eleven. A damaged record may have thousands.
	seen = seen[:min(len(seen), 16)]
	for _, s := range seen {
		shown = append(shown, peak[s] >= top/20 || s == "ESTABLISHED" || s == "TIME_WAIT")
	}
	return seen, shown
}

// stateKeys lists m's keys, the known states in order.
func stateKeys[V any](m map[string]V) []string { return ordered(m, stateOrder()) }

// states is what the census saw.
func states(run *record.Run) *section {
	st, tw := &run.States, &run.TimeWait
	s := begin(document.First, "TCP STATES", "")
	if len(st.Peak) == 0 && len(st.Final) == 0 {
		if st.Source != "" || run.Observer.CensusReason == "" {
			return nil
		}
		s.Lead = "not observed: " + run.Observer.CensusReason
		return s
	}
	all := make(map[string]bool)
	t := s.table(document.First, "")
	column := func(name string, states map[string]int) {
		t.Columns = append(t.Columns, document.Column{Name: name, Level: document.First})
		for state, n := range states {
			all[state] = all[state] || n > 0
		}
	}
	sides := sideOrder(st)
	for _, side := range sides {
		column(side+" peak", st.Peak[side])
		if len(st.Final) > 0 {
			column("at the end", st.Final[side])
			t.Columns[len(t.Columns)-1].Key = side + " at the end"
		}
	}
	seen := func(n int) document.Value {
		if n == 0 {
			return document.Absent("in no sample")
		}
		return count(n)
	}
	for _, state := range stateKeys(all) {
		if !all[state] || state == "LISTEN" { // a listener is no connection
			continue
		}
		r := t.row(state)
		r.Level = document.First
		for _, side := range sides {
			r.Cells = append(r.Cells, seen(st.Peak[side][state]))
			if len(st.Final) > 0 {
				r.Cells = append(r.Cells, seen(st.Final[side][state]))
			}
		}
	}
	if len(t.Rows) == 0 {
		s.Lead = "no socket of the load was seen in any sample"
		return s
	}
	if summed(run) {
		s.say(document.First, "peaks are upper bounds: sums over network namespaces, each at its own moment")
	}
	s.note(join("; ", given(st.Source != "", "by "+censusWords(st.Source)), "- means in no sample: states shorter than the interval are seen by chance"))
	s.note(given(tw.FinWait2MiniPeak > 0, "of FIN_WAIT_2, minisockets (closed, waiting for the peer's FIN under tcp_fin_timeout): "+peakWords(run, tw.FinWait2MiniPeak)))
	s.note(given(tw.OrphanPeak > 0, "orphans (closed by their process, not yet done): "+peakWords(run, tw.OrphanPeak)))
	return s
}

// sideOrder lists the sides that a record has.
func sideOrder(s *record.States) []string {
	all := make(map[string]map[string]int)
	maps.Copy(all, s.Peak)
	maps.Copy(all, s.Final)
	sides := ordered(all, []string{"client", "server"})
	return sides[:min(len(sides), 3)] // a damaged record may have thousands
}

// timeWait shows how TIME_WAIT built up.
func timeWait(run *record.Run) *section {
	tw := &run.TimeWait
	s := begin(document.First, "TIME_WAIT", "none: no socket entered it")
	entered := tw.Entered + tw.EnteredShort
	if tw.NotRead != "" {
		s.Lead = fmt.Sprintf("%s; how many entered it is not read: %s", peakWords(run, tw.Peak), tw.NotRead)
		return s
	}
	if tw.Peak == 0 && entered == 0 && tw.Overflow == 0 && tw.ReusedByConnect == 0 && (tw.Flush == nil || tw.Flush.Before == 0) {
		if len(run.Counters) == 0 || run.Connections.Opened == 0 {
			return nil
		}
		return s
	}
	t := s.table(document.Detail, "", "", "~")
	var lead []string
	add := func(n int64, in, name, note string) {
		if n > 0 {
			t.row(name, count(n), txt(note))
			lead = append(lead, in)
		}
	}
	in, note := enteredWords(run, quantity.Count(entered))
	add(entered, in, "entered", join("; ", given(tw.EnteredShort > 0, quantity.Count(tw.EnteredShort)+" of them for 4 s or less (TcpExtTWKilled)"), note,
		given(!alone(run), allSockets)))
	if n := tw.Simultaneous; n != nil {
		t.row("simultaneous", count(*n), txt(quantity.Share(float64(*n), float64(entered+tw.Overflow-*n))+" of the connections: the FINs crossed, and both ends entered it"))
	}
	held, used := timeWaitPeak(run)
	add(int64(tw.Peak), join(", ", peakWords(run, tw.Peak), used), "peak", held)
	add(tw.ReusedByConnect, quantity.Count(tw.ReusedByConnect)+" reused by connect", "reused by connect", "ports taken over before TIME_WAIT was over (tcp_tw_reuse)")
	add(tw.EndedEarly, "", "ended early", "reopened by a SYN from the same port, or reset: no counter has these")
	add(tw.Overflow, quantity.Count(tw.Overflow)+" closed without it: the buckets were full", "overflow", "closed without TIME_WAIT: the buckets were full")
	if f := tw.Flush; f != nil {
		add(int64(f.Before+f.After), quantity.Count(int64(f.Before+f.After))+" ended by --flush", "ended by --flush", join(", ", given(f.Before > 0, quantity.Count(int64(f.Before))+" of earlier loads before this one"),
			given(f.After > 0, quantity.Count(int64(f.After))+" after it"), given(f.Left > 0, quantity.Count(int64(f.Left))+" were still there")))
	}
	if f := tw.Flush; tw.LongestLeftS > 0 && (f == nil || f.Left > 0) {
		t.row("last one gone in", seconds(tw.LongestLeftS), txt(strings.TrimSpace(roundedUp(run, tw.LongestLeftS))+", from the last census on"))
	}
	s.addAges(tw)
	s.Lead = join("; ", lead...)
	return s
}

// enteredWords says how many sockets entered TIME_WAIT. The kernel's counter includes minisockets in FIN_WAIT_2, which enter it only
// when the peer's FIN comes (tcp_time_wait).
func enteredWords(run *record.Run, entered string) (lead, note string) {
	tw, waiting := &run.TimeWait, 0
	for _, final := range run.States.Final {
		waiting += final["FIN_WAIT_2"]
	}
	switch {
	case tw.FinWait2MiniPeak == 0 || tw.Peak > 0 && waiting == 0:
		return entered + " entered", ""
	case tw.Peak == 0:
		return "none seen: the kernel counted " + entered + ", FIN_WAIT_2 minisockets included", "none of them was seen in TIME_WAIT: FIN_WAIT_2 minisockets, which the kernel counts too"
	}
	return entered + " entered, FIN_WAIT_2 minisockets included", "FIN_WAIT_2 minisockets included, which the kernel counts too"
}

// timeWaitPeak says which side had the peak, and how much of the buckets that was.
func timeWaitPeak(run *record.Run) (note, used string) {
	tw := &run.TimeWait
	var parts []string
	most := 0
	for _, side := range keys(tw.PeakBySide) {
		if n := tw.PeakBySide[side]; n > 0 {
			parts = append(parts, side+" "+quantity.Count(int64(n)))
			most = max(most, n)
		}
	}
	note = join(": ", given(summed(run), "at most"), strings.Join(parts, ", "))
	if tw.MaxBuckets <= 0 {
		return note, ""
	}
	if !run.Sandbox.Split() { // where each side's namespace has buckets of its own
		most = tw.Peak
	}
	used = quantity.Usage(float64(most), float64(tw.MaxBuckets)) + " of " + quantity.Count(int64(tw.MaxBuckets)) + " buckets"
	hosts := given(tw.HostBuckets > 0 && tw.HostBuckets < tw.MaxBuckets, ", the sandbox's; the host has "+quantity.Count(int64(tw.HostBuckets)))
	return join("; ", note, used) + hosts, used
}

// roundedUp says how long a TIME_WAIT with that many seconds left may last, as the kernel's timer wheel rounds up: " to 62.0 s".
func roundedUp(run *record.Run, leftS float64) string {
	if len(run.Hosts) == 0 || run.Hosts[0].TimeWaitMaxS <= run.Hosts[0].TimeWaitMinS {
		return " or a few more"
	}
	h := &run.Hosts[0]
	return " to " + quantity.Seconds(leftS+h.TimeWaitMaxS-h.TimeWaitMinS)
}

// settle is the watch over the teardown after the load.
func settle(run *record.Run) *section {
	w := run.Settle
	if w == nil {
		return nil
	}
	lead := "watched " + quantity.Seconds(w.ElapsedS) + ": sockets that are not in TIME_WAIT were still left"
	switch {
	case w.Quiet:
		lead = "every socket of the load was gone" + given(w.GoneAfterS > 0, " "+quantity.Seconds(w.GoneAfterS)+" after the end of the load")
	case w.Done:
		lead = "watched " + quantity.Seconds(w.ElapsedS) + ": " + atRest(run)
	}
	return begin(levelIf(!w.Done), "SETTLE", lead)
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
	return "no state changed any more; besides TIME_WAIT: " + strings.Join(kept, ", ")
}

func censusWords(source string) string {
	return "census " + cmp.Or(map[string]string{"diag": "of sock_diag", "proc": "of /proc/net/tcp and tcp6", "bpf": "in the kernel (bpf)"}[source], source)
}
