package sockio

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"lastack/sockstate/sockio/ring"
)

// An option is set behind a link, maybe long after its dial was queued: the kernel reads a copy that the
// loop keeps, one for all that are equal.
func TestUringOwnsOptions(t *testing.T) {
	needRing(t)
	const n = 20
	p := newPeer(t, loopbacks["IPv4"])
	r := newRig(t, openUring, n)
	l := r.loop.(*uring)
	had := len(l.opts)
	for range 3 {
		for s := range Sock(n) {
			r.loop.Dial(s, &Dial{Remote: NewAddr(p.addr), Opts: []Opt{NewBindNoPort(), newOpt(unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)}})
		}
		own := make(map[unsafe.Pointer]bool)
		for _, o := range l.opts {
			own[unsafe.Pointer(&o.val)] = true
		}
		set := 0
		for _, e := range l.rings[0].Queued() {
			if e.Op != ring.OpURingCmd {
				continue
			}
			set++
			found := false
			for p := range own {
				found = found || uint64(uintptr(p)) == e.Addr3
			}
			if !found {
				t.Fatal("an option points to memory of the caller's")
			}
		}
		if set != 2*n {
			t.Errorf("%d options queued; want %d", set, 2*n)
		}
		for range n {
			if c := r.next(); c.Op != OpConnect || c.Errno != 0 {
				t.Fatalf("completed %v; want connect", words(c))
			}
			reset(p.accept())
		}
		closeMany(t, r, n)
	}
	if added := len(l.opts) - had; added != 2 {
		t.Errorf("%d options kept; want 2", added)
	}
}
