package trace

import (
	"errors"
	"testing"

	"lastack/sockstate"
	"lastack/sockstate/socktest"
)

// TestEvents: a watch has each change of both ends, in order, and says how many it had no room for.
func TestEvents(t *testing.T) {
	ns := socktest.NewNamespace(t)
	g := socktest.Listen(t, ns, "127.0.0.1:0", false)
	w, err := Watch(ns)
	skip(t, err)
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	g.Pair()
	all, err := w.Read()
	if err != nil || len(all) != 4 {
		t.Fatalf("%+v, %v", all, err)
	}
	for i, e := range all {
		if e.Namespace != 0 || i > 0 && e.At < all[i-1].At {
			t.Errorf("%+v", all)
		}
	}
	if first := all[0]; first.Old != sockstate.Closed || first.New != sockstate.SynSent {
		t.Errorf("it begins with %+v", first)
	}
	const each = 4 // changes to ESTABLISHED
	g.Pairs(MaxEvents/each + 10)
	all, err = w.Read()
	if e, ok := errors.AsType[*lostError](err); !ok || len(all) != MaxEvents || e.n != 10*each {
		t.Errorf("%d events, %v", len(all), err)
	}
}
