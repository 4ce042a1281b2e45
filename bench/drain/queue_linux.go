package drain

import (
	"context"
	"errors"
	"time"
)

const (
	// haltAtMost is how long a server may take to act on SIGSTOP, on a busy machine.
	haltAtMost = time.Second
	// fillAtMost is less than a second: after that a client resends a SYN that found the queue full.
	fillAtMost = 900 * time.Millisecond
	// queueAtMost bounds the wait for the queue to agree with the listeners' count.
	queueAtMost = time.Second
)

// fill halts the server while the queued group connects.
func (t *try) fill(ctx context.Context) error {
	if err := t.server.halt(); err != nil {
		return err
	}
	// A server that has not acted on SIGSTOP yet would first accept some.
	switch halted, err := tick(ctx, haltAtMost, t.server.proc.Halted); {
	case err != nil || ctx.Err() != nil:
		return errors.Join(err, t.server.goOn())
	case !halted:
		t.seen.warnings.add("queued: the server was not halted (SIGSTOP) after %v: it may have accepted some", haltAtMost)
	}
	want := int64(t.Load.Queued)
	queued := len(t.seen.groups) - 1
	t.load.Begin(queued)
	full, err := tick(ctx, fillAtMost, func() (bool, error) {
		return t.snapshot().Groups[queued].Established >= want, nil
	})
	if err != nil || ctx.Err() != nil {
		return errors.Join(err, t.server.goOn())
	}
	if settled, err := tick(ctx, queueAtMost, t.readQueue); err != nil {
		return err
	} else if !settled && ctx.Err() == nil {
		t.seen.warnings.add("queued: connections went on coming and going while the server was halted, so that some may be of another listener's queue")
	}
	if full {
		return nil
	}
	g := &t.snapshot().Groups[queued]
	if why := failedHere(&g.Ledger); why != "" {
		t.seen.warnings.add("queued: %d of %d connections are open: %s", g.Established, want, why)
	} else {
		t.seen.warnings.add("queued: %d of %d connections found room: the accept queue was full (the server's backlog, net.core.somaxconn)", g.Established, want)
	}
	return nil
}

// readQueue lists the connections in the queue, and reports whether the listeners count as many. A client is connected a little before the
// server's end is in the queue, and another listener of the port may have a queue for a short time.
func (t *try) readQueue() (settled bool, err error) {
	if t.seen.queue, err = t.server.queue(); err != nil {
		return false, err
	}
	n, err := t.server.queueLength()
	return n == len(t.seen.queue), err
}
