package sockio

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/clock"
)

func testDial(t *testing.T, f newLoop) {
	for family, ip := range loopbacks {
		t.Run(family, func(t *testing.T) { testDialFamily(t, f, ip) })
	}
	t.Run("socket option", func(t *testing.T) { testDialOpts(t, f) })
	t.Run("full backlog", func(t *testing.T) { testDialPending(t, f) })
	t.Run("reset at once", func(t *testing.T) { testDialReset(t, f) })
	t.Run("slots again", func(t *testing.T) { testDialAgain(t, f) })
	t.Run("slots again, within a wait", func(t *testing.T) { testDialStale(t, f) })
	t.Run("closed by the handler", func(t *testing.T) { testDialHandlerCloses(t, f) })
	t.Run("closed before it began", func(t *testing.T) { testDialNotBegun(t, f) })
	t.Run("recv beside it", func(t *testing.T) { testDialBeside(t, f) })
	t.Run("first send that is dropped", func(t *testing.T) { testDialFirstDropped(t, f) })
	t.Run("shut down by the handler", func(t *testing.T) { testDialHandlerShutsDown(t, f) })
	t.Run("again after each failure", func(t *testing.T) { testDialFailsAgain(t, f) })
	t.Run("many at once", func(t *testing.T) { testDialMany(t, f) })
	t.Run("many at once, closed", func(t *testing.T) { testDialManyClosed(t, f) })
	t.Run("SYN", func(t *testing.T) { testDialSYN(t, f) })
}

func testDialFamily(t *testing.T, f newLoop, ip netip.Addr) {
	p := newPeer(t, ip)
	// A subtest has a goroutine of its own, and a loop belongs to one.
	newLoop := func(t *testing.T) (*rig, Loop) {
		r := newRig(t, f, 4)
		return r, r.loop
	}

	t.Run("connects", func(t *testing.T) {
		r, l := newLoop(t)
		before := clock.Now()
		l.Dial(0, &Dial{Remote: NewAddr(p.addr)})
		c := r.want(OpConnect, 0, 0)
		if c.Began < before || c.At < c.Began || c.At > clock.Now() {
			t.Errorf("began %d, at %d, between %d and %d", c.Began, c.At, before, clock.Now())
		}
		peer := p.accept()
		local, err := l.LocalAddr(0)
		if err != nil {
			t.Fatal(err)
		}
		if got := peer.RemoteAddr().String(); got != local.String() {
			t.Errorf("bound to %v, the peer sees %v", local, got)
		}
		if ti := r.info(0); ti.State != sockstate.Established || ti.SndMSS == 0 {
			t.Errorf("TCP_INFO: %+v", ti)
		}
		r.close(0)
	})

	t.Run("sends first", func(t *testing.T) {
		r, l := newLoop(t)
		l.Dial(1, &Dial{Remote: NewAddr(p.addr), First: []byte("hello")})
		r.want(OpConnect, 1, 0)
		if c := r.want(OpSend, 1, 0); c.N != 5 {
			t.Errorf("sent %d bytes", c.N)
		}
		if got := read(t, p.accept(), 5); got != "hello" {
			t.Errorf("the peer read %q", got)
		}
		r.close(1)
	})

	for name, first := range map[string][]byte{"refused": nil, "refused with something to send": []byte("x")} {
		t.Run(name, func(t *testing.T) {
			r, l := newLoop(t)
			l.Dial(2, &Dial{Remote: NewAddr(unused(t, ip)), First: first})
			if c := r.want(OpConnect, 2, unix.ECONNREFUSED); c.N != 1 {
				t.Error("N is 0, though a SYN was sent")
			}
			r.close(2)
		})
	}

	t.Run("local address", func(t *testing.T) {
		bound := unused(t, ip)
		tests := []struct {
			name  string
			local netip.AddrPort
			opts  []Opt
			op    Op
			errno Errno
		}{
			{"any port", netip.AddrPortFrom(ip, 0), nil, OpConnect, 0},
			{"any port, left to connect", netip.AddrPortFrom(ip, 0), []Opt{NewBindNoPort()}, OpConnect, 0},
			{"taken", bound, nil, OpBind, unix.EADDRINUSE},
			{"not of this host", foreign(ip), nil, OpBind, unix.EADDRNOTAVAIL},
			{"not of this host, left to connect", foreign(ip), []Opt{NewBindNoPort()}, OpBind, unix.EADDRNOTAVAIL},
		}
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				r, l := newLoop(t)
				l.Dial(3, &Dial{Remote: NewAddr(p.addr), Local: NewAddr(test.local), Opts: test.opts, First: []byte("x")})
				r.want(test.op, 3, test.errno)
				if test.errno == 0 {
					r.want(OpSend, 3, 0)
					local, err := l.LocalAddr(3)
					if err != nil {
						t.Fatal(err)
					}
					if local.Addr() != ip || local.Port() == 0 {
						t.Errorf("bound to %v", local)
					}
					_ = p.accept()
				}
				r.close(3)
			})
		}
	})

	t.Run("port range", func(t *testing.T) { testPortRange(t, newRig(t, f, 4), p, ip) })

	t.Run("no address left", func(t *testing.T) {
		r, l := newLoop(t)
		// The one port that connect may choose leads to this peer already.
		local := netip.AddrPortFrom(ip, 0)
		l.Dial(0, &Dial{Remote: NewAddr(p.addr), Local: NewAddr(local)})
		r.want(OpConnect, 0, 0)
		at, err := l.LocalAddr(0)
		if err != nil {
			t.Fatal(err)
		}
		l.Dial(1, &Dial{
			Remote: NewAddr(p.addr),
			Local:  NewAddr(local),
			Opts:   []Opt{NewBindNoPort(), NewPortRange(sockstate.PortRange{Lo: at.Port(), Hi: at.Port()})},
		})
		if c := r.next(); c.Op == OpSetsockopt && c.Errno == unix.ENOPROTOOPT {
			t.Skip("IP_LOCAL_PORT_RANGE: ENOPROTOOPT, which means a kernel before 6.3")
		} else if c.Op != OpConnect || c.Errno != unix.EADDRNOTAVAIL || c.N != 0 {
			t.Errorf("completed %v; want connect, EADDRNOTAVAIL, N 0", words(c))
		}
		_ = p.accept()
		r.close(0)
		r.close(1)
	})
}

