package sockio

import (
	"testing"

	"lastack/sockstate/clock"
)

// crowd is connections to listeners from which loops accept. None of them is to be lost: accepted, but
// closed at once, because the file table had no free index.
type crowd struct {
	*rig
	n    Sock
	lost int
}

func newCrowd(t *testing.T, most int) *crowd {
	t.Helper()
	c := &crowd{rig: newRig(t, NewEpoll, most)}
	c.forget = true
	return c
}

// join opens so many connections to ln.
func (c *crowd) join(ln *Listener, count int) {
	c.t.Helper()
	connected := 0
	c.on = func(d *Completion) {
		switch {
		case d.Op == OpConnect && d.Errno == 0:
			connected++
			c.loop.Recv(d.Sock, 1)
		case d.Op == OpRecv: // nobody sends anything
			c.lost++
		default:
			c.t.Errorf("crowd: completed %v", words(*d))
		}
	}
	for range count {
		c.loop.Dial(c.n, &Dial{Remote: NewAddr(ln.Addr)})
		c.n++
	}
	until(c.t, func() bool { return connected == count }, c.rig)
}

// until drives a loop that accepts, until done, while no connection ends.
func (c *crowd) until(done func() bool, accepts *rig) {
	c.t.Helper()
	until(c.t, func() bool {
		if c.lost > 0 {
			c.t.Fatalf("%d connections ended, though nobody closed any", c.lost)
		}
		return done()
	}, accepts, c.rig)
}

// fills is a loop that accepts until it is full, then closes what it has and each that comes, until it
// has seen the whole crowd.
type fills struct {
	*rig
	accepted int
	full     bool // said so
	open     []Sock
	closes   bool
}

func newFills(t *testing.T, f newLoop, slots int) *fills {
	t.Helper()
	r := &fills{rig: newRig(t, f, slots)}
	r.forget = true
	r.on = func(c *Completion) {
		switch {
		case c.Op == OpAccept && c.Errno == 0:
			r.accepted++
			r.open = append(r.open, c.Sock)
			if r.closes {
				r.closeOpen()
			}
		case c.Op == OpAccept && c.Sock == -1:
			r.full = true
		case c.Op == OpClose && c.Errno == 0:
		default:
			t.Errorf("completed %v", words(*c))
		}
	}
	return r
}

func (r *fills) closeOpen() {
	for _, s := range r.open {
		r.loop.SetLinger(s, 0)
		r.loop.Close(s, false)
	}
	r.open = r.open[:0]
}

// acceptsAll has the loop be full, but for a slot that it may keep for each listener, and then accept the rest.
func (r *fills) acceptsAll(c *crowd) {
	r.t.Helper()
	c.until(func() bool { return r.full }, r.rig)
	r.closes = true
	r.closeOpen()
	until(r.t, func() bool { return r.accepted == int(c.n) && c.lost == int(c.n) }, r.rig, c.rig)
}

// Listeners that share the slots of one loop take no more connections than there are.
func testAcceptSeveralExhausted(t *testing.T, f newLoop) {
	const slots, first, more = 300, 150, 240
	r := newFills(t, f, slots)
	var listeners []*Listener
	for i := range 2 {
		ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: more})
		if err := r.loop.Accept(ln.FD, i); err != nil {
			t.Fatal(err)
		}
		listeners = append(listeners, ln)
	}
	r.wait(clock.Now())
	c := newCrowd(t, first+more)
	c.join(listeners[1], first)
	c.until(func() bool { return r.accepted == first }, r.rig)
	c.join(listeners[0], more)
	r.acceptsAll(c)
}
