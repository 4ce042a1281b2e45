package report

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"lastack/bench/record"
	"lastack/report/text"
)

// ProgressConfig says what the rows have.
type ProgressConfig struct {
	// Server adds the server's states: for runs whose server is observed too.
	Server bool
	// Width drops column groups from the right until a row fits: the limits, the server's states,
	// the client's. 0 drops none.
	Width int
}

// Progress shows a run as it goes: one row of fixed width for each interval, plain text for a terminal
// or a pipe. It is not safe for concurrent use.
type Progress struct {
	w      io.Writer
	groups []progressGroup
	rows   int
	// last is the end of the interval before, by which counts become rates.
	last float64
}

// progressGroup is a run of columns that are shown or dropped together.
type progressGroup struct {
	// lead stands before the group in each row, title above it in the header.
	lead, title string
	columns     []progressColumn
}

type progressColumn struct {
	head  string
	width int
	// cell gets the interval and its length in seconds, 0 if unknown.
	cell func(iv *record.Interval, length float64) string
}

// NewProgress returns a Progress that writes to w.
func NewProgress(w io.Writer, c ProgressConfig) *Progress {
	groups := []progressGroup{loadColumns(), stateColumns("client's sockets", clientStates)}
	if c.Server {
		groups = append(groups, stateColumns("server's sockets", serverStates))
	}
	groups = append(groups, limitColumns())
	// The load's own columns and the phase stay, however narrow the terminal.
	for len(groups) > 1 && c.Width > 0 && width(groups) > c.Width {
		groups = groups[:len(groups)-1]
	}
	return &Progress{w: w, groups: groups}
}

// headerEvery is the number of rows between two headers: one is always in sight on a terminal of 24 lines.
const headerEvery = 20

func clientStates(iv *record.Interval) map[string]int { return iv.Client }
func serverStates(iv *record.Interval) map[string]int { return iv.Server }

// phaseWidth is that of the last column: warmup.
const phaseWidth = 6

func width(groups []progressGroup) int {
	n := 1 + phaseWidth
	for _, g := range groups {
		n += utf8.RuneCountInString(g.lead)
		for _, c := range g.columns {
			n += 1 + c.width
		}
	}
	return n
}

func loadColumns() progressGroup {
	perSecond := func(n func(*record.Interval) int64) func(*record.Interval, float64) string {
		return func(iv *record.Interval, length float64) string {
			if length <= 0 {
				return "-"
			}
			v := float64(n(iv)) / length
			if v >= 100 {
				v = math.Round(v)
			}
			return short(v, 5)
		}
	}
	return progressGroup{columns: []progressColumn{
		{"t", 6, func(iv *record.Interval, _ float64) string { return elapsed(iv.TS) }},
		{"conn/s", 6, perSecond(func(iv *record.Interval) int64 { return iv.Opened })},
		{"fail/s", 6, perSecond(func(iv *record.Interval) int64 { return iv.Failed })},
		{"open", 5, func(iv *record.Interval, _ float64) string { return short(float64(iv.InFlight), 5) }},
		{"p50", 6, func(iv *record.Interval, _ float64) string { return shortMicros(iv.P50Us) }},
		{"p99", 6, func(iv *record.Interval, _ float64) string { return shortMicros(iv.P99Us) }},
	}}
}

// stateColumns shows the states in four digits; an interval without a census has none.
func stateColumns(title string, side func(*record.Interval) map[string]int) progressGroup {
	g := progressGroup{lead: " |", title: title}
	for _, s := range []struct{ head, state string }{
		{"EST", "ESTABLISHED"},
		{"FW1", "FIN_WAIT_1"},
		{"FW2", "FIN_WAIT_2"},
		{"TW", "TIME_WAIT"},
		{"CW", "CLOSE_WAIT"},
		{"LA", "LAST_ACK"},
	} {
		g.columns = append(g.columns, progressColumn{s.head, 4, func(iv *record.Interval, _ float64) string {
			m := side(iv)
			if m == nil {
				return "-"
			}
			return short(float64(m[s.state]), 4)
		}})
	}
	return g
}

