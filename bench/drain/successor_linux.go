package drain

import (
	"context"
	"fmt"

	"lastack/bench/process"
	"lastack/sockstate/clock"
)

// successor is the server that takes the old one's place.
type successor struct {
	proc *process.Process
	// others listen on the target too: the old server, at a handover.
	others []process.Listener
	astray wrongPlace
	// failed is why it will never listen there.
	failed error
}

// startNext starts the server that takes the old one's place.
func (t *try) startNext() error {
	spec := process.Spec{Args: t.Stop.Restart, Contain: t.Stop.Contain}
	switch p := t.server.own(); {
	case p != nil:
		spec.Beside = p // so that they see each other's numbers, as on a host
	case spec.Contain == "" || spec.Contain == process.Auto:
		spec.Contain = process.Group // it may signal, by its number, a server outside
	}
	started := clock.Now()
	p, err := process.Start(spec)
	if err == nil {
		t.next, t.seen.restarted = &successor{proc: p}, started
	}
	return err
}

// handOver starts the next server, which shares the port, before the signal.
func (t *try) handOver(ctx context.Context) error {
	t.say("starting the server that takes over")
	if err := t.server.ready(true); err != nil {
		return err
	}
	old := t.server.listeners
	if err := t.startNext(); err != nil {
		return err
	}
	if err := t.server.await(ctx, t.next.proc, old, t.Stop.Restart); err != nil {
		return err
	}
	t.server.listeners, t.next.others = old, old
	t.seen.listening = clock.Now()
	return nil
}

// awaited reports whether the next server may still come to listen.
func (t *try) awaited() bool { return t.next != nil && t.seen.listening == 0 && t.next.failed == nil }

// lookAtNext checks whether the next server listens by now, or never will.
func (t *try) lookAtNext(now int64) error {
	n, s := t.next, t.server
	if n == nil || t.seen.listening != 0 {
		return nil
	}
	own, err := s.listenersOf(n.proc, s.addr, n.others)
	switch {
	case err != nil:
		return err
	case len(own) > 0:
		t.seen.listening = now
		return nil
	case n.failed != nil:
		return nil
	}
	fail := func(why string) { n.failed = &startError{Command: t.Stop.Restart, Why: why, Said: n.proc.Said()} }
	if isClosed(n.proc.Gone()) {
		fail(fmt.Sprintf("the restart ended (%s), and nobody listens on %v", exitWords(n.proc.Exit()), s.addr))
	} else if why, hopeless := n.astray.look(s, n.proc); hopeless {
		fail(why)
	}
	return nil
}

// whyNotBack says why the next server did not listen; it is empty if it did.
func (t *try) whyNotBack() string {
	switch {
	case t.next == nil:
		return "it was not started, as the old server did not end"
	case t.seen.listening != 0:
		return ""
	case t.next.failed != nil:
		return t.next.failed.Error()
	}
	if ports := t.server.elsewhere(t.next.proc); ports != "" {
		return fmt.Sprintf("it listens on %s, and not on the target %v", ports, t.server.addr)
	}
	return fmt.Sprintf("it did not listen on %v while clients were watched", t.server.addr)
}