// foreign is an address of the documentation's, which no host has.
func foreign(ip netip.Addr) netip.AddrPort {
	if ip.Is4() {
		return netip.MustParseAddrPort("192.0.2.1:0")
	}
	return netip.MustParseAddrPort("[2001:db8::1]:0")
}

func testPortRange(t *testing.T, r *rig, p *peer, ip netip.Addr) {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		t.Fatal(err)
	}
	var lo, hi uint16
	if _, err := fmt.Sscan(string(b), &lo, &hi); err != nil {
		t.Fatal(err)
	}
	lo += (hi - lo) / 2
	hi = lo + 3
	for s := range Sock(2) {
		r.loop.Dial(s, &Dial{
			Remote: NewAddr(p.addr),
			Local:  NewAddr(netip.AddrPortFrom(ip, 0)),
			Opts:   []Opt{NewBindNoPort(), NewPortRange(sockstate.PortRange{Lo: lo, Hi: hi})},
		})
		if c := r.next(); c.Op == OpSetsockopt && c.Errno == unix.ENOPROTOOPT {
			r.close(s)
			t.Skip("IP_LOCAL_PORT_RANGE: ENOPROTOOPT, which means a kernel before 6.3")
		} else if c.Op != OpConnect || c.Errno != 0 {
			t.Fatalf("completed %v; want connect", words(c))
		}
		at, err := r.loop.LocalAddr(s)
		if err != nil {
			t.Fatal(err)
		}
		if at.Port() < lo || at.Port() > hi {
			t.Errorf("port %d is not from %d to %d", at.Port(), lo, hi)
		}
		reset(p.accept())
		r.close(s)
	}
}

func testDialOpts(t *testing.T, f newLoop) {
	p := newPeer(t, loopbacks["IPv4"])
	r := newRig(t, f, 1)
	r.loop.Dial(0, &Dial{
		Remote: NewAddr(p.addr),
		Opts:   []Opt{newOpt(unix.IPPROTO_TCP, unix.TCP_MAXSEG, 1<<20)},
		First:  []byte("x"),
	})
	r.want(OpSetsockopt, 0, unix.EINVAL)
	r.quiet()
	r.close(0)
}

