package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"lastack/bench/quantity"
)

// writeTable writes the measurements as Markdown: the host's facts, and for each workload a
// table and what is to be known beside it. The error is w's.
func writeTable(w io.Writer, f facts, ms []measurement) error {
	b := bufio.NewWriter(w)
	f.write(b)
	for i := range ms {
		ms[i].write(b)
	}
	legend(b)
	return b.Flush()
}

func (f *facts) write(w io.Writer) {
	fmt.Fprintf(w, "## lastack side by side, %s\n\n", f.Date.Format("2006-01-02 15:04 MST"))
	cpu := ""
	if f.CPUModel != "" {
		cpu = " (" + f.CPUModel + ")"
	}
	fmt.Fprintf(w, "- host: Linux %s, %d CPUs%s, %s of memory; %s\n", f.Kernel, f.CPUs, cpu, quantity.Bytes(f.MemoryBytes), f.Place)
	var versions []string
	for _, p := range f.Programs {
		versions = append(versions, p.Program+" "+p.Version)
	}
	fmt.Fprintf(w, "- programs: %s; built with %s\n", strings.Join(versions, ", "), f.Go)
	fmt.Fprintf(w, "- %d connections at once; rounds: %d, in each of which every contender runs once for %d s, in turn\n",
		f.Load.Connections, f.Rounds, f.Load.Seconds)
}

// column is one figure of a row.
type column struct {
	head string
	cell func(*row) string
}

func (m *measurement) write(w io.Writer) {
	fmt.Fprintf(w, "\n### %s\n\n", m.Workload.Title)
	ours, floor := m.reference(familyLastack), m.reference(familyFloor)
	columns := []column{
		{"connections/s", func(r *row) string { return rate(spreadOf(r.rates())) }},
	}
	if ours != nil {
		columns = append(columns, column{"lastack ÷ it", func(r *row) string {
			if r == ours {
				return ""
			}
			return ratio(spreadOf(ratios(ours.rates(), r.rates())))
		}})
	}
	if floor != nil {
		columns = append(columns, column{"it ÷ floor", func(r *row) string {
			if r == floor {
				return ""
			}
			return ratio(spreadOf(ratios(r.rates(), floor.rates())))
		}})
	}
	columns = append(columns,
		column{"client CPU", func(r *row) string { return micros(r.cpu(func(c cpuTime) time.Duration { return c.Client })) }},
		column{"server CPU", func(r *row) string { return micros(r.cpu(func(c cpuTime) time.Duration { return c.Server })) }},
		column{"all CPU", func(r *row) string { return micros(r.cpu(cpuTime.all)) }},
		column{"failed", func(r *row) string { return quantity.Count(r.failed()) }},
	)

	heads, rules := "| contender |", "|---|"
	for _, c := range columns {
		heads += " " + c.head + " |"
		rules += "--:|"
	}
	fmt.Fprintf(w, "%s\n%s\n", heads, rules)
	for i := range m.Rows {
		r := &m.Rows[i]
		fmt.Fprintf(w, "| %s |", m.title(r, ours))
		for _, c := range columns {
			fmt.Fprintf(w, " %s |", c.cell(r))
		}
		fmt.Fprintln(w)
	}
	if notes := m.notes(); len(notes) > 0 {
		fmt.Fprintln(w)
		for _, n := range notes {
			fmt.Fprintf(w, "- %s\n", n)
		}
	}
}

// reference is the row of a family that ratios are taken against: of lastack the engine that it would
// choose by itself, which is the first one that could run.
func (m *measurement) reference(family string) *row {
	for i := range m.Rows {
		if r := &m.Rows[i]; r.Family == family && r.completed() > 0 {
			return r
		}
	}
	return nil
}

// best reports whether r is the fastest of the several rows that its tool has.
func (m *measurement) best(r *row) bool {
	rows, fastest := 0, true
	own := spreadOf(r.rates()).Median
	for i := range m.Rows {
		o := &m.Rows[i]
		if o.Family != r.Family {
			continue
		}
		rows++
		if o != r && !(own >= spreadOf(o.rates()).Median) && o.completed() > 0 {
			fastest = false
		}
	}
	return rows > 1 && fastest && r.completed() > 0
}

