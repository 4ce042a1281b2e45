package sockio

import (
	"testing"

	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
	"lastack/sockstate/sockio/ring"
)

// Multishot accept does not take more connections than the file table has free indexes, whatever the
// backlog: nobody would know of them.
func TestUringAcceptsNoMoreThanFit(t *testing.T) {
	needRing(t)
	for _, slots := range []int{1, 5, 300, 700} {
		ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: 1000})
		r := newRig(t, openUring, slots)
		client := newRig(t, openUring, 1000)
		for s := range Sock(1000) {
			client.loop.Dial(s, &Dial{Remote: NewAddr(ln.Addr)})
		}
		until(t, func() bool { return len(client.got) == 1000 }, client)
		client.got = nil
		accepted := 0
		r.on = func(c *Completion) {
			switch {
			case c.Op == OpAccept && c.Errno == 0:
				accepted++
				r.loop.SetLinger(c.Sock, 0)
				r.loop.SetTimer(c.Sock, clock.Now())
			case c.Op == OpTimeout:
				r.loop.Close(c.Sock, false)
			case c.Op == OpClose && c.Errno == 0, c.Op == OpAccept && c.Errno == unix.EMFILE:
			default:
				t.Errorf("completed %v", words(*c))
			}
		}
		if err := r.loop.Accept(ln.FD, 0); err != nil {
			t.Fatal(err)
		}
		until(t, func() bool { return accepted == 1000 }, r)
		// Each was reset by its close, none by the kernel for want of a free index.
		reset := 0
		for s := range Sock(1000) {
			client.loop.Recv(s, 1)
		}
		until(t, func() bool {
			for _, c := range client.got {
				if c.Op != OpRecv || c.Errno != unix.ECONNRESET {
					t.Fatalf("completed %v; want a reset", words(c))
				}
				reset++
			}
			client.got = nil
			return reset == 1000
		}, r, client)
	}
}

// Nor when its cancel comes behind a queue of several batches: each of them would accept more.
func TestUringCancelsAcceptFirst(t *testing.T) {
	needRing(t)
	const slots, first, more = 300, 120, 250
	ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: first + more})
	r := newFills(t, openUring, slots)
	count := r.on
	r.on = func(c *Completion) {
		if count(c); c.Op == OpAccept && c.Errno == 0 && !r.closes {
			for range 4 {
				r.loop.SetLinger(c.Sock, 0)
			}
		}
	}
	if err := r.loop.Accept(ln.FD, 0); err != nil {
		t.Fatal(err)
	}
	r.wait(clock.Now())
	c := newCrowd(t, first+more)
	c.join(ln, first)
	c.until(func() bool { return r.accepted == first }, r.rig)
	c.join(ln, more)
	c.until(func() bool { return r.accepted == slots }, r.rig)
	r.acceptsAll(c)
}

// What ends accepting has been submitted when StopAccept returns, whatever else waits.
func TestUringStopsAcceptAtOnce(t *testing.T) {
	needRing(t)
	ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: 8})
	for _, slots := range []int{2, 300} { // accepts one by one, and many
		r := newRig(t, openUring, slots)
		if err := r.loop.Accept(ln.FD, 0); err != nil {
			t.Fatal(err)
		}
		_ = dialPeer(t, ln.Addr)
		s := r.next().Sock
		r.wait(clock.Now())
		for range 3 * uringBatch {
			r.loop.SetLinger(s, 0)
		}
		r.loop.StopAccept()
		for _, e := range r.loop.(*uring).rings[0].Queued() {
			if e.Op == ring.OpAsyncCancel {
				t.Errorf("%d slots: the cancel is still queued", slots)
			}
		}
		r.close(s)
	}
}
