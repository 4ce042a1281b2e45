package sockio

import (
	"net"
	"net/netip"
	"testing"

	"lastack/sockstate/clock"
)

// Sockets on which there is always something to do do not keep new connections out.
func TestEpollAcceptsBesideBusySockets(t *testing.T) {
	r := newRig(t, NewEpoll, 10)
	r.forget = true
	ln, err := Listen(netip.MustParseAddrPort("127.0.0.1:0"), ListenConfig{Backlog: 10})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	accepted := 0
	r.on = func(c *Completion) {
		switch c.Op {
		case OpAccept:
			accepted++
			r.loop.Poll(c.Sock)
		case OpPoll: // nobody reads, so it completes at once
			r.loop.Poll(c.Sock)
		}
	}
	if err := r.loop.Accept(ln.FD, 0); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 5; n++ {
		c, err := net.Dial("tcp", ln.Addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		for waits := 0; accepted < n; waits++ {
			if waits == 100 {
				t.Fatalf("%d of %d connections were accepted in %d Waits", accepted, n, waits)
			}
			if err := r.loop.Wait(clock.Now() + int64(hung)); err != nil {
				t.Fatal(err)
			}
		}
	}
}
