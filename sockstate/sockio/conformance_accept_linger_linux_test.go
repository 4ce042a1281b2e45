package sockio

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// The slot of a close that lingers is not given out until that is over, and then to one connection.
func testAcceptLingering(t *testing.T, f newLoop) {
	const slots = 4
	ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: 8})
	r := newRig(t, f, slots)
	if err := r.loop.Accept(ln.FD, 0); err != nil {
		t.Fatal(err)
	}
	peer := dialPeer(t, ln.Addr)
	lingers := r.next().Sock
	r.loop.Send(lingers, make([]byte, 16<<20)) // more than fits: the peer does not read
	r.quiet()
	r.loop.SetLinger(lingers, 120)
	r.loop.Close(lingers, true)

	var peers []*net.TCPConn
	open := make(map[Sock]bool)
	for range slots - 1 {
		peers = append(peers, dialPeer(t, ln.Addr))
		c := r.next()
		if c.Op != OpAccept || c.Errno != 0 || c.Sock == lingers || open[c.Sock] {
			t.Fatalf("completed %v; want accept in a slot that is not one of %v and %d", words(c), open, lingers)
		}
		open[c.Sock] = true
		r.loop.Recv(c.Sock, 1)
	}
	peers = append(peers, dialPeer(t, ln.Addr))
	r.want(OpAccept, -1, unix.EMFILE)

	reset(peer) // ends the close
	for c := r.next(); c.Op != OpClose || c.Sock != lingers || c.Errno != 0; c = r.next() {
		if c.Op != OpAccept || c.Sock != -1 {
			t.Fatalf("completed %v; want the close of %d", words(c), lingers)
		}
	}
	c := r.next()
	for c.Op == OpAccept && c.Sock == -1 {
		c = r.next()
	}
	if c.Op != OpAccept || c.Sock != lingers || c.Errno != 0 {
		t.Fatalf("completed %v; want accept in slot %d", words(c), lingers)
	}
	r.loop.Recv(lingers, 1)
	open[lingers] = true
	for _, p := range peers {
		write(t, p, "x")
	}
	for range slots {
		c := r.next()
		if c.Op != OpRecv || c.Errno != 0 || !open[c.Sock] {
			t.Fatalf("completed %v; want a recv of each", words(c))
		}
		delete(open, c.Sock)
	}
	for s := range Sock(slots) {
		r.close(s)
	}
	r.quiet()
}
