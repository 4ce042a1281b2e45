package sockio

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
)

func testAccept(t *testing.T, f newLoop) {
	for family, ip := range loopbacks {
		t.Run(family, func(t *testing.T) { testAcceptFamily(t, f, ip) })
	}
	t.Run("slots exhausted", func(t *testing.T) { testAcceptExhausted(t, f) })
	t.Run("several listeners", func(t *testing.T) { testAcceptSeveral(t, f) })
	t.Run("shared listener", func(t *testing.T) { testAcceptShared(t, f) })
	t.Run("closed by the handler", func(t *testing.T) { testAcceptHandlerCloses(t, f) })
	t.Run("several listeners, slots exhausted", func(t *testing.T) { testAcceptSeveralExhausted(t, f) })
	t.Run("lingering close", func(t *testing.T) { testAcceptLingering(t, f) })
	t.Run("stop", func(t *testing.T) { testAcceptStop(t, f) })
	t.Run("stop and close", func(t *testing.T) { testAcceptStopClose(t, f) })
	t.Run("stopped by the handler", func(t *testing.T) { testAcceptHandlerStops(t, f) })
	t.Run("not a listener", func(t *testing.T) {
		r := newRig(t, f, 1)
		if err := r.loop.Accept(-1, 0); err == nil {
			r.wait(clock.Now() + 5e6) // a backend may find out later
			if len(r.got) == 0 || r.got[0].Op != OpAccept || r.got[0].Errno != unix.EBADF {
				t.Errorf("accepting from descriptor -1 neither failed nor completed with EBADF: %v", r.got)
			}
		} else if e := new(Error); !asError(err, &e) || e.Errno != unix.EBADF {
			t.Errorf("error %v; want EBADF", err)
		}
	})
}

func asError(err error, e **Error) bool {
	var ok bool
	*e, ok = err.(*Error)
	return ok
}

func testAcceptFamily(t *testing.T, f newLoop, ip netip.Addr) {
	const n, index = 5, 7
	ln := listen(t, ip, ListenConfig{Backlog: n})
	r := newRig(t, f, n)
	if err := r.loop.Accept(ln.FD, index); err != nil {
		t.Fatal(err)
	}
	// Twice, so that slots are given out again.
	for range 2 {
		peers := make(map[string]*net.TCPConn)
		for range n {
			c := dialPeer(t, ln.Addr)
			write(t, c, "hi")
			peers[c.LocalAddr().String()] = c
		}
		var slots []Sock
		for range n {
			c := r.next()
			if c.Op != OpAccept || c.Errno != 0 || c.N != index {
				t.Fatalf("completed %v; want accept with index %d", words(c), index)
			}
			slots = append(slots, c.Sock)
		}
		for _, s := range slots {
			if got := string(r.recv(s, 2)); got != "hi" {
				t.Errorf("read %q", got)
			}
			if at, err := r.loop.LocalAddr(s); err != nil || at != ln.Addr {
				t.Errorf("slot %d is bound to %v, error %v", s, at, err)
			}
			r.loop.Send(s, []byte("yo"))
			r.want(OpSend, s, 0)
		}
		slices.Sort(slots)
		for i, s := range slots {
			if s != Sock(i) {
				t.Fatalf("slots %v for %d connections", slots, n)
			}
		}
		for _, c := range peers {
			if got := read(t, c, 2); got != "yo" {
				t.Errorf("the peer read %q", got)
			}
			reset(c)
		}
		for _, s := range slots {
			r.close(s)
		}
	}
}

func testAcceptExhausted(t *testing.T, f newLoop) {
	ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: 8})
	r := newRig(t, f, 1)
	if err := r.loop.Accept(ln.FD, 3); err != nil {
		t.Fatal(err)
	}
	first := dialPeer(t, ln.Addr)
	r.want(OpAccept, 0, 0)
	second := dialPeer(t, ln.Addr)
	write(t, second, "2")
	if c := r.want(OpAccept, -1, unix.EMFILE); c.N != 3 {
		t.Errorf("index %d; want 3", c.N)
	}
	// The loop goes on for the connection it has, and fails again, not all the time.
	write(t, first, "1")
	r.loop.Recv(0, 1)
	for c := r.next(); c.Op != OpRecv; c = r.next() {
		if c.Op != OpAccept || c.Sock != -1 || c.Errno != unix.EMFILE {
			t.Fatalf("completed %v", words(c))
		}
	}
	r.loop.Close(0, false)
	seen := make(map[Op]bool)
	for !seen[OpClose] || !seen[OpAccept] {
		if c := r.next(); c.Sock == 0 {
			seen[c.Op] = true
		}
	}
	if got := string(r.recv(0, 1)); got != "2" {
		t.Errorf("read %q", got)
	}
}

