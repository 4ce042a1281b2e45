package report

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"lastack/bench/quantity"
	"lastack/bench/record"
)

// timeline draws how the run went: a row for each quantity that moved.
func (t *text) timeline() {
	tl := t.run.Timeline
	if len(tl) < 2 {
		t.beside("timeline")
		return
	}
	gathered := ""
	if stretch(len(tl)) == 0 {
		gathered = fmt.Sprintf(", about %.1f a column, of which the largest is drawn", float64(len(tl))/sparkWidth)
	}
	t.section("TIMELINE", fmt.Sprintf("%s to %s, %d samples%s; each row is scaled to its own peak, a dot is 0",
		clock(tl[0].TS), clock(tl[len(tl)-1].TS), len(tl), gathered))
	if phases, legend := phaseRow(tl); phases != "" {
		t.line("  " + pad("phase", 19) + "  " + phases + "  " + legend)
	}
	series := func(name string, format func(float64) string, final bool, value func(i int) float64) {
		values := make([]float64, len(tl))
		top := 0.0
		for i := range tl {
			values[i] = finite(value(i))
			top = max(top, values[i])
		}
		if top <= 0 {
			return
		}
		line := "  " + pad(cut(name, 19), 19) + "  " + spark(values) + "  peak " + format(top)
		if final {
			line += ", end " + format(max(0, values[len(values)-1]))
		}
		t.line(line)
	}
	perSecond := func(n func(*record.Interval) int64) func(int) float64 {
		return func(i int) float64 {
			d := tl[i].TS
			if i > 0 {
				d -= tl[i-1].TS
			}
			if d <= 0 {
				return 0
			}
			return float64(n(&tl[i])) / d
		}
	}
	perS := func(v float64) string { return quantity.PerSecond(v) + "/s" }
	number := func(v float64) string { return quantity.Count(int64(min(v, 1e18))) }
	series("opened/s", perS, false, perSecond(func(iv *record.Interval) int64 { return iv.Opened }))
	series("failed/s", perS, false, perSecond(func(iv *record.Interval) int64 { return iv.Failed }))
	series("in flight", number, true, func(i int) float64 { return float64(tl[i].InFlight) })
	series("lifecycle p99", quantity.Micros, false, func(i int) float64 { return tl[i].P99Us })
	for _, side := range []string{"client", "server"} {
		of := func(iv *record.Interval) map[string]int {
			if side == "client" {
				return iv.Client
			}
			return iv.Server
		}
		for _, state := range notable(tl, of) {
			series(side+" "+state, number, true, func(i int) float64 { return float64(of(&tl[i])[state]) })
		}
	}
	series("accept queue", number, false, func(i int) float64 { return float64(tl[i].AcceptQueue) })
	series("orphans", number, false, func(i int) float64 { return float64(tl[i].Orphans) })
	series("ports in use", number, true, func(i int) float64 { return float64(tl[i].PortsInUse) })
	t.beside("timeline")
}

// notable lists the states of a side that were more than a passing few: ESTABLISHED and
// TIME_WAIT always, others from a twentieth of the side's largest.
func notable(tl []record.Interval, of func(*record.Interval) map[string]int) []string {
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
	var out []string
	for _, s := range stateKeys(peak) {
		if peak[s] > 0 && (peak[s] >= top/20 || s == "ESTABLISHED" || s == "TIME_WAIT") {
			out = append(out, s)
		}
	}
	// TCP has eleven; whoever brings thousands gets a row for the first of them only.
	return out[:min(len(out), 16)]
}

// stateKeys lists m's keys, the known states in order.
func stateKeys[V any](m map[string]V) []string { return ordered(m, stateOrder()) }

