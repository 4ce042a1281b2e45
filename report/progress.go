package report

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"lastack/bench/record"
	"lastack/report/text"
)

// Progress shows a run as it goes: one row of fixed width for each interval, plain text for a terminal
// or a pipe. It is not safe for concurrent use.
type Progress struct {
	w      io.Writer
	groups []progressGroup
	rows   int
	// last is the end of the interval before, in seconds.
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

// NewProgress returns a Progress that writes to w, with the server's states if server is set. Groups of columns that do not fit
// a width above 0 are left out from the right: the limits, the server's states, the client's; then columns of the load.
func NewProgress(w io.Writer, server bool, width int) *Progress {
	groups := []progressGroup{loadColumns()}
	for _, side := range sides() {
		if side.name == "client" || server {
			groups = append(groups, stateColumns(side))
		}
	}
	groups = append(groups, limitColumns())
	for width > 0 && columns(groups) > width {
		if n := len(groups) - 1; n > 0 {
			groups = groups[:n]
		} else if load := &groups[0]; len(load.columns) > leastProgress {
			load.columns = load.columns[:len(load.columns)-1]
		} else {
			break
		}
	}
	return &Progress{w: w, groups: groups}
}

const (
	// headerEvery is the number of rows between two headers: a terminal of 24 lines always shows one.
	headerEvery = 20
	// phaseWidth is that of the last column: warmup.
	phaseWidth = 6
	// leastProgress is how many columns of the load stay beside the phase, however narrow the terminal: the time, and what opened and failed.
	leastProgress = 3
)

// columns is the width of a row.
func columns(groups []progressGroup) int {
	n := 1 + phaseWidth
	for _, g := range groups {
		n += len(g.lead) + g.width()
	}
	return n
}

func (g *progressGroup) width() (n int) {
	for _, c := range g.columns {
		n += 1 + c.width
	}
	return n
}

func loadColumns() progressGroup {
	perSecond := func(n func(*record.Interval) int64) func(*record.Interval, float64) string {
		return func(iv *record.Interval, length float64) string {
			v := float64(n(iv)) / length
			switch {
			case length <= 0:
				return "-"
			case v >= 100:
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

// stateColumns shows a side's sockets by state, nothing without a census.
func stateColumns(side sideStates) progressGroup {
	g := progressGroup{lead: " |", title: side.name + "'s sockets"}
	for _, s := range []struct{ head, state string }{
		{"EST", "ESTABLISHED"},
		{"FW1", "FIN_WAIT_1"},
		{"FW2", "FIN_WAIT_2"},
		{"TW", "TIME_WAIT"},
		{"CW", "CLOSE_WAIT"},
		{"LA", "LAST_ACK"},
	} {
		g.columns = append(g.columns, progressColumn{s.head, 4, func(iv *record.Interval, _ float64) string {
			if m := side.of(iv); m != nil {
				return short(float64(m[s.state]), 4)
			}
			return "-"
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

// scale prints numbers below a bound in a unit, with so many decimals.
type scale struct {
	below, unit float64
	decimals    int
	suffix      string
}

// scaled prints v by the first scale whose bound it is below.
func scaled(v float64, scales ...scale) string {
	for _, s := range scales {
		if v < s.below {
			return strconv.FormatFloat(v/s.unit, 'f', s.decimals, 64) + s.suffix
		}
	}
	return "long"
}

// elapsed prints a time of the run in at most six columns: 12.0s, 184s, 42.5h.
func elapsed(s float64) string {
	if s <= -1000 {
		return "-"
	}
	return scaled(s, scale{999.95, 1, 1, "s"}, scale{99999.5, 1, 0, "s"}, scale{3.6e6, 3600, 1, "h"}, scale{3.59e8, 3600, 0, "h"})
}

// shortMicros prints a time in at most five columns: 1.2ms, 412us, 60.1s.
func shortMicros(us float64) string {
	if us <= 0 || math.IsNaN(us) {
		return "-"
	}
	return scaled(max(us, 1), scale{999.5, 1, 0, "us"}, scale{99.95e3, 1e3, 1, "ms"}, scale{999.5e3, 1e3, 0, "ms"}, scale{99.95e6, 1e6, 1, "s"}, scale{9999.5e6, 1e6, 0, "s"})
}

// short prints v in at most width columns, SI-shortened: 12.3k. width is at least 4.
func short(v float64, width int) string {
	switch {
	case v < 0 || math.IsNaN(v):
		return "-"
	case v < math.Pow10(width)-0.5 && v == math.Trunc(v):
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	unit := ""
	for _, next := range []string{"k", "M", "G", "T", "P", "E"} {
		if v < 999.5 || unit == "" && v < 1000 {
			break
		}
		v, unit = v/1000, next
	}
	if v >= 999.5 && unit != "" {
		return "many"
	}
	for decimals := 2; ; decimals-- {
		s := strconv.FormatFloat(v, 'f', decimals, 64) + unit
		if decimals == 0 || len(s) <= min(width, 4+len(unit)) {
			return s
		}
	}
}

// Interval writes the row of one interval, and the header before every headerEvery of them. The error is w's.
func (p *Progress) Interval(iv *record.Interval) error {
	var b strings.Builder
	if p.rows%headerEvery == 0 {
		if len(p.groups) > 1 { // the load's columns have no title
			for _, g := range p.groups {
				fmt.Fprintf(&b, "%s%-*s", g.lead, g.width(), " "+g.title)
			}
			b.WriteString(strings.Repeat(" ", 1+phaseWidth) + "\n")
		}
		p.row(&b, "", func(c *progressColumn) string { return c.head })
	}
	p.rows++
	length := iv.TS - p.last
	p.last = iv.TS
	p.row(&b, phaseName(iv), func(c *progressColumn) string { return c.cell(iv, length) })
	_, err := io.WriteString(p.w, b.String())
	return err
}

// IsProgress reports whether a line is one of a Progress that does not write to a terminal. No line of a record is.
func IsProgress(line []byte) bool {
	const longest = 200
	if len(line) > longest || !bytes.HasPrefix(line, []byte(" ")) || bytes.IndexByte(line, '"') >= 0 {
		return false
	}
	first, _, found := bytes.Cut(line, []byte(" |"))
	n := len(bytes.Fields(first)) // the line above the header names the other columns only
	return found && (n == 0 || n == len(loadColumns().columns))
}

func (p *Progress) row(b *strings.Builder, phase string, cell func(*progressColumn) string) {
	for _, g := range p.groups {
		b.WriteString(g.lead)
		for i := range g.columns {
			c := &g.columns[i]
			fmt.Fprintf(b, " %*s", c.width, text.Line(cell(c), c.width))
		}
	}
	fmt.Fprintf(b, " %-*s\n", phaseWidth, text.Line(phase, phaseWidth))
}