func testAcceptSeveral(t *testing.T, f newLoop) {
	r := newRig(t, f, 4)
	var listeners []*Listener
	for i := range 3 {
		ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: 8})
		listeners = append(listeners, ln)
		if err := r.loop.Accept(ln.FD, 10+i); err != nil {
			t.Fatal(err)
		}
	}
	for _, i := range []int{2, 0, 1} {
		_ = dialPeer(t, listeners[i].Addr)
		if c := r.next(); c.Op != OpAccept || c.Errno != 0 || c.N != 10+i {
			t.Errorf("completed %v; want accept with index %d", words(c), 10+i)
		}
	}
}

// Two loops accept from one listener: each connection goes to one of them, and what
// one has no slots for goes to the other.
func testAcceptShared(t *testing.T, f newLoop) {
	const n = 40
	ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: n})
	accepted := 0
	count := func(c *Completion) {
		if c.Op == OpAccept && c.Errno == 0 {
			accepted++
		}
	}
	small, large := newRig(t, f, n/4), newRig(t, f, n)
	for i, r := range []*rig{small, large} {
		r.on = count
		if err := r.loop.Accept(ln.FD, i); err != nil {
			t.Fatal(err)
		}
	}
	for range n {
		_ = dialPeer(t, ln.Addr)
		small.wait(clock.Now())
	}
	until(t, func() bool { return accepted == n }, small, large)
	for i, r := range []*rig{small, large} {
		for _, c := range r.got {
			if c.Op != OpAccept || c.N != i || c.Errno != 0 && c.Errno != unix.EMFILE {
				t.Errorf("completed %v", words(c))
			}
		}
	}
}

// More connections than a batch, each closed as soon as it is there.
func testAcceptHandlerCloses(t *testing.T, f newLoop) {
	const n = 200
	ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: n})
	r := newRig(t, f, 2)
	for range n {
		_ = dialPeer(t, ln.Addr)
	}
	open, closed := 0, 0
	r.on = func(c *Completion) {
		switch {
		case c.Op == OpAccept && c.Errno == 0:
			open++
			r.loop.SetLinger(c.Sock, 0)
			r.loop.Close(c.Sock, false)
		case c.Op == OpClose && c.Errno == 0:
			closed++
		case c.Op == OpAccept && c.Errno == unix.EMFILE: // accepted faster than closed
		default:
			t.Errorf("completed %v", words(*c))
		}
	}
	if err := r.loop.Accept(ln.FD, 0); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return closed == n }, r)
	if open != n {
		t.Errorf("accepted %d of %d", open, n)
	}
}

func testAcceptStop(t *testing.T, f newLoop) {
	ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: 8})
	r := newRig(t, f, 4)
	if err := r.loop.Accept(ln.FD, 0); err != nil {
		t.Fatal(err)
	}
	peer := dialPeer(t, ln.Addr)
	s := r.next().Sock
	r.loop.StopAccept()
	r.wait(clock.Now())
	_ = dialPeer(t, ln.Addr) // connects: the listener stays open
	r.quiet()
	write(t, peer, "x")
	r.recv(s, 1)
	// And once more.
	if err := r.loop.Accept(ln.FD, 5); err != nil {
		t.Fatal(err)
	}
	if c := r.next(); c.Op != OpAccept || c.Errno != 0 || c.N != 5 {
		t.Errorf("completed %v; want accept with index 5", words(c))
	}
}

// A listener that is closed behind StopAccept is gone, however much was queued before.
func testAcceptStopClose(t *testing.T, f newLoop) {
	ln, err := Listen(netip.AddrPortFrom(loopbacks["IPv4"], 0), ListenConfig{Backlog: 8})
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, f, 4)
	if err := r.loop.Accept(ln.FD, 0); err != nil {
		t.Fatal(err)
	}
	_ = dialPeer(t, ln.Addr)
	s := r.next().Sock
	for range 300 {
		r.loop.SetLinger(s, 0)
	}
	r.loop.StopAccept()
	if err := ln.Close(); err != nil {
		t.Error(err)
	}
	c, err := net.Dial("tcp", ln.Addr.String())
	if err == nil {
		_ = c.Close()
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("connecting to a closed listener: %v; want ECONNREFUSED", err)
	}
	r.close(s)
}

func testAcceptHandlerStops(t *testing.T, f newLoop) {
	const n = 8
	ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: n})
	r := newRig(t, f, n)
	for range n {
		_ = dialPeer(t, ln.Addr)
	}
	r.on = func(*Completion) { r.loop.StopAccept() }
	if err := r.loop.Accept(ln.FD, 0); err != nil {
		t.Fatal(err)
	}
	if c := r.next(); c.Op != OpAccept || c.Errno != 0 {
		t.Fatalf("completed %v; want accept", words(c))
	}
	// A ring may have taken more before it was told; none comes after that.
	r.on = nil
	r.wait(clock.Now())
	r.got = nil
	_ = dialPeer(t, ln.Addr)
	r.quiet()
}
