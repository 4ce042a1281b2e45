package report

import (
	"fmt"
	"io"

	"lastack/report/text"
)

// DrainPhase writes a line of at most 100 columns about a phase of a drain. The try, from 1, is shown if there are several. An
// error of w does not matter: the drain goes on without its progress.
func DrainPhase(w io.Writer, try, of int, phase string) {
	if of > 1 {
		phase = fmt.Sprintf("try %*d of %d: %s", len(fmt.Sprint(of)), try, of, phase)
	}
	_, _ = io.WriteString(w, text.Line(phase, text.Columns)+"\n")
}
