package sweep

import (
	"fmt"

	"lastack/bench/quantity"
	"lastack/bench/record"
)

// The findings of a sweep.
const (
	codeTwinDiffers  = "twin_differs"
	codeTooFewBlocks = "too_few_blocks"
	codeIncomplete   = "incomplete"
	codeCrashed      = "crashed"
	codeHalted       = "halted"
	codeNoValues     = "no_values"
)

// find adds a finding. Numbers are what they are after they were read from JSON.
func (a *analysis) find(code string, args map[string]any) {
	for key, v := range args {
		if n, ok := v.(int); ok {
			args[key] = float64(n)
		}
	}
	a.Findings = append(a.Findings, record.Finding{Code: code, Args: args})
}

// doubts are those about the runs, the worst first.
func (a *analysis) doubts() {
	s := a.sweep
	run, crashed, halted, refused := 0, 0, 0, 0
	for i := range a.Cells {
		run, crashed, halted = run+a.Cells[i].Runs, crashed+a.Cells[i].Failed, halted+a.Cells[i].Limits[record.LimitHalted]
		if s.Cells[i].Refused != "" {
			refused++
		}
	}
	if crashed > 0 {
		a.find(codeCrashed, map[string]any{"n": crashed, "of": run + crashed})
	}
	if planned := s.Blocks * (len(s.Cells) - refused + 1); run+crashed < planned { // each block has the base twice
		a.find(codeIncomplete, map[string]any{"n": run + crashed, "of": planned})
	}
	// What else makes a run no statement about the target may be just what the sweep is about: local ports, the CPU.
	if halted > 0 {
		a.find(codeHalted, map[string]any{"n": halted, "of": run})
	}
}

// Sentence says what a finding of a sweep means.
func Sentence(f record.Finding) string {
	arg := func(key string) string { return fmt.Sprint(f.Args[key]) }
	n, _ := f.Args["n"].(float64)
	switch f.Code {
	case codeTwinDiffers:
		return "two runs of the same cell differ in " + arg("metric") + " by more than chance: its differences between cells mean nothing"
	case codeTooFewBlocks:
		blocks := quantity.Plural(int(n), " block there is no A/A check, and", " blocks")
		return "with " + arg("n") + blocks + " no difference can be told from noise: it takes " + arg("need")
	case codeCrashed:
		return arg("n") + " of " + arg("of") + " runs ended without a result"
	case codeIncomplete:
		return "only " + arg("n") + " of " + arg("of") + " runs took place: --resume goes on"
	case codeHalted:
		return "in " + arg("n") + " of " + arg("of") + " runs the load did not run all the time"
	case codeNoValues:
		return "no run has the metric " + arg("metric")
	}
	return f.Code
}
