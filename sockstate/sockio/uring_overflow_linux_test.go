package sockio

import (
	"fmt"
	"net"
	"testing"

	"lastack/sockstate/sockio/ring"
)

// More completes at once than a ring has room for completions, or buffers for data.
func TestUringOverflow(t *testing.T) {
	needRing(t)
	const n = 4 * uringBuffers
	p := newPeer(t, loopbacks["IPv4"])
	r := newRig(t, openUring, n)
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

// Rings share their buffers: what found no room among the completions of one is taken before another reads.
func TestUringOverflowSharesBuffers(t *testing.T) {
	needRing(t)
	const table, each = 100, 20
	p := newPeer(t, loopbacks["IPv4"])
	r := newRig(t, func(c Config) (Loop, error) { return newUring(c, table) }, 3*table)
	l := r.loop.(*uring)
	var socks []Sock
	peers := make(map[Sock]net.Conn)
	for i := range 3 * each {
		s := Sock(i/each*table + i%each)
		r.dial(s, p.addr)
		peer := p.accept()
		write(t, peer, fmt.Sprintf("%04d", s))
		waitFor(t, "an acknowledgement", func() bool { return unacknowledged(t, peer) == 0 })
		socks, peers[s] = append(socks, s), peer
	}
	// Room for one completion of each ring: with it the loop goes on to the next.
	for _, rg := range l.rings {
		for i := range completions(table) - 1 {
			if rg.Queue(ring.SQE{Op: ring.OpNop}); i%uringBatch == uringBatch-1 {
				enter(t, rg.Ring)
			}
		}
		enter(t, rg.Ring)
	}
	for _, s := range socks {
		r.loop.Recv(s, 4)
	}
	seen := make(map[Sock]bool)
	for range socks {
		c := r.next()
		if c.Op != OpRecv || c.Errno != 0 || seen[c.Sock] {
			t.Fatalf("completed %v; want recv, each once", words(c))
		}
		if got, want := string(c.Data), fmt.Sprintf("%04d", c.Sock); got != want {
			t.Errorf("read %q from socket %s", got, want)
		}
		seen[c.Sock] = true
	}
}

// enter submits what is queued, and takes no completion.
func enter(t *testing.T, r *ring.Ring) {
	t.Helper()
	if e := r.Enter(0); e != 0 {
		t.Fatal(e)
	}
	if r.Unsubmitted() {
		t.Fatal("not all was submitted")
	}
}

// Calls that a loop makes of a ring apart from its batches have their answer while the ring
// is full of completions: accepting fills it.
func TestUringCallsWhileFull(t *testing.T) {
	needRing(t)
	const n = 600
	ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: n})
	r := newRig(t, openUring, 1000)
	client := newRig(t, NewEpoll, n)
	for s := range Sock(n) {
		client.loop.Dial(s, &Dial{Remote: NewAddr(ln.Addr)})
	}
	until(t, func() bool { return len(client.got) == n }, client)
	client.got = nil
	r.forget = true
	r.on = func(c *Completion) {
		if c.Op != OpAccept || c.Errno != 0 {
			t.Errorf("completed %v", words(*c))
			return
		}
		if at, err := r.loop.LocalAddr(c.Sock); err != nil || at != ln.Addr {
			t.Errorf("socket %d is bound to %v, error %v", c.Sock, at, err)
		}
		r.loop.Shutdown(c.Sock)
	}
	if err := r.loop.Accept(ln.FD, 0); err != nil {
		t.Fatal(err)
	}
	for s := range Sock(n) {
		client.loop.Recv(s, 1)
	}
	until(t, func() bool { return len(client.got) == n }, r, client)
	for _, c := range client.got {
		if c.Op != OpRecv || c.Errno != 0 || c.N != 0 {
			t.Fatalf("client: completed %v; want EOF", words(c))
		}
	}
	if e := r.loop.(*uring).rings[0].Lost(); e != 0 {
		t.Errorf("%d completions lost", e)
	}
}
