package sockio

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/sockio/ring"
)

func TestUring(t *testing.T) {
	needRing(t)
	testLoops(t,
		way{"on time", openUring, kernelTimers},
		way{"gives way, unfiltered", givesWay(unfiltered(openUring)), nil},
		way{"several rings", severalRings, kernelTimers},
	)
}

func needRing(t testing.TB) {
	t.Helper()
	if err := ProbeRing(); err != nil {
		t.Skip(err)
	}
}

// severalRings makes loops whose file tables have three entries each, or as many as make it mostRings: they all are charged
// against RLIMIT_MEMLOCK, whose default is 8 MiB.
func severalRings(c Config) (Loop, error) {
	const mostRings = 40
	return newUring(c, max(3, (c.Slots+mostRings-1)/mostRings))
}

// A recv that has read when it is cancelled keeps what it read for the next one.
func TestUringKeepsCancelledData(t *testing.T) {
	needRing(t)
	r, peer := pair(t, openUring)
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

// A recv that fails once it has taken a buffer, as one does that a kernel thread waited with, has no data.
func TestUringFailedRecvWithBuffer(t *testing.T) {
	needRing(t)
	r, _ := pair(t, openUring)
	l := r.loop.(*uring)
	var got *Completion
	r.on = func(c *Completion) {
		copied := *c
		got = &copied
	}
	l.received(l.rings[0], &l.socks[0], 0, unix.ECONNREFUSED, &ring.CQE{Res: -int32(unix.ECONNREFUSED), Flags: ring.CQEBuffer})
	r.on = nil
	if got == nil || got.Op != OpRecv || got.Errno != unix.ECONNREFUSED || got.N != 0 || got.Data != nil {
		t.Errorf("completed as %+v, want the error alone", got)
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
	if _, err := openUring(Config{Slots: 1, Handler: r}); !errors.Is(err, unix.EMFILE) {
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