// fill leaves no room in the accept queue of a listener with backlog 0, and returns a
// slot whose dial waits for some.
func fill(t *testing.T, r *rig, ln *Listener, first []byte) (pending Sock) {
	t.Helper()
	for s := range Sock(4) {
		r.loop.Dial(s, &Dial{Remote: NewAddr(ln.Addr), First: first})
	}
	for range 3 {
		r.wait(clock.Now() + 5e6)
	}
	if len(r.got) == 0 {
		t.Fatal("no dial connected; the queue should have room for one")
	}
	for _, c := range r.got {
		if c.Errno != 0 || c.Sock == 3 {
			t.Fatalf("completed %v; the queue should have been full", words(c))
		}
	}
	r.got = nil
	if got := r.info(3).State; got != sockstate.SynSent {
		t.Fatalf("the last dial is in %v; want SYN_SENT", got)
	}
	return 3
}

func testDialPending(t *testing.T, f newLoop) {
	for name, first := range map[string][]byte{"nothing to send": nil, "something to send": []byte("x")} {
		t.Run(name, func(t *testing.T) {
			ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: 0})
			r := newRig(t, f, 4)
			s := fill(t, r, ln, first)
			r.loop.Cancel(s)
			r.quiet()
			r.close(s)
			// The slot is as good as new.
			p := newPeer(t, loopbacks["IPv4"])
			r.dial(s, p.addr)
			peer := p.accept()
			write(t, peer, "y")
			if got := r.recv(s, 1); string(got) != "y" {
				t.Errorf("read %q", got)
			}
			r.loop.Send(s, []byte("z"))
			r.want(OpSend, s, 0)
			if got := read(t, peer, 1); got != "z" {
				t.Errorf("the peer read %q", got)
			}
		})
	}
}

// drain empties a listener's accept queue by RST, and returns how many connections were in it.
func drain(t *testing.T, ln *Listener) (n int) {
	t.Helper()
	abort := newLinger(0)
	for ; ; n++ {
		fd, _, err := unix.Accept4(ln.FD, unix.SOCK_CLOEXEC)
		if err == unix.EAGAIN {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		_ = setsockopt(int32(fd), &abort) // fails where the client has closed
		_ = unix.Close(fd)
	}
}

// A dial that had to wait completes as one that had not, when there is room for it.
func testDialLate(t *testing.T, f newLoop) {
	for name, first := range map[string][]byte{"nothing to send": nil, "something to send": []byte("x")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: 0})
			r := newRig(t, f, 4)
			s := fill(t, r, ln, first)
			for s := range s {
				r.loop.Close(s, false)
				r.want(OpClose, s, 0)
			}
			drain(t, ln)
			// The SYN is sent again a second after the first.
			c := r.want(OpConnect, s, 0)
			if c.At-c.Began < 100e6 {
				t.Errorf("connected after %d ns, though the first SYN was dropped", c.At-c.Began)
			}
			if first != nil {
				if c := r.want(OpSend, s, 0); c.N != len(first) {
					t.Errorf("sent %d bytes", c.N)
				}
			}
			r.close(s)
		})
	}
}

// The server resets the connection before the client has looked.
func testDialReset(t *testing.T, f newLoop) {
	for _, test := range []struct {
		name  string
		first []byte
	}{{"then recv", nil}, {"then poll", nil}, {"then send", []byte("x")}} {
		t.Run(test.name, func(t *testing.T) {
			p := newPeer(t, loopbacks["IPv4"])
			r := newRig(t, f, 1)
			stop := make(chan struct{})
			go func() {
				defer close(stop)
				for {
					c, err := p.ln.AcceptTCP()
					if err != nil {
						return
					}
					reset(c)
				}
			}()
			for range 200 {
				r.loop.Dial(0, &Dial{Remote: NewAddr(p.addr), First: test.first})
				r.want(OpConnect, 0, 0)
				// A send may have been before the reset; what reads sees it.
				sent := Errno(0)
				if test.first != nil {
					c := r.next()
					sent = c.Errno
					if c.Op != OpSend || sent != 0 && sent != unix.ECONNRESET {
						t.Fatalf("completed %v; want send", words(c))
					}
				}
				if test.name == "then poll" {
					r.loop.Poll(0)
					if c := r.want(OpPoll, 0, 0); c.N != 0 {
						t.Errorf("poll's N is %d at a reset", c.N)
					}
				}
				if sent == 0 {
					r.loop.Recv(0, 1)
					r.want(OpRecv, 0, unix.ECONNRESET)
				}
				r.close(0)
			}
			_ = p.ln.Close()
			<-stop
		})
	}
}

