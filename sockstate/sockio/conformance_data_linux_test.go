package sockio

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/clock"
)

func testData(t *testing.T, f newLoop) {
	t.Run("large sends", func(t *testing.T) { testLargeSends(t, f) })
	t.Run("large first send", func(t *testing.T) { testLargeFirst(t, f) })
	t.Run("recv limits", func(t *testing.T) { testRecvLimits(t, f) })
	t.Run("EOF behind data", func(t *testing.T) { testEOFBehindData(t, f) })
	t.Run("send and recv at once", func(t *testing.T) { testBothWays(t, f) })
	t.Run("poll", func(t *testing.T) { testPoll(t, f) })
	t.Run("shutdown", func(t *testing.T) { testShutdown(t, f) })
	t.Run("peer is gone", func(t *testing.T) { testPeerGone(t, f) })
}

// Sends that the socket buffer cannot take at once complete whole, and in order.
func testLargeSends(t *testing.T, f newLoop) {
	r, peer := pair(t, f)
	const chunk, sends = 16 << 20, 3
	want := make([]byte, chunk)
	for i := range want {
		want[i] = byte(i * 7 >> 3)
	}
	r.loop.Send(0, want)
	r.quiet() // no reader yet: it cannot complete
	got := make(chan []byte)
	go func() {
		p := make([]byte, chunk*sends)
		n, _ := io.ReadFull(peer, p)
		got <- p[:n]
	}()
	for i := range sends {
		if c := r.want(OpSend, 0, 0); c.N != chunk {
			t.Errorf("sent %d bytes", c.N)
		}
		if i < sends-1 {
			r.loop.Send(0, want)
		}
	}
	if !bytes.Equal(<-got, bytes.Repeat(want, sends)) {
		t.Error("the peer read something else")
	}
}

func testLargeFirst(t *testing.T, f newLoop) {
	p := newPeer(t, loopbacks["IPv4"])
	r := newRig(t, f, 1)
	want := pattern(16 << 20)
	r.loop.Dial(0, &Dial{Remote: NewAddr(p.addr), First: want})
	r.want(OpConnect, 0, 0)
	peer := p.accept()
	got := make(chan []byte)
	go func() {
		b := make([]byte, len(want))
		n, _ := io.ReadFull(peer, b)
		got <- b[:n]
	}()
	if c := r.want(OpSend, 0, 0); c.N != len(want) {
		t.Errorf("sent %d bytes", c.N)
	}
	if !bytes.Equal(<-got, want) {
		t.Error("the peer read something else")
	}
}

func testRecvLimits(t *testing.T, f newLoop) {
	p := newPeer(t, loopbacks["IPv4"])
	r := newRig(t, func(c Config) (Loop, error) {
		c.Buffer = 1 << 10
		return f(c)
	}, 1)
	r.dial(0, p.addr)
	peer := p.accept()
	sent := strings.Repeat("0123456789", 1000)
	write(t, peer, sent)
	var got []byte
	for i := 0; len(got) < len(sent); i++ {
		n := []int{1, 16, 1 << 20}[i%3]
		r.loop.Recv(0, n)
		c := r.want(OpRecv, 0, 0)
		if limit := min(n, 1<<10); c.N < 1 || c.N > limit {
			t.Fatalf("read %d bytes; want 1 to %d", c.N, limit)
		}
		got = append(got, c.Data...)
	}
	if string(got) != sent {
		t.Error("read something else")
	}
	r.loop.Recv(0, 1)
	r.quiet()
}

