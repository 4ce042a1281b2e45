package sweep

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Each block has every cell once, the base twice; no order favours a cell, and the same seed gives the same one.
func TestOrder(t *testing.T) {
	const cells, blocks = 4, 4000
	order := Order(make([]Cost, cells), blocks, 7)
	if d := cmp.Diff(order, Order(make([]Cost, cells), blocks, 7)); d != "" {
		t.Error(d)
	}
	if slices.Equal(order, Order(make([]Cost, cells), blocks, 8)) {
		t.Error("two seeds, one order")
	}
	if len(order) != blocks*(cells+1) {
		t.Fatalf("%d runs", len(order))
	}
	var at [cells + 1][cells + 1]int // by cell, the twin last, and position
	for i, s := range order {
		if s.Block != i/(cells+1) || s.Position != i%(cells+1) || s.Twin && s.Cell != 0 {
			t.Fatalf("run %d is %+v", i, s)
		}
		if s.Twin {
			s.Cell = cells
		}
		at[s.Cell][s.Position]++
	}
	for cell := range at {
		for position, n := range at[cell] {
			// Each of blocks/5 = 800 on average, with a standard deviation of 25.
			if n < 700 || n > 900 {
				t.Errorf("cell %d ran %d times at position %d", cell, n, position)
			}
		}
	}
}

// Runs that need the machine are together, before or after the others of their block.
func TestOrderApart(t *testing.T) {
	costs := []Cost{{}, {Alone: true}, {}, {Alone: true}, {}}
	first := 0
	for block := range slices.Chunk(Order(costs, 100, 1), 6) {
		changes := 0
		for i, s := range block {
			if i > 0 && costs[s.Cell].Alone != costs[block[i-1].Cell].Alone {
				changes++
			}
		}
		if changes != 1 {
			t.Fatalf("%+v", block)
		}
		if costs[block[0].Cell].Alone {
			first++
		}
	}
	if first < 30 || first > 70 {
		t.Errorf("the machine was needed first in %d of 100 blocks", first)
	}
}

func TestMayStart(t *testing.T) {
	costs := []Cost{{CPUs: 0.5}, {CPUs: 1.5}, {CPUs: 0.1, Alone: true}, {CPUs: 9}}
	budget := Budget{CPUs: 2, Runs: 3}
	base, big, alone, huge := Slot{}, Slot{Cell: 1}, Slot{Cell: 2}, Slot{Cell: 3}
	for _, tt := range []struct {
		name  string
		going []Slot
		next  Slot
		want  bool
	}{
		{"nothing goes on", nil, huge, true},
		{"within the budget", []Slot{base}, big, true},
		{"beyond the CPUs", []Slot{base, base}, big, false},
		{"beyond the number", []Slot{base, base, base}, base, false},
		{"alone beside another", []Slot{base}, alone, false},
		{"another beside one alone", []Slot{alone}, base, false},
		{"more than the budget by itself", []Slot{base}, huge, false},
		{"the next block", []Slot{base}, Slot{Block: 1}, false},
	} {
		if got := MayStart(tt.going, tt.next, costs, budget); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestExpected(t *testing.T) {
	// Five runs a block: four of a minute that go side by side, and one alone.
	costs := []Cost{{Took: time.Minute, CPUs: 0.5}, {Took: time.Minute, CPUs: 0.5}, {Took: time.Minute, CPUs: 0.5}, {Took: 10 * time.Second, Alone: true}}
	order := Order(costs, 3, 1)
	for _, tt := range []struct {
		budget Budget
		want   time.Duration
	}{
		{Budget{CPUs: 1, Runs: 9}, 3 * (2*time.Minute + 10*time.Second)},
		{Budget{CPUs: 9, Runs: 2}, 3 * (2*time.Minute + 10*time.Second)},
		{Budget{CPUs: 9, Runs: 9}, 3 * (time.Minute + 10*time.Second)},
		{Budget{CPUs: 9, Runs: 1}, 3 * (4*time.Minute + 10*time.Second)},
		{Budget{}, 3 * (4*time.Minute + 10*time.Second)},
	} {
		if got := Expected(order, costs, tt.budget); got != tt.want {
			t.Errorf("%+v: %v, want %v", tt.budget, got, tt.want)
		}
	}
	if got := Expected(nil, costs, Budget{}); got != 0 {
		t.Errorf("nothing takes %v", got)
	}
}
