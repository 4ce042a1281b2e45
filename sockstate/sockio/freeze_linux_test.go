package sockio

import (
	"fmt"
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
)

// What had come before a freeze can be read; what comes after it was never received, as the peer can tell from the FIN.
func TestFreeze(t *testing.T) {
	for _, tc := range []struct {
		name   string
		filter bool
	}{{"epoll", true}, {"epoll", false}, {"uring", true}, {"uring", false}} {
		t.Run(fmt.Sprintf("%s, filter %v", tc.name, tc.filter), func(t *testing.T) {
			b, _, err := Choose(tc.name)
			if err != nil {
				t.Skip(err)
			}
			r, peer := pair(t, b.New)
			say := func(p string) {
				t.Helper()
				if _, err := io.WriteString(peer, p); err != nil {
					t.Fatal(err)
				}
			}
			none := acked(t, peer)
			say("before")
			if err := r.loop.(Freezer).Freeze(0, tc.filter); err != nil {
				t.Fatal(err)
			}
			say("after")
			r.loop.Recv(0, 100)
			if c := r.want(OpRecv, 0, 0); string(c.Data) != "before" {
				t.Errorf("read %q, want what came before the freeze", c.Data)
			}
			r.loop.Recv(0, 100)
			for range 3 { // with a shutdown it ends, without data
				r.wait(clock.Now() + 1e6)
			}
			for _, c := range r.got {
				if c.Op != OpRecv || len(c.Data) > 0 {
					t.Errorf("completed %v, with %q", words(c), c.Data)
				}
			}
			r.got = nil
			r.close(0)
			if got, err := io.ReadAll(peer); err != nil || len(got) != 0 {
				t.Errorf("the peer read %q, error %v; want EOF", got, err)
			}
			if n := acked(t, peer) - none; n != uint64(len("before")) {
				t.Errorf("%d bytes were acknowledged, want those of before", n)
			}
		})
	}
}

func acked(t *testing.T, c net.Conn) (n uint64) {
	t.Helper()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			t.Error(err)
			return
		}
		n = info.Bytes_acked
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
