package drain

import (
	"context"
	"fmt"
	"time"

	"lastack/bench/process"
	"lastack/sockstate/clock"
)

// successor is the server that takes the old one's place.
type successor struct {
	proc *process.Process
	// started is when its command was, listening when it listened on the target, 0 before.
	started, listening int64
	// others listen on the target too: the old server, at a handover.
	others []process.Listener
	astray wrongPlace
	// failed is why it will never listen there.
	failed error
}

// startNext starts the server that takes the old one's place.
func (t *try) startNext() (err error) {
	spec := process.Spec{Args: t.Stop.Restart, Contain: t.Stop.Contain}
	switch p := t.server.own(); {
	case p != nil:
		spec.Beside = p // so that both see each other's numbers, as on a host
	case spec.Contain == "" || spec.Contain == process.Auto:
		spec.Contain = process.Group // it may signal a server that is outside, by its number
	}
	n := &successor{started: clock.Now()}
	if n.proc, err = process.Start(spec); err == nil {
		t.next = n
	}
	return err
}

// handOver starts the server that shares the port.
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
	t.next.listening = clock.Now()
	return nil
}

// awaited reports whether it may still come to listen.
func (n *successor) awaited() bool { return n != nil && n.listening == 0 && n.failed == nil }

// look reads whether it listens by now, or never will.
func (n *successor) look(now int64, s *server, command []string) error {
	own, err := s.listenersOf(n.proc, s.addr, n.others)
	switch {
	case err != nil:
		return err
	case len(own) > 0:
		n.listening = now
		return nil
	case n.failed != nil:
		return nil
	}
	fail := func(why string) { n.failed = &StartError{Command: command, Why: why, Said: n.proc.Said()} }
	select {
	case <-n.proc.Gone():
		fail(fmt.Sprintf("the restart ended (%s), and nobody listens on %v", exitWords(n.proc.Exit()), s.addr))
	default:
		if why, hopeless := n.astray.look(s, n.proc); hopeless {
			fail(why)
		}
	}
	return nil
}

// why says why it did not come to listen, empty if it did.
func (n *successor) why(s *server) string {
	switch {
	case n == nil:
		return "it was not started, as the old server did not end"
	case n.listening != 0:
		return ""
	case n.failed != nil:
		return n.failed.Error()
	}
	if ports := s.elsewhere(n.proc); ports != "" {
		return fmt.Sprintf("it listens on %s, and not on the target %v", ports, s.addr)
	}
	return fmt.Sprintf("it did not listen on %v while clients were watched", s.addr)
}

func (s *Stop) startWithin() time.Duration {
	if s.StartTimeout != 0 {
		return s.StartTimeout
	}
	return startAtMost
}
