package sockio

import (
	"fmt"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
)

// What a loop says of a dial is what the listener got: a SYN of each whose connect was called, and none of the others. On loopback a SYN
// is answered before connect returns. The dials are many
// more than one entry into the kernel performs, so whenever they are looked at, and closed, some are in each of their steps.
func testDialSYN(t *testing.T, f newLoop) {
	const n = 500
	local := NewAddr(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 2}), 0))
	for steps := range 5 {
		for waits := range 4 {
			t.Run(fmt.Sprintf("%d steps before connect, after %d waits", steps, waits), func(t *testing.T) {
				ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: n})
				r := newRig(t, f, n)
				r.wait(clock.Now())
				d := Dial{Remote: NewAddr(ln.Addr)}
				for range min(steps, 3) {
					d.Opts = append(d.Opts, NewBindNoPort())
				}
				if steps == 4 {
					d.Local = local
				}
				for s := range Sock(n) {
					r.loop.Dial(s, &d)
				}
				for range waits {
					r.wait(clock.Now())
				}
				syns := 0
				for _, c := range r.got {
					if c.Op != OpConnect || c.Errno != 0 {
						t.Fatalf("completed %v; want connect", words(c))
					}
					syns++
				}
				r.got = nil
				for s := range Sock(n) {
					if r.loop.ConnectSent(s) != 0 {
						syns++
					}
				}
				if got := drain(t, ln); got != syns {
					t.Errorf("the listener got %d SYNs, the loop says %d", got, syns)
				}
				for s := range Sock(n) {
					r.loop.Close(s, false)
				}
				none := 0
				for range n {
					switch c := r.next(); {
					case c.Op == OpClose && c.Errno == unix.ECANCELED:
						none++
					case c.Op != OpClose || c.Errno != 0:
						t.Fatalf("completed %v; want close", words(c))
					}
				}
				if more := drain(t, ln); more != 0 || n-none != syns {
					t.Errorf("%d SYNs and, behind the closes, %d; %d of %d closes say that there was none", syns, more, none, n)
				}
			})
		}
	}
	// Nothing of what is only queued goes out in the end.
	t.Run("at the end", func(t *testing.T) {
		ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: n})
		for _, opts := range [][]Opt{nil, {NewBindNoPort(), NewBindNoPort()}} {
			r := newRig(t, f, n)
			for s := range Sock(n) {
				r.loop.Dial(s, &Dial{Remote: NewAddr(ln.Addr), Opts: opts})
			}
			r.closeAll(true)
			if got := drain(t, ln); got != 0 {
				t.Errorf("the listener got %d SYNs", got)
			}
		}
	})
}