// A slot's successive sockets are not mistaken for each other, even where events of
// the one before are still on their way.
func testDialAgain(t *testing.T, f newLoop) {
	p := newPeer(t, loopbacks["IPv4"])
	r := newRig(t, f, 2)
	for i := range 500 {
		r.dial(0, p.addr)
		peer := p.accept()
		r.loop.Recv(0, 1)
		r.wait(clock.Now())
		write(t, peer, "old")
		reset(peer)
		if i%2 == 0 {
			r.wait(clock.Now())
			r.got = nil // the byte or the reset, had the loop got that far
		}
		r.loop.Close(0, false)
		for r.next().Op != OpClose {
		}
		r.dial(0, p.addr)
		peer = p.accept()
		r.loop.Recv(0, 8)
		if i%16 == 0 {
			r.quiet()
		}
		write(t, peer, "new")
		if c := r.want(OpRecv, 0, 0); string(c.Data) != "new" {
			t.Fatalf("read %q", c.Data)
		}
		reset(peer)
		r.close(0)
	}
}

// Of two sockets that became readable together, the handler of the first closes the
// other and dials again in its slot: the new socket is not taken to be readable.
func testDialStale(t *testing.T, f newLoop) {
	p := newPeer(t, loopbacks["IPv4"])
	r := newRig(t, f, 2)
	for range 50 {
		peers := make([]net.Conn, 2)
		for s := range Sock(2) {
			r.dial(s, p.addr)
			peers[s] = p.accept()
			r.loop.Recv(s, 8)
		}
		r.wait(clock.Now())
		other := Sock(-1)
		r.on = func(c *Completion) {
			switch {
			case c.Op == OpRecv && other < 0:
				other = 1 - c.Sock
				r.loop.Close(other, false)
			case c.Op == OpClose && c.Sock == other:
				r.loop.Dial(other, &Dial{Remote: NewAddr(p.addr)})
			case c.Op == OpConnect:
				r.loop.Poll(other)
			}
		}
		for s := range peers {
			write(t, peers[s], "x")
			reset(peers[s].(*net.TCPConn))
		}
		first := r.next()
		r.want(OpClose, other, 0)
		r.want(OpConnect, other, 0)
		r.on = nil
		peer := p.accept()
		r.wait(clock.Now())
		if len(r.got) > 0 {
			t.Fatalf("completed %v: an event of the socket before", words(r.got[0]))
		}
		write(t, peer, "y")
		if c := r.want(OpPoll, other, 0); c.N != 1 {
			t.Fatalf("poll's N is %d: an event of the socket before", c.N)
		}
		reset(peer)
		r.close(first.Sock)
		r.close(other)
	}
}

// What the handler does with a connection before its first send has completed counts.
func testDialHandlerCloses(t *testing.T, f newLoop) {
	p := newPeer(t, loopbacks["IPv4"])
	r := newRig(t, f, 1)
	redials := 0
	r.on = func(c *Completion) {
		switch c.Op {
		case OpConnect:
			r.loop.Close(0, false)
		case OpClose:
			if redials++; redials < 50 {
				r.loop.Dial(0, &Dial{Remote: NewAddr(p.addr), First: []byte("x")})
			}
		}
	}
	r.loop.Dial(0, &Dial{Remote: NewAddr(p.addr), First: []byte("x")})
	for range 50 {
		r.want(OpConnect, 0, 0)
		r.want(OpClose, 0, 0)
		reset(p.accept())
	}
	r.quiet()
}

func testDialNotBegun(t *testing.T, f newLoop) {
	ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: 8})
	r := newRig(t, f, 1)
	r.loop.Dial(0, &Dial{Remote: NewAddr(ln.Addr)})
	r.loop.Close(0, false)
	r.want(OpClose, 0, unix.ECANCELED)
	r.quiet()
	if fd, _, err := unix.Accept4(ln.FD, unix.SOCK_CLOEXEC); err != unix.EAGAIN {
		_ = unix.Close(fd)
		t.Errorf("accept: %v; want EAGAIN, for nothing was to be sent", err)
	}
	r.dial(0, ln.Addr)
	r.close(0)
}
