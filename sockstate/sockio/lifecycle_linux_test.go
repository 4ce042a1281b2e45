package sockio

import (
	"testing"

	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
)

// lifecycles is a client and a server loop on one thread: each connection is dialled,
// carries a byte there and one back, and is reset, which leaves no TIME_WAIT.
type lifecycles struct {
	client, server *rig
	dial           Dial
	reply          []byte
	slots          int
	gone           int
	todo           int
}

func newLifecycles(t testing.TB, f newLoop, slots int) *lifecycles {
	t.Helper()
	ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: slots})
	c := &lifecycles{
		dial:  Dial{Remote: NewAddr(ln.Addr), First: []byte("x")},
		reply: []byte("y"),
		slots: slots,
	}
	c.server, c.client = newRig(t, f, 2*slots), newRig(t, f, slots)
	c.server.on, c.client.on = c.serve, c.ask
	c.server.forget, c.client.forget = true, true
	if err := c.server.loop.Accept(ln.FD, 0); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *lifecycles) serve(d *Completion) {
	l := c.server.loop
	switch {
	case d.Op == OpAccept && d.Errno == 0, d.Op == OpSend && d.Errno == 0:
		l.Recv(d.Sock, 64<<10)
	case d.Op == OpRecv && d.Errno == 0 && d.N == 1:
		l.Send(d.Sock, c.reply)
	case d.Op == OpRecv && d.Errno == unix.ECONNRESET:
		l.Close(d.Sock, false)
	case d.Op == OpClose && d.Errno == 0:
	default:
		c.server.t.Errorf("server: completed %v", words(*d))
	}
}

func (c *lifecycles) ask(d *Completion) {
	l := c.client.loop
	switch {
	case d.Errno != 0:
		c.client.t.Errorf("client: completed %v", words(*d))
	case d.Op == OpConnect:
		l.SetTimer(d.Sock, d.At+int64(hung))
	case d.Op == OpSend:
		l.Recv(d.Sock, 64<<10)
	case d.Op == OpRecv:
		l.StopTimer(d.Sock)
		l.SetLinger(d.Sock, 0)
		l.Close(d.Sock, false)
	case d.Op == OpClose:
		if c.gone++; c.todo > 0 {
			c.todo--
			l.Dial(d.Sock, &c.dial)
		}
	}
}

// run makes n lifecycles, as many at once as there are slots.
func (c *lifecycles) run(n int) {
	c.gone, c.todo = 0, n
	for s := range Sock(min(c.slots, n)) {
		c.todo--
		c.client.loop.Dial(s, &c.dial)
	}
	for end := clock.Now() + 4*int64(hung); c.gone < n; {
		if clock.Now() > end || c.client.t.Failed() {
			c.client.t.Fatalf("%d of %d lifecycles", c.gone, n)
		}
		c.client.wait(0)
		c.server.wait(0)
	}
}

func testAllocations(t *testing.T, f newLoop) {
	const each = 1000
	c := newLifecycles(t, f, 16)
	c.run(4 * each) // the queue and the runtime's own grow once
	if n := testing.AllocsPerRun(5, func() { c.run(each) }); n > 0 {
		t.Errorf("%v allocations in %d lifecycles; want none", n, each)
	}
}

func BenchmarkLifecycle(b *testing.B) {
	for name, f := range map[string]newLoop{"epoll": NewEpoll, "uring": openUring} {
		b.Run(name, func(b *testing.B) {
			if name == "uring" {
				needRing(b)
			}
			c := newLifecycles(b, f, 16)
			c.run(1000)
			b.ReportAllocs()
			b.ResetTimer()
			c.run(b.N)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lifecycles/s")
		})
	}
}