// EOF follows data, whichever of them was there when recv was asked for, however it
// was cut into reads.
func testEOFBehindData(t *testing.T, f newLoop) {
	tests := []struct {
		name                string
		waiting, seen, late bool // a recv is pending first; the data is noticed before the FIN comes; recv after both
		size                int
	}{
		{"both before recv", false, false, true, 64},
		{"both before recv, exact reads", false, false, true, 4},
		{"both while recv waits", true, false, false, 64},
		{"both while recv waits, exact reads", true, false, false, 4},
		{"FIN after the data was read", true, true, false, 64},
		{"FIN after the data was read, exact reads", true, true, false, 4},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, peer := pair(t, f)
			if test.waiting {
				r.loop.Recv(0, test.size)
				r.wait(clock.Now())
			} else {
				// Registered with whatever tells of readiness, so that there are no second chances.
				r.loop.Poll(0)
				r.wait(clock.Now())
				r.loop.Cancel(0)
			}
			write(t, peer, "data")
			var got []byte
			if test.seen {
				got = append(got, r.want(OpRecv, 0, 0).Data...)
			}
			if err := peer.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if test.late {
				readable(t, r, 0, sockstate.CloseWait)
				r.wait(clock.Now())
			}
			if test.waiting && !test.seen {
				got = append(got, r.want(OpRecv, 0, 0).Data...)
			}
			for {
				r.loop.Recv(0, test.size)
				c := r.want(OpRecv, 0, 0)
				if c.N == 0 {
					break
				}
				got = append(got, c.Data...)
			}
			if string(got) != "data" {
				t.Errorf("read %q", got)
			}
			// EOF stays.
			r.loop.Recv(0, test.size)
			if c := r.want(OpRecv, 0, 0); c.N != 0 {
				t.Errorf("read %q behind EOF", c.Data)
			}
		})
	}
}

// A recv that waits is not lost while a send waits, and the other way round.
func testBothWays(t *testing.T, f newLoop) {
	r, peer := pair(t, f)
	large := make([]byte, 8<<20)
	r.loop.Recv(0, 16)
	r.loop.Send(0, large)
	r.quiet()
	write(t, peer, "one")
	if c := r.want(OpRecv, 0, 0); string(c.Data) != "one" {
		t.Errorf("read %q", c.Data)
	}
	r.loop.Recv(0, 16)
	r.wait(clock.Now())
	read(t, peer, 1)
	done := make(chan error)
	go func() {
		_, err := io.CopyN(io.Discard, peer, int64(len(large))-1)
		done <- err
	}()
	r.want(OpSend, 0, 0)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	write(t, peer, "two")
	if c := r.want(OpRecv, 0, 0); string(c.Data) != "two" {
		t.Errorf("read %q", c.Data)
	}
}

func testPoll(t *testing.T, f newLoop) {
	t.Run("data", func(t *testing.T) {
		r, peer := pair(t, f)
		r.loop.Poll(0)
		r.quiet()
		write(t, peer, "x")
		if c := r.want(OpPoll, 0, 0); c.N != 1 {
			t.Errorf("N is %d", c.N)
		}
		r.loop.Poll(0) // nothing was read
		if c := r.want(OpPoll, 0, 0); c.N != 1 {
			t.Errorf("N is %d", c.N)
		}
		if got := string(r.recv(0, 1)); got != "x" {
			t.Errorf("read %q", got)
		}
		// Read to the last byte, by a recv that did not ask for more.
		r.loop.Poll(0)
		r.quiet()
		write(t, peer, "y")
		if c := r.want(OpPoll, 0, 0); c.N != 1 {
			t.Errorf("N is %d", c.N)
		}
	})
	for _, data := range []string{"", "x"} {
		for _, late := range []bool{false, true} {
			name := map[bool]string{false: "waiting", true: "before"}[late]
			t.Run("EOF behind "+map[bool]string{true: "data", false: "nothing"}[data != ""]+", "+name, func(t *testing.T) {
				r, peer := pair(t, f)
				if !late && data == "" {
					r.loop.Poll(0)
					r.wait(clock.Now())
				}
				write(t, peer, data)
				if err := peer.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				readable(t, r, 0, sockstate.CloseWait)
				if late || data != "" {
					r.loop.Poll(0)
				}
				if c := r.want(OpPoll, 0, 0); c.N != 0 {
					t.Errorf("N is %d", c.N)
				}
				if data != "" {
					r.recv(0, len(data))
				}
				r.loop.Recv(0, 1)
				if c := r.want(OpRecv, 0, 0); c.N != 0 {
					t.Errorf("read %q; want EOF", c.Data)
				}
			})
		}
	}
	t.Run("reset", func(t *testing.T) {
		r, peer := pair(t, f)
		r.loop.Poll(0)
		r.wait(clock.Now())
		reset(peer)
		if c := r.want(OpPoll, 0, 0); c.N != 0 {
			t.Errorf("N is %d", c.N)
		}
		r.loop.Recv(0, 1)
		r.want(OpRecv, 0, unix.ECONNRESET)
	})
	t.Run("accepted", func(t *testing.T) {
		ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: 8})
		r := newRig(t, f, 1)
		peer := dialPeer(t, ln.Addr)
		write(t, peer, "x")
		if err := r.loop.Accept(ln.FD, 0); err != nil {
			t.Fatal(err)
		}
		r.want(OpAccept, 0, 0)
		r.loop.Poll(0)
		if c := r.want(OpPoll, 0, 0); c.N != 1 {
			t.Errorf("N is %d", c.N)
		}
		if got := string(r.recv(0, 1)); got != "x" {
			t.Errorf("read %q", got)
		}
	})
}

