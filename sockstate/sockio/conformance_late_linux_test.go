package sockio

import (
	"testing"

	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
)

// What arrived before a timer was due came in time, though the loop was kept from its work, and though it is much more than the loop
// learns of by one system call.
func testInTime(t *testing.T, f newLoop) {
	const n = 600
	ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: n})
	r := newRig(t, f, n)
	for s := range Sock(n) {
		r.loop.Dial(s, &Dial{Remote: NewAddr(ln.Addr)})
	}
	for range n {
		if c := r.next(); c.Op != OpConnect || c.Errno != 0 {
			t.Fatalf("completed %v; want connect", words(c))
		}
	}
	for s := range Sock(n) {
		r.loop.Recv(s, 1)
	}
	r.quiet()
	// Everything happens before the timers are due, and they are due before the loop looks.
	for range n {
		fd, _, err := unix.Accept4(ln.FD, unix.SOCK_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		if _, err := unix.Write(fd, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	due := clock.Now()
	for s := range Sock(n) {
		r.loop.SetTimer(s, due)
	}
	for clock.Now() < due+2*maxPollAge {
	}
	r.on = func(c *Completion) { r.loop.StopTimer(c.Sock) }
	for range n {
		if c := r.next(); c.Op != OpRecv || c.Errno != 0 {
			t.Fatalf("completed %v; want recv", words(c))
		}
	}
	closeMany(t, r, n)
}
