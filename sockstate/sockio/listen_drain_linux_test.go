package sockio

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Who comes later is kept out, and who is in the queue can be accepted.
func TestListenerKeepsOut(t *testing.T) {
	for _, tc := range []struct {
		name    string
		stop    func(*Listener) error
		refuses bool
	}{
		{"RefuseSYNs", (*Listener).RefuseSYNs, true},
		{"DropSYNs", (*Listener).DropSYNs, false},
	} {
		for _, addr := range []string{"127.0.0.1:0", "[::1]:0", "[::]:0"} {
			t.Run(tc.name+" "+addr, func(t *testing.T) { keepsOut(t, addr, tc.stop, tc.refuses) })
		}
	}
}

func keepsOut(t *testing.T, addr string, stop func(*Listener) error, refuses bool) {
	ln, err := Listen(netip.MustParseAddrPort(addr), ListenConfig{Backlog: 16})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	length := func(want int) {
		t.Helper()
		if n, err := ln.QueueLength(); n != want || err != nil {
			t.Errorf("%d in the queue, %v; want %d", n, err, want)
		}
	}
	dialed := ln.Addr
	if dialed.Addr().IsUnspecified() {
		dialed = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), dialed.Port())
	}
	for i := range 3 {
		length(i)
		c, err := net.Dial("tcp", dialed.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	if err := stop(ln); errors.Is(err, unix.EPERM) && os.Geteuid() != 0 {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	if err := AwaitDelivery(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	c, err := net.DialTimeout("tcp", dialed.String(), 50*time.Millisecond)
	if ne, ok := err.(net.Error); !ok || errors.Is(err, unix.ECONNREFUSED) != refuses || ne.Timeout() == refuses {
		t.Errorf("who comes late: %v, %v; want refused %v, or else a timeout", c, err, refuses)
	}
	length(3)
	for range 3 {
		fd, _, err := unix.Accept4(ln.FD, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := unix.Write(fd, []byte("x")); err != nil {
			t.Error(err)
		}
		_ = unix.Close(fd)
	}
	length(0)
}

func TestQueueLengthOfNothing(t *testing.T) {
	ln := &Listener{FD: -1, Addr: netip.MustParseAddrPort("127.0.0.1:9")}
	var e *Error
	if _, err := ln.QueueLength(); !errors.Is(err, unix.EBADF) || !errors.As(err, &e) || e.On != "127.0.0.1:9" {
		t.Errorf("QueueLength() = %v, want %v of 127.0.0.1:9", err, unix.EBADF)
	}
	for _, err := range []error{ln.DropSYNs(), ln.RefuseSYNs()} {
		if !errors.Is(err, unix.EBADF) {
			t.Errorf("%v, want %v", err, unix.EBADF)
		}
	}
}