func limitColumns() progressGroup {
	number := func(n func(*record.Interval) int) func(*record.Interval, float64) string {
		return func(iv *record.Interval, _ float64) string {
			if n(iv) <= 0 {
				return "-"
			}
			return short(float64(n(iv)), 5)
		}
	}
	return progressGroup{lead: " |", columns: []progressColumn{
		{"fds", 5, number(func(iv *record.Interval) int { return iv.Fds })},
		{"ports", 5, number(func(iv *record.Interval) int { return iv.PortsInUse })},
	}}
}

// elapsed prints a time of the run: 12.0s, 184s, 2.5h.
func elapsed(s float64) string {
	switch {
	case s <= -1000:
		return "-"
	case s < 999.95:
		return strconv.FormatFloat(s, 'f', 1, 64) + "s"
	case s < 99999.5:
		return strconv.FormatFloat(s, 'f', 0, 64) + "s"
	case s < 3.6e9:
		return short(s/3600, 5) + "h"
	}
	return "long"
}

// short prints v in at most width columns, SI-shortened: 12.3k. width is at least 4.
func short(v float64, width int) string {
	if v < 0 || math.IsNaN(v) {
		return "-"
	}
	if v < math.Pow10(width)-0.5 && v == math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	if v < 1000 {
		return trimTo(v, width, "")
	}
	for _, u := range []string{"k", "M", "G", "T", "P", "E"} {
		v /= 1000
		if v < 999.5 {
			return trimTo(v, width, u)
		}
	}
	return "many"
}

// trimTo prints 0 <= v < 1000 with as many of two decimals as fit.
func trimTo(v float64, width int, unit string) string {
	for digits := 2; digits >= 0; digits-- {
		s := strconv.FormatFloat(v, 'f', digits, 64) + unit
		if len(s) <= min(width, 4+len(unit)) {
			return s
		}
	}
	return strconv.FormatFloat(v, 'f', 0, 64) + unit
}

// shortMicros prints a time in five columns: 1.2ms, 412us, 60.1s.
func shortMicros(us float64) string {
	switch {
	case us <= 0 || math.IsNaN(us):
		return "-"
	case us < 999.5:
		return strconv.FormatFloat(math.Max(us, 1), 'f', 0, 64) + "us"
	case us < 99.95e3:
		return strconv.FormatFloat(us/1e3, 'f', 1, 64) + "ms"
	case us < 999.5e3:
		return strconv.FormatFloat(us/1e3, 'f', 0, 64) + "ms"
	case us < 99.95e6:
		return strconv.FormatFloat(us/1e6, 'f', 1, 64) + "s"
	case us < 9999.5e6:
		return strconv.FormatFloat(us/1e6, 'f', 0, 64) + "s"
	default:
		return "long"
	}
}

// Interval writes the row of one interval, and the header before every headerEvery of them. The error is w's.
func (p *Progress) Interval(iv *record.Interval) error {
	var b strings.Builder
	if p.rows%headerEvery == 0 {
		p.header(&b)
	}
	p.rows++
	length := iv.TS - p.last
	p.last = iv.TS
	for _, g := range p.groups {
		b.WriteString(g.lead)
		for _, c := range g.columns {
			b.WriteByte(' ')
			fmt.Fprintf(&b, "%*s", c.width, text.Line(c.cell(iv, length), c.width))
		}
	}
	b.WriteByte(' ')
	fmt.Fprintf(&b, "%-*s", phaseWidth, text.Line(iv.Phase, phaseWidth))
	b.WriteByte('\n')
	_, err := io.WriteString(p.w, b.String())
	return err
}

// header writes the columns' names, in two lines: whose sockets, and which states.
func (p *Progress) header(b *strings.Builder) {
	for _, g := range p.groups {
		n := 0
		for _, c := range g.columns {
			n += 1 + c.width
		}
		b.WriteString(g.lead)
		fmt.Fprintf(b, "%-*s", n, " "+g.title)
	}
	b.WriteString(strings.Repeat(" ", 1+phaseWidth) + "\n")
	for _, g := range p.groups {
		b.WriteString(g.lead)
		for _, c := range g.columns {
			b.WriteByte(' ')
			fmt.Fprintf(b, "%*s", c.width, c.head)
		}
	}
	b.WriteString(strings.Repeat(" ", 1+phaseWidth) + "\n")
}
