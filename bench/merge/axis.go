package merge

import (
	"slices"
)

// axis is the instants, in nanoseconds, at which the intervals of a merged timeline end: those at which intervals of every shard end, until its last.
// So no interval has what one shard did in it and another in the next one, though the intervals of shards differ in length, a tick came late, or
// a long timeline was folded.
type axis struct {
	ends []int64
	// coarse is by how often a factor of 2 must be in each of them but the last, so that intervals become fewer.
	coarse int
}

// coarsest leaves the last end only: 0 has all factors.
const coarsest = 62

// with is the axis of a further record, whose intervals end at these instants.
func (a axis) with(own []int64) axis {
	switch {
	case len(own) == 0:
		return a
	case len(a.ends) == 0:
		return axis{own, a.coarse}.thinned()
	}
	last, ownLast := a.ends[len(a.ends)-1], own[len(own)-1]
	all := slices.Concat(a.ends, own)
	slices.Sort(all)
	all = slices.DeleteFunc(slices.Compact(all), func(at int64) bool {
		return at <= last && !has(a.ends, at) || at <= ownLast && !has(own, at)
	})
	return axis{all, a.coarse}.thinned()
}

// coarser is the axis with about half of the intervals.
func (a axis) coarser() axis {
	for n := len(a.ends); n > 1 && len(a.ends) == n && a.coarse < coarsest; {
		a.coarse++
		a = a.thinned()
	}
	return a
}

func (a axis) thinned() axis {
	a.ends = slices.Clone(a.ends)
	last := len(a.ends) - 1
	i := -1
	a.ends = slices.DeleteFunc(a.ends, func(at int64) bool {
		i++
		return i < last && (a.coarse == coarsest || at&(1<<a.coarse-1) != 0)
	})
	return a
}

// at is the end of the interval of an instant.
func (a axis) at(instant int64) int64 {
	i, _ := slices.BinarySearch(a.ends, instant)
	return a.ends[min(i, len(a.ends)-1)]
}

func has(sorted []int64, at int64) bool {
	_, found := slices.BinarySearch(sorted, at)
	return found
}
