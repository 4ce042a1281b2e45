package drain

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"lastack/loadgen"
	"lastack/sockstate"
)

// heldAtMost is how long the groups may take to open.
const heldAtMost = 30 * time.Second

// hold waits until the groups are open, and then for Stop.After. At a handover it then starts the next server.
func (t *try) hold(ctx context.Context) error {
	open, err := tick(ctx, heldAtMost, func() (bool, error) {
		s := t.snapshot()
		if len(t.seen.groups.short(&s)) == 0 || t.seen.groups.hopeless(&s) {
			return true, nil
		}
		return false, t.died()
	})
	if err != nil || ctx.Err() != nil {
		return err
	}
	if s := t.snapshot(); !open || t.seen.groups.hopeless(&s) {
		for _, i := range t.seen.groups.short(&s) {
			k, g := &t.seen.groups[i], &s.Groups[i]
			t.seen.warnings.add("groups: %s has %d of %d connections open: %s", k.name, g.Established, k.asked, whyShort(&g.Ledger))
		}
		if err := t.unusable(&s); err != nil {
			return err
		}
	}
	t.say("holding")
	_, err = tick(ctx, t.Stop.After, func() (bool, error) {
		t.showLoad()
		return false, t.died()
	})
	if err != nil || ctx.Err() != nil || !t.Stop.Handover {
		return err
	}
	return t.handOver(ctx)
}

// unusable is the error of a load without a connection, or without a reply: it says nothing about the server.
func (t *try) unusable(s *loadgen.Snapshot) error {
	var replies, opened int64
	for i := range s.Groups {
		replies += s.Groups[i].Ledger.Requests
		opened += s.Groups[i].Ledger.Opened
	}
	switch here := failedHere(&s.Ledger); {
	case opened == 0 && here != "":
		return fmt.Errorf("no connection to %v could be opened: %s", t.target, here)
	case opened == 0:
		return fmt.Errorf("%v accepts no connection: want a server that does, or a longer --connect-timeout", t.target)
	case replies == 0:
		return fmt.Errorf("%v gives no valid reply to %s (%s): want a server that speaks it", t.target, t.Load.Exchange, outcomeWords(&s.Ledger))
	}
	return nil
}

// short lists the groups that are not open.
func (gs groups) short(s *loadgen.Snapshot) (list []int) {
	for i := range gs {
		if !gs[i].open(&s.Groups[i]) {
			list = append(list, i)
		}
	}
	return list
}

// hopelessAfter is how many connections a client may open, on average, before it is clear that it cannot keep one.
const hopelessAfter = 5

// hopeless reports whether a group that is not open has tried often enough.
func (gs groups) hopeless(s *loadgen.Snapshot) bool {
	return slices.ContainsFunc(gs.short(s), func(i int) bool { return s.Groups[i].Ledger.Attempted >= hopelessAfter*int64(gs[i].asked) })
}

// warnEnded says which groups lost connections to the server before the stop, and why a group has none.
func (gs groups) warnEnded(to *sentences, s *loadgen.Snapshot) {
	for i := range gs {
		k, g := &gs[i], &s.Groups[i]
		n := ended(&g.Ledger)
		switch {
		case k.keep == loadgen.KeepIdle && n > 0:
			to.add("groups: the server ended %d connections of %s before the stop: its keep-alive timeout is shorter than --after, or it keeps none", n, k.name)
		case k.keep == loadgen.KeepPartial && n > 0:
			to.add("groups: the server ended %d connections of %s before the stop: its timeout for a request's header is shorter than --after", n, k.name)
		case k.asked == 0 || k.name == groupQueued || g.Established > 0:
		default:
			to.add("groups: no connection of %s is open when the stop begins: %s", k.name, outcomeWords(&g.Ledger))
		}
	}
}

// open reports whether all clients of a group have a connection, idle ones with their reply. A partial client whose connection the server
// has ended opens no other, so it counts as open.
func (k *group) open(g *loadgen.GroupSnapshot) bool {
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

// ended is how many connections the server has ended, of clients that keep theirs.
func ended(l *loadgen.Ledger) int64 {
	return l.Outcomes[sockstate.OutcomeFIN] + l.Outcomes[sockstate.OutcomeRSTReceived]
}

// whyShort says why a group's clients do not have a connection each.
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

// failedHere says what this host lacked if connects failed for that; it is empty if none did. Such a failure says nothing about the server.
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

// outcomeWords lists the outcomes of lifecycles.
func outcomeWords(l *loadgen.Ledger) string {
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
