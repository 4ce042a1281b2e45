package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
)

// A journal keeps what a sweep has measured while it goes on: each line is JSON. The first is the record as it was when the sweep began, each
// other one a SweepPart. A program that was killed leaves the last line incomplete.

// SweepPart is what a sweep has measured further.
type SweepPart struct {
	// Run has ended; Search goes on, and has its loads until then.
	Run    *SweepRun `json:"run,omitempty"`
	Search *SweepRun `json:"search,omitempty"`
	// Sandbox is where the cell ran.
	Sandbox *Sandbox `json:"sandbox,omitempty"`
	// ElapsedS is that of the sweep.
	ElapsedS float64 `json:"elapsed_s"`
}

// MarshalPart returns a line of a journal, without secrets.
func MarshalPart(p SweepPart) ([]byte, error) {
	var own SweepPart // Redact changes what it is given
	b, err := marshal(&p, "")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &own); err != nil {
		return nil, err
	}
	redactAll(reflect.ValueOf(&own).Elem())
	return marshal(&own, "")
}

// ReadJournal reads a journal, and returns the record of a sweep that was interrupted. It ends at the first line that is not whole. Its errors are those
// of Read.
func ReadJournal(r io.Reader) (*Run, error) {
	in := bufio.NewReader(io.LimitReader(r, maxSize))
	line, err := in.ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	run, err := Read(bytes.NewReader(line))
	switch {
	case err != nil:
		return nil, err
	case run.Sweep == nil:
		return nil, newFault(faultDamaged, nil, "this is no journal of a sweep: %s", wantFile)
	}
	run.Interrupted, run.Verdict.LimitedBy = true, LimitInterrupted
	for {
		line, err := in.ReadBytes('\n')
		var part SweepPart
		if err != nil || json.Unmarshal(line, &part) != nil || !run.Sweep.add(&part) {
			break
		}
		run.ElapsedS = max(run.ElapsedS, part.ElapsedS)
	}
	// The sandbox of the record is that of the base.
	if box := run.Sweep.Cells[0].Sandbox; box != nil {
		run.Sandbox, run.Sweep.Cells[0].Sandbox = *box, nil
	}
	if err := run.Validate(); err != nil {
		return nil, err
	}
	if err := run.undamaged(); err != nil {
		return nil, err
	}
	run.Redact()
	return run, nil
}

// add adds a part. A later one of the same place in the schedule replaces an earlier one. ok is false for what is none.
func (s *Sweep) add(p *SweepPart) (ok bool) {
	of := p.Run
	if of == nil {
		of = p.Search
	}
	if of == nil || of.Cell < 0 || of.Cell >= len(s.Cells) || len(s.Runs) == MaxSweepRuns {
		return false
	}
	same := func(r SweepRun) bool { return r.SameSlot(of) }
	s.Unfinished = slices.DeleteFunc(s.Unfinished, same)
	if p.Run != nil {
		s.Runs = append(slices.DeleteFunc(s.Runs, same), *p.Run)
	} else {
		s.Unfinished = append(s.Unfinished, *p.Search)
	}
	if p.Sandbox != nil && s.Cells[of.Cell].Sandbox == nil {
		s.Cells[of.Cell].Sandbox = p.Sandbox
	}
	return true
}

// SameSlot reports whether two runs have the same place in the schedule.
func (r *SweepRun) SameSlot(as *SweepRun) bool {
	return r.Cell == as.Cell && r.Block == as.Block && r.Position == as.Position && r.Twin == as.Twin
}
