package grid

import (
	"testing"

	"lastack/bench/setup"
	"lastack/bench/sweep"
	"lastack/loadgen"
)

// Arrivals by chance are the same in all cells of a block and again when a sweep is resumed, and others in another block and in the base's twin.
func TestByChance(t *testing.T) {
	s := setup.Setup{}
	s.Plan.Groups = []loadgen.Group{{Poisson: true, Seed: 7}, {Seed: 7}}
	of := func(slot sweep.Slot) uint64 {
		got := byChance(s, 5, slot)
		if got.Plan.Groups[1].Seed != 7 {
			t.Errorf("paced arrivals have the seed %d", got.Plan.Groups[1].Seed)
		}
		return got.Plan.Groups[0].Seed
	}
	first := of(sweep.Slot{Cell: 0})
	if got := of(sweep.Slot{Cell: 3, Position: 9}); got != first || first == 7 || first >= 1<<53 {
		t.Errorf("seeds %d and %d in one block", first, got)
	}
	for _, slot := range []sweep.Slot{{Block: 1}, {Twin: true}} {
		if of(slot) == first {
			t.Errorf("%+v has the arrivals of the first block", slot)
		}
	}
	if s.Plan.Groups[0].Seed != 7 {
		t.Error("the cell's own setup was changed")
	}
}
