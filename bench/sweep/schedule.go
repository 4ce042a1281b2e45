package sweep

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Slot is a run's place in the schedule. The base's second run in a block, its Twin, makes the A/A pair.
type Slot struct {
	Cell, Block, Position int
	Twin                  bool
}

// Cost is what a run of a cell takes.
type Cost struct {
	Took time.Duration
	// CPUs are those that it keeps busy. Alone is set for a run that needs the machine for itself.
	CPUs  float64
	Alone bool
}

// Budget bounds what goes on at once.
type Budget struct {
	CPUs float64
	Runs int
}

// Order is the schedule of a number of blocks over cells with these costs, the first of which is the base. In each block every cell runs
// once, the base twice, in an order shuffled anew. Runs that need the machine and runs that go side by side are apart, since each of the first
// would have to wait for all of the others; which of the two come first is drawn for each block, so that a drift of the machine within blocks
// favours neither. The same seed gives the same order.
func Order(costs []Cost, blocks int, seed uint64) []Slot {
	random := rand.New(rand.NewPCG(seed, 0))
	all := make([]Slot, 0, blocks*(len(costs)+1))
	for block := range blocks {
		list := []Slot{{Twin: true}}
		for cell := range costs {
			list = append(list, Slot{Cell: cell})
		}
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		last := random.IntN(2) == 0
		slices.SortStableFunc(list, func(a, b Slot) int {
			if costs[a.Cell].Alone == costs[b.Cell].Alone {
				return 0
			}
			if costs[a.Cell].Alone == last {
				return 1
			}
			return -1
		})
		for i := range list {
			list[i].Block, list[i].Position = block, i
		}
		all = append(all, list...)
	}
	return all
}

// MayStart reports whether the next run of the schedule may start beside those that go on. Runs start in the order of the schedule, and a block
// when the one before has ended: else position and neighbours of a run would depend on its cell.
func MayStart(going []Slot, next Slot, costs []Cost, b Budget) bool {
	if len(going) == 0 {
		return true
	}
	need := costs[next.Cell]
	cpus := need.CPUs
	for _, s := range going {
		if costs[s.Cell].Alone || s.Block != next.Block {
			return false
		}
		cpus += costs[s.Cell].CPUs
	}
	return !need.Alone && len(going) < b.Runs && cpus <= b.CPUs
}

// Expected is how long a schedule takes.
func Expected(order []Slot, costs []Cost, b Budget) time.Duration {
	var now time.Duration
	var going []Slot
	var ends []time.Duration
	for _, next := range order {
		for !MayStart(going, next, costs, b) {
			now = slices.Min(ends)
			i := slices.Index(ends, now)
			going, ends = slices.Delete(going, i, i+1), slices.Delete(ends, i, i+1)
		}
		going, ends = append(going, next), append(ends, now+costs[next.Cell].Took)
	}
	for _, end := range ends {
		now = max(now, end)
	}
	return now
}
