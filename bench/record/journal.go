package record

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"reflect"
	"slices"
)

// A journal keeps what a sweep has measured while it goes on: each line is JSON. The first is the record as it was when the sweep began, each
// other one a SweepPart. A program that was killed leaves the last line incomplete. That of a search for settings is one line, its record until
// then.

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

// ReadJournal reads a journal, and returns the record of a sweep or a search that was interrupted. It ends at the first line that is not whole. Its errors are those
// of Read, whose limits it has too: for each line, and for all that it keeps.
func ReadJournal(r io.Reader) (*Run, error) {
	return readJournal(r, maxJournal, cost{maxRest, maxRestValues, maxRestContainers, maxTexts})
}

// readJournal reads at most limit bytes, and keeps what room there is for.
func readJournal(r io.Reader, limit int64, room cost) (*Run, error) {
	bounded := &io.LimitedReader{R: r, N: limit + 1}
	in := bufio.NewReaderSize(bounded, 256<<10)
	run, err := Read(&line{in: in})
	switch {
	case err != nil:
		return nil, err
	case run.Tune != nil:
		run.Interrupted = true
		return run, nil
	case run.Sweep == nil:
		return nil, newFault(faultDamaged, nil, "this is no journal of a sweep or a tune: %s", wantFile)
	}
	run.Interrupted, run.Verdict.LimitedBy = true, LimitInterrupted
	parts, buf := newParts(run.Sweep, room), make([]byte, 16<<10)
	for {
		l := line{in: in}
		text := newIntake(0, maxPart)
		if err := text.take(&l, buf); err != nil {
			return nil, err
		}
		var p SweepPart
		if !l.whole || json.Unmarshal(text.rest, &p) != nil || !parts.fits(&p) {
			break
		}
		if err := parts.add(&p, costOf(text)); err != nil {
			return nil, err
		}
		run.ElapsedS = max(run.ElapsedS, p.ElapsedS)
	}
	if bounded.N == 0 {
		return nil, tooLarge(limit)
	}
	run.Sweep.Runs, run.Sweep.Unfinished = inOrder(parts.runs), inOrder(parts.searches)
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

// line reads to the end of a line. It is whole if there is one.
type line struct {
	in    *bufio.Reader
	whole bool
}

func (l *line) Read(b []byte) (n int, err error) {
	if l.whole {
		return 0, io.EOF
	}
	if _, err := l.in.Peek(1); err != nil {
		return 0, err //nolint:wrapcheck // io.EOF, or what the caller wraps
	}
	next, _ := l.in.Peek(l.in.Buffered())
	if end := bytes.IndexByte(next, '\n'); end >= 0 {
		next = next[:end+1]
	}
	n = copy(b, next)
	l.whole = n > 0 && b[n-1] == '\n'
	_, err = l.in.Discard(n)
	return n, err //nolint:wrapcheck // none: it is buffered
}

// cost is what a part takes of the limits of a record, outside of its timeline.
type cost struct{ bytes, values, containers, texts int }

func costOf(in *intake) cost { return cost{len(in.rest), in.restValues, in.restObjects, in.texts} }

func (c cost) less(d cost) cost {
	return cost{c.bytes - d.bytes, c.values - d.values, c.containers - d.containers, c.texts - d.texts}
}

// slot is a place in the schedule.
type slot struct {
	cell, block, position int
	twin                  bool
}

func slotOf(r *SweepRun) slot { return slot{r.Cell, r.Block, r.Position, r.Twin} }

// kept is what a line of a journal has of a slot.
type kept struct {
	run  SweepRun
	line int
	cost cost
}

// parts collects those of a journal. Of two of the same slot, the later counts.
type parts struct {
	sweep          *Sweep
	runs, searches map[slot]kept
	lines          int
	// free is what may still be kept.
	free cost
}

func newParts(s *Sweep, room cost) *parts {
	p := &parts{sweep: s, runs: make(map[slot]kept), searches: make(map[slot]kept), free: room}
	for i := range s.Runs {
		p.keep(p.runs, &s.Runs[i], cost{})
	}
	for i := range s.Unfinished {
		p.keep(p.searches, &s.Unfinished[i], cost{})
	}
	return p
}

// of is the run that a part is about.
func (p *SweepPart) of() *SweepRun {
	if p.Run != nil {
		return p.Run
	}
	return p.Search
}

// fits reports whether a part is one of the sweep.
func (p *parts) fits(part *SweepPart) bool {
	of := part.of()
	return of != nil && of.Cell >= 0 && of.Cell < len(p.sweep.Cells) && len(p.runs) < MaxSweepRuns
}

func (p *parts) add(part *SweepPart, c cost) error {
	of := part.of()
	if box := part.Sandbox; box != nil && p.sweep.Cells[of.Cell].Sandbox == nil {
		p.sweep.Cells[of.Cell].Sandbox = box
		p.free, c = p.free.less(c), cost{} // it stays, whatever replaces the run
	}
	p.drop(p.searches, slotOf(of))
	if part.Run != nil {
		p.drop(p.runs, slotOf(of))
		p.keep(p.runs, of, c)
	} else {
		p.keep(p.searches, of, c)
	}
	if f := p.free; min(f.bytes, f.values, f.containers, f.texts) < 0 {
		return tooMuch("its lines hold more than a sweep measures")
	}
	return nil
}

func (p *parts) keep(in map[slot]kept, r *SweepRun, c cost) {
	p.lines++
	p.free = p.free.less(c)
	in[slotOf(r)] = kept{*r, p.lines, c}
}

func (p *parts) drop(in map[slot]kept, s slot) {
	p.free = p.free.less(cost{}.less(in[s].cost))
	delete(in, s)
}

// inOrder lists runs in the order of their lines.
func inOrder(of map[slot]kept) []SweepRun {
	all := make([]SweepRun, 0, len(of))
	for _, k := range slices.SortedFunc(maps.Values(of), func(a, b kept) int { return cmp.Compare(a.line, b.line) }) {
		all = append(all, k.run)
	}
	return all
}
