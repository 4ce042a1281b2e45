package sockio

import (
	"errors"
	"fmt"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/clock"
)

func testCancel(t *testing.T, f newLoop) {
	t.Run("recv", func(t *testing.T) {
		r, peer := pair(t, f)
		r.loop.Recv(0, 1)
		r.wait(clock.Now())
		r.loop.Cancel(0)
		write(t, peer, "xy")
		r.quiet()
		if got := string(r.recv(0, 2)); got != "xy" {
			t.Errorf("read %q", got)
		}
	})
	t.Run("poll", func(t *testing.T) {
		r, peer := pair(t, f)
		r.loop.Poll(0)
		r.wait(clock.Now())
		r.loop.Cancel(0)
		write(t, peer, "x")
		r.quiet()
	})
	t.Run("send", func(t *testing.T) {
		r, peer := pair(t, f)
		r.loop.Send(0, make([]byte, 32<<20))
		r.quiet()
		r.loop.Cancel(0)
		go func() {
			b := make([]byte, 1<<20)
			for _, err := peer.Read(b); err == nil; _, err = peer.Read(b) {
			}
		}()
		r.quiet()
		r.close(0)
		r.quiet()
	})
	t.Run("what is only queued", func(t *testing.T) {
		r, peer := pair(t, f)
		write(t, peer, "x")
		r.loop.Send(0, []byte("dropped"))
		r.loop.Recv(0, 1)
		r.loop.Cancel(0)
		r.loop.Poll(0)
		if c := r.want(OpPoll, 0, 0); c.N != 1 {
			t.Errorf("N is %d", c.N)
		}
		r.quiet()
		r.loop.Send(0, []byte("sent"))
		r.want(OpSend, 0, 0)
		if got := read(t, peer, 4); got != "sent" {
			t.Errorf("the peer read %q", got)
		}
	})
	t.Run("shutdown is not", func(t *testing.T) {
		r, peer := pair(t, f)
		r.loop.Shutdown(0)
		r.loop.Cancel(0)
		r.wait(clock.Now())
		if _, err := peer.Read(make([]byte, 1)); err == nil {
			t.Error("the peer read no EOF")
		}
	})
	for _, op := range []Op{OpRecv, OpPoll} {
		for brings, gone := range map[string]bool{"data": false, "a reset": true} {
			t.Run(fmt.Sprintf("too late for %s, then %v", brings, op), func(t *testing.T) { testCancelLate(t, f, op, gone) })
			t.Run(fmt.Sprintf("too late for %s, then %v, within a batch", brings, op), func(t *testing.T) {
				testCancelLateInBatch(t, f, op, gone)
			})
		}
	}
}

// What a recv has read, or heard of, when it is cancelled is for the next one, which may be asked for
// before the loop knows.
func testCancelLate(t *testing.T, f newLoop, op Op, gone bool) {
	r, peer := pair(t, f)
	for range 10 {
		r.loop.Recv(0, 4)
		r.wait(clock.Now())
		happens(t, r, 0, peer, gone)
		r.loop.Cancel(0)
		ask(r, 0, op)
		asked(t, r, 0, op, gone)
		if gone {
			return
		}
	}
}

// Of two recvs that are ready together, the handler of the first cancels the other.
func testCancelLateInBatch(t *testing.T, f newLoop, op Op, gone bool) {
	p := newPeer(t, loopbacks["IPv4"])
	r := newRig(t, f, 2)
	var peers []*net.TCPConn
	for s := range Sock(2) {
		r.dial(s, p.addr)
		peers = append(peers, p.accept())
	}
	for range 10 {
		for s := range Sock(2) {
			r.loop.Recv(s, 4)
		}
		r.wait(clock.Now())
		for s := range Sock(2) {
			happens(t, r, s, peers[s], gone)
		}
		other := Sock(-1)
		r.on = func(c *Completion) {
			if other < 0 {
				other = 1 - c.Sock
				r.loop.Cancel(other)
				ask(r, other, op)
			}
		}
		first := r.next()
		r.on = nil
		asked(t, r, other, op, gone)
		if gone {
			return
		}
		if got := string(first.Data) + string(r.recv(first.Sock, 4)); got != twoRecvs {
			t.Fatalf("read %q from the other socket; want %q", got, twoRecvs)
		}
	}
}

// twoRecvs is what two recvs of four bytes read.
const twoRecvs = "12345678"

// happens has the peer of s send twoRecvs, or reset, and waits until it is known to the socket of s.
func happens(t *testing.T, r *rig, s Sock, peer *net.TCPConn, gone bool) {
	t.Helper()
	if gone {
		reset(peer)
		readable(t, r, s, sockstate.Closed)
		return
	}
	write(t, peer, twoRecvs)
	waitFor(t, "an acknowledgement", func() bool { return unacknowledged(t, peer) == 0 })
}

// unacknowledged is the number of bytes that have not arrived at a connection's other end.
func unacknowledged(t *testing.T, c *net.TCPConn) (n int) {
	t.Helper()
	conn, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var errno error
	err = conn.Control(func(fd uintptr) { n, errno = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	if err := errors.Join(err, errno); err != nil {
		t.Fatal(err)
	}
	return n
}

func ask(r *rig, s Sock, op Op) {
	if op == OpPoll {
		r.loop.Poll(s)
	} else {
		r.loop.Recv(s, len(twoRecvs))
	}
}

// asked checks the completion of what ask asked for, and all that there is to read.
func asked(t *testing.T, r *rig, s Sock, op Op, gone bool) {
	t.Helper()
	if op == OpPoll {
		if c := r.want(OpPoll, s, 0); c.N == 1 == gone {
			t.Errorf("poll's N is %d", c.N)
		}
		r.loop.Recv(s, len(twoRecvs))
	}
	if gone {
		r.want(OpRecv, s, unix.ECONNRESET)
		return
	}
	c := r.want(OpRecv, s, 0)
	if got := string(c.Data) + string(r.recv(s, len(twoRecvs)-c.N)); got != twoRecvs {
		t.Fatalf("read %q after a cancel; want %q", got, twoRecvs)
	}
}
