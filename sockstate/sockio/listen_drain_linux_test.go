package sockio

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A listener that drops SYNs can be closed, when its queue is empty, without anybody being reset.
func TestDropSYNs(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		ln, err := Listen(netip.MustParseAddrPort(addr), ListenConfig{Backlog: 16})
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		length := func(want int) {
			t.Helper()
			if n, err := ln.QueueLength(); n != want || err != nil {
				t.Errorf("%s: %d in the queue, %v; want %d", addr, n, err, want)
			}
		}
		for i := range 3 {
			length(i)
			c, err := net.Dial("tcp", ln.Addr.String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
		}
		if err := ln.DropSYNs(); err != nil {
			t.Fatal(err)
		}
		if err := AwaitDelivery(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			t.Error(err)
		}
		c, err := net.DialTimeout("tcp", ln.Addr.String(), 50*time.Millisecond)
		if ne, ok := err.(net.Error); !ok || !ne.Timeout() {
			t.Errorf("%s: a connection to a listener that drops SYNs: %v, %v; want a timeout", addr, c, err)
		}
		length(3)
		for range 3 {
			fd, _, err := unix.Accept4(ln.FD, 0)
			if err != nil {
				t.Fatal(err)
			}
			// It inherits the filter, which lets everything but a SYN pass.
			if _, err := unix.Write(fd, []byte("x")); err != nil {
				t.Error(err)
			}
			_ = unix.Close(fd)
		}
		length(0)
	}
}

func TestQueueLengthOfNothing(t *testing.T) {
	ln := &Listener{FD: -1, Addr: netip.MustParseAddrPort("127.0.0.1:9")}
	var e *Error
	if _, err := ln.QueueLength(); !errors.Is(err, unix.EBADF) || !errors.As(err, &e) || e.On != "127.0.0.1:9" {
		t.Errorf("QueueLength() = %v, want %v of 127.0.0.1:9", err, unix.EBADF)
	}
	if err := ln.DropSYNs(); !errors.Is(err, unix.EBADF) {
		t.Errorf("DropSYNs() = %v, want %v", err, unix.EBADF)
	}
}
