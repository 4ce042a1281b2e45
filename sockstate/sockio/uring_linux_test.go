package sockio

import (
	"errors"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
)

func TestUring(t *testing.T) {
	needRing(t)
	t.Run("on time", func(t *testing.T) { testLoop(t, NewUring) })
	t.Run("gives way", func(t *testing.T) { testLoop(t, givesWay(NewUring)) })
	t.Run("several rings", func(t *testing.T) { testLoop(t, severalRings) })
}

func needRing(t testing.TB) {
	t.Helper()
	if err := ProbeRing(); err != nil {
		t.Skip(err)
	}
}

// severalRings makes loops whose rings have three places each.
func severalRings(c Config) (Loop, error) { return newUring(c, 3) }

// More completes at once than a ring has room for completions, or buffers for data.
func TestUringOverflow(t *testing.T) {
	needRing(t)
	const n = 4 * uringBuffers
	p := newPeer(t, loopbacks["IPv4"])
	r := newRig(t, NewUring, n)
	if room := completions(n); room >= n {
		t.Fatalf("%d completions have room for %d", room, n)
	}
	var peers []*net.TCPConn
	for s := range Sock(n) {
		r.dial(s, p.addr)
		peers = append(peers, p.accept())
		r.loop.Recv(s, 2)
	}
	r.quiet()
	for _, c := range peers {
		write(t, c, "four")
	}
	read := make([]int, n)
	until(t, func() bool {
		for _, c := range r.got {
			if c.Op != OpRecv || c.Errno != 0 || c.N != 2 {
				t.Fatalf("completed %v; want a recv of 2", words(c))
			}
			if read[c.Sock] += c.N; read[c.Sock] < 4 {
				r.loop.Recv(c.Sock, 2)
			}
		}
		r.got = nil
		for _, got := range read {
			if got < 4 {
				return false
			}
		}
		return true
	}, r)
	for s := range Sock(n) {
		r.loop.Close(s, false)
	}
	for range n {
		if c := r.next(); c.Op != OpClose || c.Errno != 0 {
			t.Fatalf("completed %v; want close", words(c))
		}
	}
}

// Multishot accept does not take more connections than there are places, whatever the
// backlog: nobody would know of them.
func TestUringAcceptsNoMoreThanFit(t *testing.T) {
	needRing(t)
	for _, slots := range []int{1, 5, 300, 700} {
		ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: 1000})
		r := newRig(t, NewUring, slots)
		client := newRig(t, NewUring, 1000)
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
				r.loop.SetTimer(c.Sock, Now())
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
		// Each was reset by its close, none by the kernel for want of a place.
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

// A recv that has read when it is cancelled keeps what it read for the next one.
func TestUringKeepsCancelledData(t *testing.T) {
	needRing(t)
	r, peer := pair(t, NewUring)
	other := newPeer(t, loopbacks["IPv4"])
	r.dial(1, other.addr)
	second := other.accept()
	// Both complete in one batch, and whichever comes first cancels the other.
	for range 20 {
		r.loop.Recv(0, 8)
		r.loop.Recv(1, 8)
		r.quiet()
		write(t, peer, "first")
		write(t, second, "second")
		waitFor(t, "data", func() bool { return unreadOf(t, r, 0) && unreadOf(t, r, 1) })
		cancelled := Sock(-1)
		r.on = func(c *Completion) {
			if cancelled < 0 {
				cancelled = 1 - c.Sock
				r.loop.Cancel(cancelled)
			}
		}
		first := r.next()
		r.on = nil
		r.quiet()
		want := map[Sock]string{0: "first", 1: "second"}
		if got := string(first.Data); got != want[first.Sock] {
			t.Fatalf("read %q on socket %d", got, first.Sock)
		}
		if got := string(r.recv(cancelled, len(want[cancelled]))); got != want[cancelled] {
			t.Fatalf("read %q on socket %d, after a cancel", got, cancelled)
		}
	}
}

// unreadOf reports whether data waits on s, read by nobody.
func unreadOf(t *testing.T, r *rig, s Sock) bool {
	t.Helper()
	var is bool
	err := r.loop.(*uring).withPlain(s, func(fd int) error {
		n, err := unix.IoctlGetInt(fd, unix.SIOCINQ)
		is = n > 0
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return is
}

// Without descriptors a loop cannot be made, and says so; one that is there goes on.
func TestUringWithoutDescriptors(t *testing.T) {
	needRing(t)
	p := newPeer(t, loopbacks["IPv4"])
	r := newRig(t, severalRings, 6)
	r.dial(0, p.addr)
	peer := p.accept()
	restore := noDescriptors(t)
	if _, err := NewUring(Config{Slots: 1, Handler: r}); !errors.Is(err, unix.EMFILE) {
		t.Errorf("error %v; want EMFILE", err)
	}
	// A slot of a ring that is not there yet, and cannot be.
	r.loop.Dial(3, &Dial{Remote: NewAddr(p.addr)})
	r.want(OpSocket, 3, unix.EMFILE)
	if err := r.loop.Info(0, new(sockstate.TCPInfo)); !errors.Is(err, unix.EMFILE) {
		t.Errorf("error %v; want EMFILE", err)
	}
	// Closing with SO_LINGER falls back on the ring.
	r.loop.SetLinger(0, 1)
	r.loop.Close(0, true)
	r.want(OpClose, 0, 0)
	restore()
	if n, err := peer.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("the peer read %d bytes; want EOF", n)
	}
	r.dial(3, p.addr)
	r.close(3)
}