func testShutdown(t *testing.T, f newLoop) {
	r, peer := pair(t, f)
	r.loop.Send(0, []byte("last"))
	r.loop.Shutdown(0)
	r.loop.Recv(0, 16)
	if c := r.want(OpSend, 0, 0); c.N != 4 {
		t.Errorf("sent %d bytes", c.N)
	}
	if got, err := io.ReadAll(peer); err != nil || string(got) != "last" {
		t.Errorf("the peer read %q, error %v", got, err)
	}
	write(t, peer, "answer") // the other half is open
	if c := r.want(OpRecv, 0, 0); string(c.Data) != "answer" {
		t.Errorf("read %q", c.Data)
	}
	r.loop.Recv(0, 16)
	if err := peer.Close(); err != nil {
		t.Fatal(err)
	}
	if c := r.want(OpRecv, 0, 0); c.N != 0 {
		t.Errorf("read %q; want EOF", c.Data)
	}
	r.loop.Send(0, []byte("x"))
	r.want(OpSend, 0, unix.EPIPE)
	r.close(0)
}

func testPeerGone(t *testing.T, f newLoop) {
	t.Run("recv waits", func(t *testing.T) {
		r, peer := pair(t, f)
		r.loop.Recv(0, 1)
		r.wait(clock.Now())
		reset(peer)
		r.want(OpRecv, 0, unix.ECONNRESET)
		r.loop.Shutdown(0)
		r.want(OpShutdown, 0, unix.ENOTCONN)
		r.close(0)
	})
	t.Run("send waits", func(t *testing.T) {
		r, peer := pair(t, f)
		r.loop.Send(0, make([]byte, 32<<20))
		r.quiet()
		reset(peer)
		if c := r.want(OpSend, 0, unix.ECONNRESET); c.N <= 0 || c.N >= 32<<20 {
			t.Errorf("N is %d; want what was sent before", c.N)
		}
		r.close(0)
	})
	t.Run("send later", func(t *testing.T) {
		r, peer := pair(t, f)
		reset(peer)
		readable(t, r, 0, sockstate.Closed)
		r.loop.Send(0, []byte("x"))
		r.want(OpSend, 0, unix.ECONNRESET)
		r.close(0)
	})
	t.Run("data before the reset is lost", func(t *testing.T) {
		r, peer := pair(t, f)
		r.loop.Poll(0)
		r.wait(clock.Now())
		r.loop.Cancel(0)
		write(t, peer, "x")
		reset(peer)
		readable(t, r, 0, sockstate.Closed)
		// The kernel keeps what is in the receive queue, but an error comes first (tcp_recvmsg_locked).
		r.loop.Recv(0, 1)
		c := r.next()
		if c.Op != OpRecv || c.Errno == 0 && string(c.Data) != "x" || c.Errno != 0 && c.Errno != unix.ECONNRESET {
			t.Errorf("completed %v", words(c))
		}
	})
}
