package sockio

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
)

// Dials that are queued together have each its own options and source address, and where a step of one
// fails it fails alone. Their chains are of different lengths, so that a batch may end in any step.
func testDialMany(t *testing.T, f newLoop) {
	const n = 130
	ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: n})
	bad := newOpt(unix.IPPROTO_TCP, unix.TCP_MAXSEG, 1<<20)
	for name, opts := range map[string]int{"socket, bind, connect": 0, "one option": 1, "two options": 2, "three options": 3} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, f, n)
			r.wait(clock.Now())
			var dials [n]Dial
			want := make(map[Sock]Completion, n)
			for s := range Sock(n) {
				d, w := &dials[s], Completion{Op: OpConnect, Sock: s}
				*d = Dial{
					Remote: NewAddr(ln.Addr),
					Local:  NewAddr(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 2 + byte(s%5)}), 0)),
				}
				for i := range opts {
					// Whoever asks finds it in TCP_INFO.
					d.Opts = append(d.Opts, newOpt(unix.IPPROTO_TCP, unix.TCP_MAXSEG, 1000+int(s)+opts-1-i))
				}
				switch {
				case s%4 == 2:
					d.Local = NewAddr(foreign(loopbacks["IPv4"]))
					w.Op, w.Errno = OpBind, unix.EADDRNOTAVAIL
				case opts > 0 && s%4 == 1:
					d.Opts[opts-1] = bad
					w.Op, w.Errno = OpSetsockopt, unix.EINVAL
				}
				want[s] = w
				r.loop.Dial(s, d)
			}
			for range n {
				c := r.next()
				if w, ok := want[c.Sock]; !ok || c.Op != w.Op || c.Errno != w.Errno {
					t.Fatalf("completed %v; want %v, once", words(c), words(w))
				}
				delete(want, c.Sock)
				if c.Op != OpConnect {
					continue
				}
				if at, err := r.loop.LocalAddr(c.Sock); err != nil || at.Addr() != netip.AddrFrom4([4]byte{127, 0, 0, 2 + byte(c.Sock%5)}) {
					t.Errorf("socket %d is bound to %v, error %v", c.Sock, at, err)
				}
				if mss := int(r.info(c.Sock).SndMSS); opts > 0 && (mss > 1000+int(c.Sock) || mss < 900) {
					t.Errorf("socket %d has an MSS of %d", c.Sock, mss)
				}
			}
			closeMany(t, r, n)
			drain(t, ln)
		})
	}
}

// closeMany resets the connections in slots 0 to n-1.
func closeMany(t *testing.T, r *rig, n int) {
	t.Helper()
	closed := make([]bool, n)
	for s := range Sock(n) {
		r.loop.SetLinger(s, 0)
		r.loop.Close(s, false)
	}
	for range n {
		c := r.next()
		if c.Op != OpClose || c.Errno != 0 || closed[c.Sock] {
			t.Fatalf("completed %v; want close, each once", words(c))
		}
		closed[c.Sock] = true
	}
}

// Closes that come while dials are half done complete, each once and last.
func testDialManyClosed(t *testing.T, f newLoop) {
	const n = 100
	ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: 2 * n})
	r := newRig(t, f, n)
	r.wait(clock.Now())
	for s := range Sock(n) {
		r.loop.Dial(s, &Dial{Remote: NewAddr(ln.Addr), Opts: []Opt{NewBindNoPort(), NewBindNoPort(), NewBindNoPort()}})
	}
	r.wait(clock.Now())
	for s := range Sock(n) {
		r.loop.Close(s, false)
	}
	closed := make(map[Sock]bool, n)
	for len(closed) < n {
		c := r.next()
		switch {
		case closed[c.Sock]:
			t.Fatalf("completed %v, behind its close", words(c))
		case c.Op == OpConnect && c.Errno == 0:
		case c.Op == OpClose && (c.Errno == 0 || c.Errno == unix.ECANCELED):
			closed[c.Sock] = true
		default:
			t.Fatalf("completed %v", words(c))
		}
	}
	// The slots are as good as new.
	for s := range Sock(n) {
		r.loop.Dial(s, &Dial{Remote: NewAddr(ln.Addr)})
	}
	for range n {
		if c := r.next(); c.Op != OpConnect || c.Errno != 0 {
			t.Fatalf("completed %v; want connect", words(c))
		}
	}
	closeMany(t, r, n)
	drain(t, ln)
}

// mostFails bounds the dials that fail in one Wait; it ends if the loop does not.
const mostFails = 20_000

// A handler that dials again whenever a dial fails does not keep the caller of Wait from its other duties.
func testDialFailsAgain(t *testing.T, f newLoop) {
	p := newPeer(t, loopbacks["IPv4"])
	r := newRig(t, f, 1)
	r.forget = true
	d := Dial{Remote: NewAddr(p.addr), Local: NewAddr(foreign(loopbacks["IPv4"]))}
	failed := 0
	r.on = func(c *Completion) {
		switch c.Op {
		case OpBind:
			failed++
			r.loop.Close(0, false)
		case OpClose:
			if failed < mostFails {
				r.loop.Dial(0, &d)
			}
		}
	}
	r.loop.Dial(0, &d)
	r.wait(clock.Now())
	if failed == mostFails {
		t.Errorf("one Wait failed %d dials", failed)
	}
}

// The same where there is no descriptor for the socket, nor for the whole process.
func testDialNoDescriptor(t *testing.T, f newLoop) {
	p := newPeer(t, loopbacks["IPv4"])
	r := newRig(t, f, 6)
	r.forget = true
	const slot = 3 // of a ring that is not there yet, where each has three
	failed := 0
	r.on = func(c *Completion) {
		if c.Op != OpSocket { // sockets take no descriptors
			return
		}
		if failed++; failed < mostFails {
			r.loop.Dial(slot, &Dial{Remote: NewAddr(p.addr)})
		}
	}
	restore := noDescriptors(t)
	r.loop.Dial(slot, &Dial{Remote: NewAddr(p.addr)})
	r.wait(clock.Now())
	restore()
	if failed == mostFails {
		t.Errorf("one Wait failed %d dials", failed)
	}
}
