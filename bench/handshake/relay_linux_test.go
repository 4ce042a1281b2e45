package handshake

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/ladder"
	"lastack/sockstate"
)

// TestChanges: if both sides end in one look, each has a step of its own, with the states that the one before has left.
func TestChanges(t *testing.T) {
	type states = [sockstate.NumSides]sockstate.State
	const wait, closed = sockstate.TimeWait, sockstate.Closed
	want := []ladder.Event{
		{At: 7, Kind: ladder.Changed, Side: sockstate.Client, States: states{closed, wait}},
		{At: 7, Kind: ladder.Changed, Side: sockstate.Server, States: states{closed, closed}},
	}
	if diff := cmp.Diff(want, changes(states{wait, wait}, states{closed, closed}, 7)); diff != "" {
		t.Error(diff)
	}
}
