package drain

import (
	"context"
	"fmt"
	"strings"
	"time"

	"lastack/loadgen"
	"lastack/sockstate"
)

// heldAtMost is how long the groups may take to open.
const heldAtMost = 30 * time.Second

// hold waits until the groups are open, and for Stop.After.
func (t *try) hold(ctx context.Context) error {
	open, err := tick(ctx, heldAtMost, func() (bool, error) {
		s := t.load.Snapshot()
		if t.hopeless(&s) {
			return true, nil
		}
		for i := range t.kinds {
			if !t.kinds[i].open(&s.Groups[i]) {
				return false, t.died()
			}
		}
		return true, nil
	})
	if err != nil || ctx.Err() != nil {
		return err
	}
	if s := t.load.Snapshot(); !open || t.hopeless(&s) {
		if err := t.shortOf(&s); err != nil {
			return err
		}
	}
	t.x.phase(t.n, "holding")
	_, err = tick(ctx, t.spec.Stop.After, func() (bool, error) { return false, t.died() })
	if err != nil || ctx.Err() != nil || !t.spec.Stop.Handover {
		return err
	}
	return t.takeOver(ctx)
}

// hopelessAfter is how many connections a client may have had, on the average, before it is clear that it cannot keep one.
const hopelessAfter = 5

// hopeless reports whether a group that is not open has tried often enough.
func (t *try) hopeless(s *loadgen.Snapshot) bool {
	for i := range t.kinds {
		k, g := &t.kinds[i], &s.Groups[i]
		if !k.open(g) && g.Ledger.Attempted >= hopelessAfter*int64(k.asked) {
			return true
		}
	}
	return false
}

// open reports whether a group's clients have a connection each, and idle ones their reply, for longer than the way to
// that takes. A partial client whose connection the server has ended has had it, and opens no other: warnEnded tells.
func (k *groupKind) open(g *loadgen.GroupSnapshot) bool {
	n := int64(k.asked)
	switch {
	case k.name == groupQueued:
		return true // it begins later
	case k.keep == loadgen.KeepIdle && (g.Ledger.Requests < n || ended(&g.Ledger) >= max(n, 1)):
		return false
	case k.keep == loadgen.KeepPartial:
		return g.Established+ended(&g.Ledger) >= n
	}
	return g.Established >= n
}

// ended is how many connections of clients that keep them the server has ended.
func ended(l *loadgen.Ledger) int64 {
	return l.Outcomes[sockstate.OutcomeFIN] + l.Outcomes[sockstate.OutcomeRSTReceived]
}

// shortOf says which groups could not be opened, and why.
func (t *try) shortOf(s *loadgen.Snapshot) error {
	var replies, other int64
	for i := range t.kinds {
		k, l := &t.kinds[i], &s.Groups[i].Ledger
		n := s.Groups[i].Established
		replies += l.Requests
		other += l.Opened
		if k.open(&s.Groups[i]) {
			continue
		}
		t.warn("groups: %s has %d of %d connections open: %s", k.name, n, k.asked, whyShort(l))
	}
	switch {
	case other == 0 && failedHere(&s.Ledger) != "":
		return fmt.Errorf("no connection to %v could be opened: %s", t.spec.Target, failedHere(&s.Ledger))
	case other == 0:
		return fmt.Errorf("%v takes no connection: want a server that accepts, or a longer --connect-timeout", t.spec.Target)
	case replies == 0:
		return fmt.Errorf("%v gives no reply to %s that can be used (%s): want a server that speaks it", t.spec.Target, t.spec.Load.Exchange, outcomeWords(s))
	}
	return nil
}

// whyShort says in words why a group's clients do not have a connection each.
func whyShort(l *loadgen.Ledger) string {
	switch o := &l.Outcomes; {
	case failedHere(l) != "":
		return failedHere(l)
	case o[sockstate.OutcomeHTTPStatus] > 0:
		return fmt.Sprintf("%d requests were answered with a status of 5xx, after which clients close", o[sockstate.OutcomeHTTPStatus])
	case ended(l) > 0:
		return fmt.Sprintf("the server has ended %d of %d after a reply: it does not keep connections alive", ended(l), l.Opened)
	case o[sockstate.OutcomeRequestTimeout] > 0:
		return fmt.Sprintf("%d requests had no reply in time", o[sockstate.OutcomeRequestTimeout])
	case o[sockstate.OutcomeRefused]+o[sockstate.OutcomeConnectTimeout] > 0:
		return fmt.Sprintf("%d connects were refused, %d had no answer in time", o[sockstate.OutcomeRefused], o[sockstate.OutcomeConnectTimeout])
	}
	return fmt.Sprintf("the rest of them had no answer after %v: the server, or its accept queue, takes no more at once", heldAtMost)
}

// failedHere says for want of what of this host's connects failed, empty if none did: nothing of that is the server's.
func failedHere(l *loadgen.Ledger) string {
	switch o := &l.Outcomes; {
	case o[sockstate.OutcomeNoLocalPort] > 0:
		return fmt.Sprintf("%d connects found no free local port on this host (EADDRNOTAVAIL): want fewer connections or --arrivals, or a wider net.ipv4.ip_local_port_range; TIME_WAITs of this load and of earlier ones hold ports too (ss -tan state time-wait)", o[sockstate.OutcomeNoLocalPort])
	case o[sockstate.OutcomeNoFD] > 0:
		return fmt.Sprintf("%d connects found no free descriptor on this host: raise the limit (ulimit -n, fs.file-max)", o[sockstate.OutcomeNoFD])
	case o[sockstate.OutcomeNoMemory] > 0:
		return fmt.Sprintf("%d connects found no memory on this host (ENOBUFS, ENOMEM): want fewer connections", o[sockstate.OutcomeNoMemory])
	}
	return ""
}

// outcomeWords lists what became of a load's lifecycles.
func outcomeWords(s *loadgen.Snapshot) string { return outcomesOf(&s.Ledger) }

func outcomesOf(l *loadgen.Ledger) string {
	var words []string
	for o, n := range l.Outcomes {
		if n > 0 {
			words = append(words, fmt.Sprintf("%s %d", sockstate.Outcome(o), n))
		}
	}
	for f, n := range l.Faults {
		if n > 0 {
			words = append(words, fmt.Sprintf("of the others %s %d", sockstate.Fault(f), n))
		}
	}
	if len(words) == 0 {
		return "none came"
	}
	return strings.Join(words, ", ")
}

// warnEnded says where the server has ended connections by itself before the stop, and why a group has none.
func (t *try) warnEnded() {
	for i := range t.kinds {
		k, g := &t.kinds[i], &t.ev.atArm.Groups[i]
		n := ended(&g.Ledger)
		switch {
		case k.keep == loadgen.KeepIdle && n > 0:
			t.warn("groups: the server ended %d connections of %s before the stop: its keep-alive timeout is shorter than --after, or it keeps none", n, k.name)
		case k.keep == loadgen.KeepPartial && n > 0:
			t.warn("groups: the server ended %d connections of %s before the stop: its timeout for a request's header is shorter than --after", n, k.name)
		case k.asked == 0 || k.name == groupQueued || g.Established > 0:
		default:
			t.warn("groups: no connection of %s is open when the stop begins: %s", k.name, outcomesOf(&g.Ledger))
		}
	}
}
