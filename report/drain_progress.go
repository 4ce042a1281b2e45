package report

import (
	"fmt"
	"io"
)

// DrainProgress tells what a drain does as it goes on, a line for each phase. It is not safe for concurrent use.
type DrainProgress struct {
	w io.Writer
}

// NewDrainProgress returns a DrainProgress that writes to w.
func NewDrainProgress(w io.Writer) *DrainProgress { return &DrainProgress{w: w} }

// Phase writes one line of at most 100 columns. The try, from 1, is shown where there are several. That
// w cannot be written to is passed over: the drain matters, not its progress.
func (p *DrainProgress) Phase(try, of int, text string) {
	if of > 1 {
		width := len(fmt.Sprint(of))
		text = fmt.Sprintf("try %*d of %d: %s", width, try, of, text)
	}
	_, _ = io.WriteString(p.w, cut(clean(text), columns)+"\n")
}