func (m *measurement) title(r, ours *row) string {
	switch {
	case r == ours:
		return "**" + r.Name + "**"
	case r.Family != familyLastack && m.best(r):
		return r.Name + " (" + r.Family + "'s best)"
	}
	return r.Name
}

// completed is the number of rounds with a figure.
func (r *row) completed() int { return spreadOf(r.rates()).N }

func (r *row) failed() int64 {
	var n int64
	for _, run := range r.Runs {
		n += run.Failed
	}
	return n
}

// all is both ends, where the tool is not both in one.
func (c cpuTime) all() time.Duration {
	if c.All == 0 && c.Client > 0 && c.Server > 0 {
		return c.Client + c.Server
	}
	return c.All
}

// notes are what stands below the table.
func (m *measurement) notes() []string {
	var notes []string
	for i := range m.Rows {
		r := &m.Rows[i]
		failures, doubts := newTally(), newTally()
		var left leftovers
		for _, run := range r.Runs {
			if run.Err != nil {
				failures.add(run.Err.Error())
				continue
			}
			for _, d := range run.Doubts {
				doubts.add(d)
			}
			left.ClientTimeWait += run.Left.ClientTimeWait
			left.ServerTimeWait += run.Left.ServerTimeWait
			left.Overflow += run.Left.Overflow
		}
		for _, reason := range failures.order {
			notes = append(notes, fmt.Sprintf("%s: %d of %d runs gave no figure: %s", r.Name, failures.count[reason], len(r.Runs), oneLine(reason)))
		}
		for _, d := range doubts.order {
			notes = append(notes, fmt.Sprintf("%s, in %d of %d runs: %s", r.Name, doubts.count[d], len(r.Runs), oneLine(d)))
		}
		if all := left.ClientTimeWait + left.ServerTimeWait; m.Workload.HTTP && left.ClientTimeWait*100 > all {
			notes = append(notes, fmt.Sprintf("%s closed before nginx in %.0f %% of its connections, by the TIME_WAITs that it left",
				r.Name, math.Floor(100*float64(left.ClientTimeWait)/float64(all))))
		}
		if left.Overflow > 0 {
			notes = append(notes, fmt.Sprintf("%s: %s connections found no room in tcp_max_tw_buckets and were spared their TIME_WAIT: the runs are too long for this host",
				r.Name, quantity.Count(int64(left.Overflow))))
		}
	}
	for _, a := range m.Absent {
		notes = append(notes, fmt.Sprintf("left out: %s: %s", a.Name, oneLine(a.Reason)))
	}
	for _, d := range m.Doubts {
		notes = append(notes, oneLine(d))
	}
	return notes
}

// tally counts sentences, in the order of their first appearance.
type tally struct {
	count map[string]int
	order []string
}

func newTally() *tally { return &tally{count: make(map[string]int)} }

func (t *tally) add(s string) {
	if t.count[s]++; !slices.Contains(t.order, s) {
		t.order = append(t.order, s)
	}
}

func legend(w io.Writer) {
	fmt.Fprint(w, `
Figures are medians of the rounds. A ratio is taken round by round: its median, and in brackets its smallest and
largest. CPU is user and system time a connection. On loopback the kernel runs the receiver's softirq work in whoever
sends, so client and server carry part of each other's; all is both ends. Where lastack is both ends, client and server are its
worker threads, and all is the whole process, with the observers, the runtime and the start. The floor is both ends
in one thread each.
`)
}

// oneLine keeps a sentence from ending its list item.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

const nothing = "–"

func rate(s spread) string {
	if s.N == 0 {
		return nothing
	}
	return quantity.PerSecond(s.Median)
}

func micros(s spread) string {
	if s.N == 0 {
		return nothing
	}
	return quantity.Micros(s.Median)
}

func ratio(s spread) string {
	if s.N == 0 {
		return nothing
	}
	f := func(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }
	return fmt.Sprintf("%s (%s–%s)", f(s.Median), f(s.Min), f(s.Max))
}
