package report

import (
	"fmt"
	"io"

	"lastack/report/text"
)

// DrainProgress tells what a drain does as it goes on, a line for each phase. It is not safe for concurrent use.
type DrainProgress struct {
	w io.Writer
}

// NewDrainProgress returns a DrainProgress that writes to w.
func NewDrainProgress(w io.Writer) *DrainProgress { return &DrainProgress{w: w} }

// Phase writes one line of at most 100 columns. The try, from 1, is shown where there are several. That
// w cannot be written to is passed over: the drain matters, not its progress.
func (p *DrainProgress) Phase(try, of int, phase string) {
	if of > 1 {
		width := len(fmt.Sprint(of))
		phase = fmt.Sprintf("try %*d of %d: %s", width, try, of, phase)
	}
	_, _ = io.WriteString(p.w, text.Line(phase, text.Columns)+"\n")
}
