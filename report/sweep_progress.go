package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/text"
)

// SweepStep is a run of a sweep that ended, or a load of a search that did.
type SweepStep struct {
	// Done of All runs have ended; Left is how long the rest should take.
	Done, All int
	Left      time.Duration
	// Cell is the cell in words, Block that of the run, from 0.
	Cell  string
	Block int
	Run   *record.SweepRun
	Tried *record.FindTry
}

// sweepCellWidth is that of the cell's column in rows of text.Columns.
const sweepCellWidth = 40

// SweepProgress writes a row of at most 100 columns. An error of w does not matter: the sweep goes on without its progress.
func SweepProgress(w io.Writer, s SweepStep) {
	width := len(fmt.Sprint(s.All))
	rate, what := "", ""
	switch {
	case s.Tried != nil:
		t := s.Tried
		rate = quantity.PerSecond(t.OfferedPerS)
		what = "tried: " + t.LimitedBy
		if t.Sustained {
			what = "tried: sustained"
		}
	case s.Run.Error != "":
		what = "failed: " + s.Run.Error
	case s.Run.Found != nil:
		rate, what = quantity.PerSecond(s.Run.Found.PerS), "found: "+s.Run.Found.LimitedBy
	default:
		rate, what = quantity.PerSecond(s.Run.Values["rate.completed"]), s.Run.LimitedBy
	}
	if rate != "" {
		rate += "/s"
	}
	row := fmt.Sprintf("%*d/%d %7s left  %d  %-*s %10s  %s", width, s.Done, s.All, shortTime(s.Left), s.Block+1, sweepCellWidth, text.Line(s.Cell, sweepCellWidth), rate, what)
	_, _ = io.WriteString(w, text.Line(row, text.Columns)+"\n")
}

// SweepBegins writes what a sweep is about to do, and a hint.
func SweepBegins(w io.Writer, what string, takes time.Duration, sideBySide int, hint string) {
	line := fmt.Sprintf("lastack: %s, about %s", what, shortTime(takes))
	if sideBySide > 1 {
		line += fmt.Sprintf(", up to %d at once", sideBySide)
	}
	_, _ = io.WriteString(w, join("; ", line, hint)+"\n")
}

// shortTime is a duration in whole seconds, or minutes: 45s, 3m10s, 2h5m.
func shortTime(d time.Duration) string {
	d = d.Round(time.Second)
	if d >= time.Hour {
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return d.String()
}
