package gallery

import "slices"

// Judgement compares what was observed in a column with what was expected.
type Judgement uint8

// The judgements.
const (
	Unobserved  Judgement = iota // nothing was, or nothing was expected
	AsExpected                   // every fate is among those expected
	Explained                    // every other fate has a Difference
	Unexplained                  // some fate is neither expected nor explained
)

// Judge judges one column. The differences are those that occurred.
func (e *Entry) Judge(c Column, t Tally) (Judgement, []*Difference) {
	known := e.Expected[c]
	switch {
	case len(t) == 0 || len(known) == 0:
		return Unobserved, nil
	case t.within(known):
		return AsExpected, nil
	}
	known = slices.Clone(known)
	var occurred []*Difference
	for i := range e.Differences {
		d := &e.Differences[i]
		if d.Column != c {
			continue
		}
		known = append(known, d.Fates...)
		if slices.ContainsFunc(t, func(n Count) bool { return slices.Contains(d.Fates, n.Fate) }) {
			occurred = append(occurred, d)
		}
	}
	if t.within(known) {
		return Explained, occurred
	}
	return Unexplained, occurred
}
