package gallery

import "slices"

// Judgement compares what was observed in a column with what was expected.
type Judgement uint8

// The judgements.
const (
	Unobserved  Judgement = iota // nothing was, or nothing was expected
	AsExpected                   // every fate is among those expected
	Explained                    // every other fate has a Note
	Unexplained                  // some fate is neither expected nor explained
)

// Judge judges one column. The notes are those that belong to what occurred: remarks, and what explains it.
func (e *Entry) Judge(c Column, t Tally) (Judgement, []*Note) {
	known := slices.Clone(e.Expected[c])
	if len(t) == 0 || len(known) == 0 {
		return Unobserved, nil
	}
	asExpected := t.within(known)
	var notes []*Note
	for i := range e.Notes {
		n := &e.Notes[i]
		if n.Column != c {
			continue
		}
		known = append(known, n.Fates...)
		if len(n.Fates) == 0 || slices.ContainsFunc(t, func(c Count) bool { return slices.Contains(n.Fates, c.Fate) }) {
			notes = append(notes, n)
		}
	}
	switch {
	case asExpected:
		return AsExpected, notes
	case t.within(known):
		return Explained, notes
	}
	return Unexplained, notes
}