// phaseRow draws the phase of each column by its letter; empty if there was but one.
func phaseRow(tl []record.Interval) (row, legend string) {
	letters := make([]rune, len(tl))
	var seen []string
	known := make(map[string]bool)
	for i, iv := range tl {
		letters[i] = '?'
		if iv.Phase != "" {
			letters[i], _ = utf8.DecodeRuneInString(clean(cut(iv.Phase, phaseWidth)))
		}
		if iv.Phase != "" && !known[iv.Phase] {
			known[iv.Phase] = true
			seen = append(seen, iv.Phase)
		}
	}
	if len(seen) < 2 {
		return "", ""
	}
	return string(resample(letters, func(a, _ rune) rune { return a })), some(seen, 8)
}

func (t *text) states() {
	s := t.run.States
	if len(s.Peak) == 0 && len(s.Final) == 0 {
		if s.Source == "" && t.run.Observer.CensusReason != "" {
			t.section("TCP STATES", "not observed: "+t.run.Observer.CensusReason)
		}
		t.beside("states")
		return
	}
	aside := ""
	if s.Source != "" {
		aside = "by " + censusWords(s.Source)
	}
	t.section("TCP STATES", aside)
	sides := sideOrder(s)
	all := make(map[string]bool)
	for _, side := range sides {
		for st, n := range s.Peak[side] {
			all[st] = all[st] || n > 0
		}
		for st, n := range s.Final[side] {
			all[st] = all[st] || n > 0
		}
	}
	tab := table{indent: "  ", first: 19, cell: 11}
	head := []string{""}
	for _, side := range sides {
		head = append(head, cut(side, 10)+" peak")
		if len(s.Final) > 0 {
			head = append(head, "at the end")
		}
	}
	tab.row(head...)
	number := func(n int) string {
		if n == 0 {
			return "-"
		}
		return quantity.Count(int64(n))
	}
	for _, st := range stateKeys(all) {
		// Listeners are no connections.
		if !all[st] || st == "LISTEN" {
			continue
		}
		row := []string{st}
		for _, side := range sides {
			row = append(row, number(s.Peak[side][st]))
			if len(s.Final) > 0 {
				row = append(row, number(s.Final[side][st]))
			}
		}
		tab.row(row...)
	}
	if len(tab.rows) == 1 {
		t.line("  no socket of the load was seen in any sample")
	} else {
		tab.write(&t.page)
		t.line("  -: in no sample. A state shorter than the interval is seen by chance only.")
	}
	tw := t.run.TimeWait
	if tw.FinWait2MiniPeak > 0 {
		t.hang("  ", "of FIN_WAIT_2, minisockets (closed, waiting for the peer's FIN under tcp_fin_timeout): peak "+quantity.Count(int64(tw.FinWait2MiniPeak)))
	}
	if tw.OrphanPeak > 0 {
		t.hang("  ", "orphans (closed by their process, not yet done): peak "+quantity.Count(int64(tw.OrphanPeak)))
	}
	t.beside("states")
}

