package main

import "slices"

// judgement compares the observed with the expected fates of a column.
type judgement uint8

// The judgements.
const (
	unobserved  judgement = iota // nothing was observed, or nothing expected
	asExpected                   // every fate is among those expected
	explained                    // every other fate has a Note
	unexplained                  // some fate is neither
)

// judge judges one column. It returns the notes that apply.
func (e *entry) judge(c column, t tally) (judgement, []*note) {
	known := slices.Clone(e.Expected[c])
	if len(t) == 0 || len(known) == 0 {
		return unobserved, nil
	}
	all := t.within(known)
	var notes []*note
	for i := range e.Notes {
		n := &e.Notes[i]
		if n.Column != c {
			continue
		}
		known = append(known, n.Fates...)
		if len(n.Fates) == 0 || slices.ContainsFunc(t, func(c count) bool { return slices.Contains(n.Fates, c.Fate) }) {
			notes = append(notes, n)
		}
	}
	switch {
	case all:
		return asExpected, notes
	case t.within(known):
		return explained, notes
	}
	return unexplained, notes
}
