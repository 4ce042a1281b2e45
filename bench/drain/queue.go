package drain

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

// queue holds the clients' addresses of the connections that nobody has accepted.
type queue map[netip.AddrPort]bool

const (
	// haltAtMost is how long a server may take to act on SIGSTOP, on a machine that is busy.
	haltAtMost = time.Second
	// fillAtMost is less than a second, after which a SYN that found the queue full comes again.
	fillAtMost = 900 * time.Millisecond
	// queueAtMost bounds the wait until the queue is as long as the listeners say.
	queueAtMost = time.Second
)

// fill halts the server and has the queued group connect.
func (t *try) fill(ctx context.Context) error {
	if err := t.server.halt(); err != nil {
		return err
	}
	// A server that has not acted on it yet would accept first, and only then see the signal.
	switch halted, err := tick(ctx, haltAtMost, t.server.proc.Halted); {
	case err != nil || ctx.Err() != nil:
		return errors.Join(err, t.server.goOn())
	case !halted:
		t.warn("queued: the server was not halted (SIGSTOP) after %v: it may have accepted some", haltAtMost)
	}
	want := int64(t.Load.Queued)
	queued := len(t.groups) - 1
	t.load.Begin(queued)
	full, err := tick(ctx, fillAtMost, func() (bool, error) {
		return t.load.Snapshot().Groups[queued].Established >= want, nil
	})
	if err != nil || ctx.Err() != nil {
		return errors.Join(err, t.server.goOn())
	}
	if settled, err := tick(ctx, queueAtMost, t.readQueue); err != nil {
		return err
	} else if !settled && ctx.Err() == nil {
		t.warn("queued: connections went on coming and going while the server was halted, so that some may be of another listener's queue")
	}
	if full {
		return nil
	}
	g := &t.load.Snapshot().Groups[queued]
	if why := failedHere(&g.Ledger); why != "" {
		t.warn("queued: %d of %d connections are open: %s", g.Established, want, why)
	} else {
		t.warn("queued: %d of %d connections found room: the accept queue was full (the server's backlog, net.core.somaxconn)", g.Established, want)
	}
	return nil
}

// readQueue lists what is in the queue, and reports whether the listeners count as many. A client is connected a little before the
// server's end is in the queue, and for a short time another listener of the port has a queue too.
func (t *try) readQueue() (settled bool, err error) {
	if t.queue, err = t.server.queue(); err != nil {
		return false, err
	}
	n, err := t.server.queueLength()
	return n == len(t.queue), err
}