func sideOrder(s record.States) []string {
	all := make(map[string]bool)
	for side := range s.Peak {
		all[side] = true
	}
	for side := range s.Final {
		all[side] = true
	}
	sides := ordered(all, []string{"client", "server"})
	// Three fit the page; a record has two.
	return sides[:min(len(sides), 3)]
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

func (t *text) timeWait() {
	tw := t.run.TimeWait
	entered := tw.Entered + tw.EnteredShort
	if tw.NotRead != "" {
		t.section("TIME_WAIT", fmt.Sprintf("peak %s; how many entered it is not read: %s", quantity.Count(int64(tw.Peak)), tw.NotRead))
		t.beside("time_wait")
		return
	}
	if tw.Peak == 0 && entered == 0 && tw.Overflow == 0 && tw.ReusedByConnect == 0 {
		if t.concerns("time_wait") {
			t.section("TIME_WAIT", "")
			t.beside("time_wait")
		} else if len(t.run.Counters) > 0 && t.run.Connections.Opened > 0 {
			t.section("TIME_WAIT", "none: no socket entered it")
		}
		return
	}
	t.section("TIME_WAIT", "")
	tab := table{indent: "  ", first: 22, cell: 10, notes: true}
	if entered > 0 {
		note := ""
		if tw.EnteredShort > 0 {
			note = quantity.Count(tw.EnteredShort) + " of them for 4 s or less (TcpExtTWKilled)"
		}
		if tw.Peak == 0 && tw.FinWait2MiniPeak > 0 {
			note = join("; ", note, "as FIN_WAIT_2 minisockets, which the kernel counts alike")
		}
		if !t.alone() {
			note = join("; ", note, "everybody's in this namespace")
		}
		tab.row("entered", quantity.Count(entered), note)
	}
	if n := tw.Simultaneous; n != nil {
		tab.row("simultaneous", quantity.Count(*n), percent(float64(*n), float64(entered+tw.Overflow-*n))+" of the connections: the FINs crossed, and both ends entered it")
	}
	if tw.Peak > 0 {
		var parts []string
		for _, side := range keys(tw.PeakBySide) {
			if n := tw.PeakBySide[side]; n > 0 {
				parts = append(parts, side+" "+quantity.Count(int64(n)))
			}
		}
		note := strings.Join(parts, ", ")
		if tw.MaxBuckets > 0 {
			most := tw.Peak
			if t.run.Sandbox.Topology == "veth" {
				most = 0 // each side's namespace has buckets of its own
				for _, n := range tw.PeakBySide {
					most = max(most, n)
				}
			}
			note = join("; ", note, usage(float64(most), float64(tw.MaxBuckets))+" of "+quantity.Count(int64(tw.MaxBuckets))+" buckets")
			if n := tw.HostBuckets; n > 0 && n < tw.MaxBuckets {
				note += ", the sandbox's; the host has " + quantity.Count(int64(n))
			}
		}
		tab.row("peak", quantity.Count(int64(tw.Peak)), note)
	}
	if tw.ReusedByConnect > 0 {
		tab.row("reused by connect", quantity.Count(tw.ReusedByConnect), "ports taken over before TIME_WAIT was over (tcp_tw_reuse)")
	}
	if tw.EndedEarly > 0 {
		tab.row("ended early", quantity.Count(tw.EndedEarly), "reopened by a SYN from the same port, or reset: no counter has these")
	}
	if tw.Overflow > 0 {
		tab.row("overflow", quantity.Count(tw.Overflow), "closed without TIME_WAIT, the buckets being full")
	}
	if tw.LongestLeftS > 0 {
		tab.row("last one gone in", quantity.Seconds(tw.LongestLeftS), strings.TrimSpace(roundedUp(t.run, tw.LongestLeftS))+", from the last census on")
	}
	tab.write(&t.page)
	t.beside("time_wait")
}

// roundedUp is what the kernel's timer wheel may add to a TIME_WAIT that has so many seconds left, as " to 62.0 s".
func roundedUp(run *record.Run, leftS float64) string {
	if len(run.Hosts) == 0 || run.Hosts[0].TimeWaitMaxS <= run.Hosts[0].TimeWaitMinS {
		return " or a few more"
	}
	h := &run.Hosts[0]
	return " to " + quantity.Seconds(leftS+h.TimeWaitMaxS-h.TimeWaitMinS)
}

func (t *text) settle() {
	s := t.run.Settle
	if s == nil {
		t.beside("settle")
		return
	}
	var aside string
	switch {
	case s.Quiet:
		aside = "every socket of the load was gone"
		if s.GoneAfterS > 0 {
			aside += " " + quantity.Seconds(s.GoneAfterS) + " after the end of the load"
		}
	case s.Done:
		aside = "watched " + quantity.Seconds(s.ElapsedS) + ": " + t.atRest()
	default:
		aside = "watched " + quantity.Seconds(s.ElapsedS) + ": sockets that are not in TIME_WAIT were still left"
	}
	t.section("SETTLE", aside)
	t.beside("settle")
}

// atRest says what a teardown that has settled left behind.
func (t *text) atRest() string {
	var kept []string
	for _, side := range sideOrder(t.run.States) {
		final := t.run.States.Final[side]
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
