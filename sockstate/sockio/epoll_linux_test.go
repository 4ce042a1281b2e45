package sockio

import (
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestEpoll(t *testing.T) {
	testLoops(t, way{"on time", NewEpoll, kernelTimers}, way{"gives way", givesWay(NewEpoll), nil})
}

// noDescriptors takes all descriptors from this process until the test ends, or the
// function that it returns is called.
func noDescriptors(t *testing.T) (restore func()) {
	t.Helper()
	free, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(free)
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	set := func(cur uint64) {
		if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: cur, Max: was.Max}, nil); err != nil {
			t.Error(err)
		}
	}
	restore = func() { set(was.Cur) }
	t.Cleanup(restore)
	set(uint64(free)) // the lowest that is not in use, so all below are
	return restore
}

func TestEpollWithoutDescriptors(t *testing.T) {
	t.Run("dial", func(t *testing.T) {
		p := newPeer(t, loopbacks["IPv4"])
		r := newRig(t, NewEpoll, 1)
		restore := noDescriptors(t)
		r.loop.Dial(0, &Dial{Remote: NewAddr(p.addr), First: []byte("x")})
		r.want(OpSocket, 0, unix.EMFILE)
		r.quiet()
		restore()
		r.dial(0, p.addr)
		r.close(0)
	})
	t.Run("accept", func(t *testing.T) {
		ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: 8})
		r := newRig(t, NewEpoll, 1)
		_ = dialPeer(t, ln.Addr)
		restore := noDescriptors(t)
		if err := r.loop.Accept(ln.FD, 4); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if c := r.want(OpAccept, -1, unix.EMFILE); c.N != 4 {
				t.Errorf("index %d; want 4", c.N)
			}
		}
		restore()
		c := r.next()
		for c.Op == OpAccept && c.Errno == unix.EMFILE {
			c = r.next()
		}
		if c.Op != OpAccept || c.Sock != 0 || c.Errno != 0 {
			t.Errorf("completed %v; want accept in slot 0", words(c))
		}
	})
	t.Run("loop", func(t *testing.T) {
		_ = noDescriptors(t)
		_, err := NewEpoll(Config{})
		var e *Error
		if !errors.As(err, &e) || e.Errno != unix.EMFILE || e.Call != "epoll_create1" {
			t.Errorf("error %v; want epoll_create1's EMFILE", err)
		}
	})
	t.Run("listener", func(t *testing.T) {
		_ = noDescriptors(t)
		_, err := Listen(netip.MustParseAddrPort("127.0.0.1:0"), ListenConfig{})
		var e *Error
		if !errors.As(err, &e) || e.Errno != unix.EMFILE || e.Call != "socket" {
			t.Errorf("error %v; want socket's EMFILE", err)
		}
	})
}

// A slot that becomes free ends the pause of a loop that had none, whenever that was to end.
func TestEpollAcceptsInFreedSlot(t *testing.T) {
	ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: 8})
	r := newRig(t, NewEpoll, 1)
	if err := r.loop.Accept(ln.FD, 0); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_ = dialPeer(t, ln.Addr)
	}
	r.want(OpAccept, 0, 0)
	r.want(OpAccept, -1, unix.EMFILE)
	r.loop.(*epoll).retryAt = Never
	r.close(0)
	r.want(OpAccept, 0, 0)
}

// A socket that epoll does not take (ENOSPC at fs.epoll.max_user_watches, ENOMEM)
// fails the operation that has to wait, and no other.
func TestEpollRefusesToWatch(t *testing.T) {
	r, peer := pair(t, NewEpoll)
	l := r.loop.(*epoll)
	epfd := l.epfd
	l.epfd = l.waker.fd // EINVAL: not an epoll descriptor
	for _, op := range []Op{OpRecv, OpPoll} {
		if op == OpRecv {
			l.Recv(0, 1)
		} else {
			l.Poll(0)
		}
		l.perform()
		r.want(op, 0, unix.EINVAL)
	}
	l.Send(0, make([]byte, 32<<20))
	l.perform()
	r.want(OpSend, 0, unix.EINVAL)
	l.epfd = epfd
	r.loop.Recv(0, 8)
	r.quiet()
	write(t, peer, "x")
	if c := r.want(OpRecv, 0, 0); string(c.Data) != "x" {
		t.Errorf("read %q", c.Data)
	}
}

// Closes that wait their turn behind those that block reset their connections when the
// loop is closed with abort.
func TestEpollCloseAllLingering(t *testing.T) {
	if testing.Short() {
		t.Skip("opens 257 connections that linger")
	}
	const n = maxLingerers + 1
	r, peers := stuffed(t, NewEpoll, n)
	for s := range Sock(n) {
		r.loop.SetLinger(s, int(hung/time.Second))
		r.loop.Close(s, true)
	}
	r.quiet() // all are under way
	r.closeAll(true)
	for _, c := range r.got {
		t.Errorf("completed %v", words(c))
	}
	reset(peers[0]) // one lingerer is free again
	if _, err := io.Copy(io.Discard, peers[n-1]); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("the peer of the last close read with error %v; want ECONNRESET", err)
	}
}

func TestListen(t *testing.T) {
	first := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: 1, ReusePort: true})
	second, err := Listen(first.Addr, ListenConfig{Backlog: 1, ReusePort: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	tests := map[string]struct {
		addr  netip.AddrPort
		call  string
		errno Errno
	}{
		"taken":            {first.Addr, "bind", unix.EADDRINUSE},
		"not of this host": {foreign(loopbacks["IPv4"]), "bind", unix.EADDRNOTAVAIL},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Listen(test.addr, ListenConfig{Backlog: 1})
			var e *Error
			if !errors.As(err, &e) || e.Call != test.call || e.On != test.addr.String() || e.Errno != test.errno {
				t.Errorf("error %v; want %s %v: %v", err, test.call, test.addr, test.errno)
			}
		})
	}
	t.Run("both families", func(t *testing.T) {
		ln := listen(t, netip.IPv6Unspecified(), ListenConfig{Backlog: 8})
		for _, ip := range loopbacks {
			_ = dialPeer(t, netip.AddrPortFrom(ip, ln.Addr.Port()))
		}
		drain(t, ln)
	})
	if err := (&Listener{FD: -1}).Close(); !errors.Is(err, unix.EBADF) {
		t.Errorf("closing no descriptor: %v; want EBADF", err)
	}
}
