package sockio

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
)

func testClose(t *testing.T, f newLoop) {
	t.Run("FIN", func(t *testing.T) {
		r, peer := pair(t, f)
		r.loop.Recv(0, 1)
		r.wait(clock.Now())
		r.close(0)
		if got, err := io.ReadAll(peer); err != nil || len(got) != 0 {
			t.Errorf("the peer read %q, error %v; want EOF", got, err)
		}
		r.quiet()
	})
	t.Run("RST", func(t *testing.T) {
		r, peer := pair(t, f)
		r.loop.SetLinger(0, 0)
		r.close(0)
		if _, err := peer.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("the peer read with error %v; want ECONNRESET", err)
		}
	})
	t.Run("queued sends are dropped", func(t *testing.T) {
		r, peer := pair(t, f)
		r.loop.Send(0, []byte("x"))
		r.loop.Close(0, false)
		r.want(OpClose, 0, 0)
		if got, err := io.ReadAll(peer); err != nil || len(got) != 0 {
			t.Errorf("the peer read %q, error %v; want EOF", got, err)
		}
	})
	t.Run("a waiting send is dropped", func(t *testing.T) {
		r, peer := pair(t, f)
		r.loop.Send(0, make([]byte, 32<<20))
		r.quiet()
		r.close(0)
		if n, err := io.Copy(io.Discard, peer); err != nil || n == 0 || n >= 32<<20 {
			t.Errorf("the peer read %d bytes, error %v; want a part, and EOF", n, err)
		}
		r.quiet()
	})
	t.Run("linger, acknowledged", func(t *testing.T) {
		r, peer := pair(t, f)
		r.loop.SetLinger(0, 20)
		r.loop.Send(0, []byte("x"))
		r.want(OpSend, 0, 0)
		r.loop.Close(0, true)
		go func() { _, _ = io.Copy(io.Discard, peer); _ = peer.Close() }()
		before := clock.Now()
		if c := r.want(OpClose, 0, 0); c.At-before > int64(19*time.Second) {
			t.Errorf("took %v", time.Duration(c.At-before))
		}
	})
	for _, abort := range []bool{false, true} {
		t.Run(map[bool]string{false: "all", true: "all, abort"}[abort], func(t *testing.T) { testCloseAll(t, f, abort) })
	}
}

// stuffed opens connections to a peer that never reads, and sends until the socket can
// take no more: a close that lingers will block.
func stuffed(t *testing.T, f newLoop, n int) (*rig, []*net.TCPConn) {
	t.Helper()
	p := newPeer(t, loopbacks["IPv4"])
	r := newRig(t, f, n+1)
	var peers []*net.TCPConn
	small := []Opt{newOpt(unix.SOL_SOCKET, unix.SO_SNDBUF, 64<<10)}
	large := make([]byte, 16<<20)
	for s := range Sock(n) {
		r.loop.Dial(s, &Dial{Remote: NewAddr(p.addr), Opts: small})
		r.want(OpConnect, s, 0)
		c := p.accept()
		if err := c.SetReadBuffer(4 << 10); err != nil {
			t.Fatal(err)
		}
		peers = append(peers, c)
		r.loop.Send(s, large)
		r.wait(clock.Now())
	}
	r.quiet()
	for s := range Sock(n) {
		r.loop.Cancel(s)
	}
	r.dial(Sock(n), p.addr)
	return r, append(peers, p.accept())
}

// echoes shows that the loop still works: its last socket sends and receives. What the others complete meanwhile stays for next.
func echoes(t *testing.T, r *rig, s Sock, peer net.Conn) {
	t.Helper()
	var others []Completion
	r.on = func(c *Completion) {
		if c.Sock != s {
			others = append(others, r.got[len(r.got)-1])
			r.got = r.got[:len(r.got)-1]
		}
	}
	for range 20 {
		r.loop.Send(s, []byte("ping"))
		r.want(OpSend, s, 0)
		write(t, peer, read(t, peer, 4))
		r.recv(s, 4)
	}
	r.on = nil
	r.got = append(others, r.got...)
}

func testLingerBlocked(t *testing.T, f newLoop) {
	t.Parallel()
	r, peers := stuffed(t, f, 1)
	r.loop.SetLinger(0, 1)
	began := clock.Now()
	r.loop.Close(0, true)
	echoes(t, r, 1, peers[1])
	c := r.want(OpClose, 0, 0)
	wantSecond(t, c.At-began)
	// The slot is free again.
	p := newPeer(t, loopbacks["IPv4"])
	r.dial(0, p.addr)
	r.close(0)
}

func testManyLingerers(t *testing.T, f newLoop) {
	t.Parallel()
	if testing.Short() {
		t.Skip("opens 300 connections")
	}
	const n = maxLingerers + 44
	r, peers := stuffed(t, f, n)
	for s := range Sock(n) {
		r.loop.SetLinger(s, int(2*hung/time.Second))
		r.loop.Close(s, true)
	}
	r.wait(clock.Now())
	echoes(t, r, n, peers[n])
	r.quiet()
	for _, p := range peers[:n] {
		reset(p) // ends the close
	}
	closed := make([]bool, n)
	for range n {
		c := r.next()
		if c.Op != OpClose || c.Errno != 0 || closed[c.Sock] {
			t.Fatalf("completed %v; want close, each once", words(c))
		}
		closed[c.Sock] = true
	}
}

func testCloseAll(t *testing.T, f newLoop, abort bool) {
	const n = 3
	p := newPeer(t, loopbacks["IPv4"])
	r := newRig(t, f, n+1)
	var peers []*net.TCPConn
	for s := range Sock(n) {
		r.dial(s, p.addr)
		peers = append(peers, p.accept())
		r.loop.Recv(s, 1)
	}
	r.loop.SetTimer(0, clock.Now()+int64(time.Hour))
	r.wait(clock.Now())
	late := r.loop
	r.closeAll(abort)
	if len(r.got) > 0 {
		t.Errorf("completed %v", words(r.got[0]))
	}
	late.Wake() // does nothing
	for _, c := range peers {
		_, err := c.Read(make([]byte, 1))
		if want := map[bool]error{false: io.EOF, true: unix.ECONNRESET}[abort]; !errors.Is(err, want) {
			t.Errorf("the peer read with error %v; want %v", err, want)
		}
	}
}
