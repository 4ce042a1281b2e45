package drain

import (
	"context"
	"errors"
	"time"
)

// fill halts the server and has the queued group connect.
func (t *try) fill(ctx context.Context) error {
	if err := t.target.halt(); err != nil {
		return err
	}
	// A server that has not acted on it yet would accept first, and only then see the signal.
	switch halted, err := tick(ctx, haltAtMost, t.target.proc.Halted); {
	case err != nil || ctx.Err() != nil:
		return errors.Join(err, t.target.goOn())
	case !halted:
		t.warn("queued: the server was not halted (SIGSTOP) after %v: it may have accepted some", haltAtMost)
	}
	want := int64(t.spec.Load.Queued)
	queued := len(t.kinds) - 1
	t.load.Begin(queued)
	full, err := tick(ctx, fillAtMost, func() (bool, error) {
		return t.load.Snapshot().Groups[queued].Established >= want, nil
	})
	if err != nil || ctx.Err() != nil {
		return errors.Join(err, t.target.goOn())
	}
	if settled, err := tick(ctx, queueAtMost, t.seeQueue); err != nil {
		return err
	} else if !settled && ctx.Err() == nil {
		t.warn("queued: connections went on coming and going while the server was halted, so that some may be of another listener's queue")
	}
	if l := &t.load.Snapshot().Groups[queued].Ledger; !full && failedHere(l) != "" {
		t.warn("queued: %d of %d connections are open: %s", t.load.Snapshot().Groups[queued].Established, want, failedHere(l))
	} else if !full {
		t.warn("queued: %d of %d connections found room: the accept queue was full (the server's backlog, net.core.somaxconn)", t.load.Snapshot().Groups[queued].Established, want)
	}
	return nil
}

// haltAtMost is how long a server may take to act on SIGSTOP, on a machine that is busy.
const haltAtMost = time.Second

// seeQueue lists what is in the queue, and reports whether the listeners count as many: a client is connected before the
// server's end is in the queue, by a hair, and another listener of the port has a queue too, if not for long.
func (t *try) seeQueue() (settled bool, err error) {
	if t.ev.queued, err = t.target.queue(); err != nil {
		return false, err
	}
	n, err := t.target.queueLength()
	return n == len(t.ev.queued), err
}

// queueAtMost bounds the wait for a queue that is as the listeners say.
const queueAtMost = time.Second

// fillAtMost is less than a second, after which a SYN that found the queue full comes again.
const fillAtMost = 900 * time.Millisecond
