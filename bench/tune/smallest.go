package tune

import (
	"cmp"
	"slices"

	"lastack/bench/record"
)

// set is a number of remedies, by their indices, in ascending order.
type set []int

const (
	// maxPairs is the most pairs that are tried, maxConfirmed the most sets that are confirmed.
	maxPairs     = 8
	maxConfirmed = 3
)

// price is what a set costs: first the number of its changes counts, then the cost of the dearest, then of all.
func price(remedies []record.TuneRemedy, s set) [3]int {
	var p [3]int
	for _, i := range s {
		r := &remedies[i]
		p[0] += len(r.Changes)
		p[1] = max(p[1], r.Cost)
		p[2] += r.Cost
	}
	// A change of the program is more than any number of settings.
	if p[1] >= program {
		p[0] += 10 * p[1]
	}
	return p
}

// smallestFirst sorts sets by their price.
func smallestFirst(remedies []record.TuneRemedy, sets []set) {
	slices.SortStableFunc(sets, func(a, b set) int {
		x, y := price(remedies, a), price(remedies, b)
		return slices.Compare(x[:], y[:])
	})
}

// suffice lists the sets that were sustained in a narrowed or first trial, and not refuted since, the smallest first.
func suffice(t *record.Tune) (sets []set) {
	refuted := func(s set) bool {
		return slices.ContainsFunc(t.Trials, func(o record.TuneTrial) bool { return o.Confirms && !o.Sustained && slices.Equal(o.Remedies, s) })
	}
	for i := range t.Trials {
		trial := &t.Trials[i]
		s := set(trial.Remedies)
		if trial.Sustained && !trial.Confirms && len(s) > 0 && !refuted(s) && !slices.ContainsFunc(sets, func(o set) bool { return slices.Equal(o, s) }) {
			sets = append(sets, s)
		}
	}
	smallestFirst(t.Remedies, sets)
	return sets
}

// open lists the sets that may sustain the load, the smallest first: their narrowed or first trial did, and what one in full met, if it ran, was
// a limit of this machine.
func open(t *record.Tune) (sets []set) {
	refuted := func(s set) bool {
		return slices.ContainsFunc(t.Trials, func(o record.TuneTrial) bool {
			return o.Confirms && !o.Sustained && !o.CannotTell && slices.Equal(o.Remedies, s)
		})
	}
	for i := range t.Trials {
		if s := set(t.Trials[i].Remedies); t.Trials[i].Sustained && !t.Trials[i].Confirms && len(s) > 0 && !refuted(s) {
			sets = append(sets, s)
		}
	}
	smallestFirst(t.Remedies, sets)
	return sets
}

// undecided reports whether a machine with more to spare might find what sustains the load: among the sets that may, or among those of which
// not even that is known.
func undecided(t *record.Tune) bool {
	return len(open(t)) > 0 || slices.ContainsFunc(t.Trials, func(o record.TuneTrial) bool { return o.CannotTell && len(o.Remedies) > 0 && !o.Confirms })
}

// boundBy is the limit of this machine that the last trial of which it is met.
func boundBy(t *record.Tune) (limit string) {
	for i := range t.Trials {
		if t.Trials[i].CannotTell {
			limit = t.Trials[i].LimitedBy
		}
	}
	return limit
}

// pairs lists the pairs to try when no remedy suffices: of those that help against the same limit, and each whose limit is another with what
// helps against that. follow has the remedies of a limit. Those predicted to suffice come first.
func pairs(t *record.Tune, follow func(limit string) []int) (sets []set) {
	var help []int
	add := func(a, b int) {
		if a > b {
			a, b = b, a
		}
		if s := (set{a, b}); a != b && !clash(t.Remedies, s) && !slices.ContainsFunc(sets, func(o set) bool { return slices.Equal(o, s) }) {
			sets = append(sets, s)
		}
	}
	for i := range t.Trials {
		trial := &t.Trials[i]
		if len(trial.Remedies) != 1 || trial.Sustained || trial.Error != "" {
			continue
		}
		r := trial.Remedies[0]
		switch {
		case trial.LimitedBy != t.LimitedBy:
			for _, other := range follow(trial.LimitedBy) {
				add(r, other)
			}
		case helps(t, trial):
			help = append(help, r)
		}
	}
	for i, a := range help {
		for _, b := range help[i+1:] {
			add(a, b)
		}
	}
	smallestFirst(t.Remedies, sets)
	return sets[:min(len(sets), maxPairs)]
}

// helps reports whether a trial did better than the load without any change: failed later, or failed less.
func helps(t *record.Tune, trial *record.TuneTrial) bool {
	const clearly = 1.1
	before := asIs(t, trial.Scale > 0)
	if before == nil {
		return false
	}
	if a, b := before.FailedAfterS, trial.FailedAfterS; a > 0 || b > 0 {
		return b > a*clearly || b == 0
	}
	share := func(t *record.TuneTrial) float64 { return float64(t.Failed) / float64(max(t.Attempted, 1)) }
	return share(trial)*clearly < share(before)
}

// asIs is the trial without any change, in full or narrowed, nil if there is none.
func asIs(t *record.Tune, narrowed bool) (last *record.TuneTrial) {
	for i := range t.Trials {
		if o := &t.Trials[i]; len(o.Remedies) == 0 && (o.Scale > 0) == narrowed {
			last = o
		}
	}
	return last
}

// clash reports whether two remedies of a set change the same setting.
func clash(remedies []record.TuneRemedy, s set) bool {
	seen := make(map[string]bool)
	for _, i := range s {
		for _, c := range remedies[i].Changes {
			if seen[c.Key] {
				return true
			}
			seen[c.Key] = true
		}
	}
	return false
}

// changes are those of a set, for a trial.
func changes(remedies []record.TuneRemedy, s set) (all []record.Factor) {
	for _, i := range s {
		for _, c := range remedies[i].Changes {
			all = append(all, record.Factor{Key: c.Key, Levels: []string{c.To}})
		}
	}
	// The kernel accepts a range of ports only once those below are no longer privileged, and so on: as in a file of sysctl.d.
	slices.SortStableFunc(all, func(a, b record.Factor) int { return cmp.Compare(a.Key, b.Key) })
	return all
}
