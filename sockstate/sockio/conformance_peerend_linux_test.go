package sockio

import (
	"errors"
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/clock"
)

// testPeerEnd looks at each end that a peer can have brought about, just before the close.
func testPeerEnd(t *testing.T, f newLoop) {
	const none, fin = Errno(0xffff), Errno(0)
	sent := func(r *rig, peer *net.TCPConn) {
		write(r.t, peer, "abc")
		r.loop.Poll(0)
		r.want(OpPoll, 0, 0)
	}
	closed := func(r *rig, peer *net.TCPConn) {
		if err := peer.Close(); err != nil {
			r.t.Fatal(err)
		}
		readable(r.t, r, 0, sockstate.CloseWait)
	}
	wasReset := func(r *rig, peer *net.TCPConn) {
		reset(peer)
		readable(r.t, r, 0, sockstate.Closed)
	}
	tests := []struct {
		name string
		peer func(r *rig, peer *net.TCPConn)
		keep bool
		want Errno
	}{
		{"nothing came", func(*rig, *net.TCPConn) {}, false, none},
		{"data", sent, false, none},
		{"FIN", closed, false, fin},
		{"FIN behind data", func(r *rig, peer *net.TCPConn) { sent(r, peer); closed(r, peer) }, false, fin},
		{"RST", wasReset, false, unix.ECONNRESET},
		{"RST behind FIN", func(r *rig, peer *net.TCPConn) {
			if err := peer.CloseWrite(); err != nil {
				r.t.Fatal(err)
			}
			readable(r.t, r, 0, sockstate.CloseWait)
			wasReset(r, peer)
		}, false, fin}, // the FIN came first, and recv says no more (SOCK_DONE)
		{"data to keep", sent, true, none},
		{"FIN behind data to keep", func(r *rig, peer *net.TCPConn) { sent(r, peer); closed(r, peer) }, true, fin},
		{"RST behind data to keep", func(r *rig, peer *net.TCPConn) { sent(r, peer); wasReset(r, peer) }, true, unix.ECONNRESET},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, peer := pair(t, f)
			test.peer(r, peer)
			r.loop.PeerEnd(0, test.keep)
			r.loop.Close(0, false)
			if test.want != none {
				r.want(OpPeerEnd, 0, test.want)
			}
			r.want(OpClose, 0, 0)
			r.quiet()
			if test.want != none {
				return
			}
			want := error(nil) // what was read and discarded draws no RST
			if test.keep {
				want = unix.ECONNRESET
			}
			if _, err := io.Copy(io.Discard, peer); !errors.Is(err, want) {
				t.Errorf("the peer read with error %v; want %v", err, want)
			}
		})
	}
	t.Run("before a shutdown", func(t *testing.T) {
		for _, c := range []struct {
			name string
			peer func(r *rig, peer *net.TCPConn)
			want Errno
		}{{"nothing came", func(*rig, *net.TCPConn) {}, none}, {"FIN", closed, fin}, {"RST", wasReset, unix.ECONNRESET}} {
			t.Run(c.name, func(t *testing.T) {
				r, peer := pair(t, f)
				c.peer(r, peer)
				r.loop.PeerEnd(0, false)
				r.loop.Shutdown(0)
				switch c.want {
				case none:
					r.wait(clock.Now())
					if _, err := io.Copy(io.Discard, peer); err != nil {
						t.Error(err)
					}
				case unix.ECONNRESET:
					r.wantAny(Completion{Op: OpPeerEnd, Errno: c.want}, Completion{Op: OpShutdown, Errno: unix.ENOTCONN})
				default:
					r.want(OpPeerEnd, 0, c.want)
				}
				r.quiet()
				r.close(0)
			})
		}
	})
	t.Run("behind a recv that waits", func(t *testing.T) {
		r, peer := pair(t, f)
		r.loop.Recv(0, 1)
		r.wait(clock.Now())
		reset(peer)
		readable(t, r, 0, sockstate.Closed)
		r.loop.Cancel(0)
		r.loop.PeerEnd(0, false)
		r.loop.Close(0, false)
		r.want(OpPeerEnd, 0, unix.ECONNRESET)
		r.want(OpClose, 0, 0)
	})
}

// wantAny takes completions that come in any order.
func (r *rig) wantAny(all ...Completion) {
	r.t.Helper()
	for left := len(all); left > 0; left-- {
		c, found := r.next(), false
		for i := range all {
			if w := &all[i]; w.Op == c.Op && w.Errno == c.Errno {
				w.Op, found = OpWake, true
				break
			}
		}
		if !found {
			r.t.Fatalf("completed %v", words(c))
		}
	}
}

// testConnectSent tells a dial that is queued from one whose SYN was sent.
func testConnectSent(t *testing.T, f newLoop) {
	r := newRig(t, f, 4)
	ln := listen(t, loopbacks["IPv4"], ListenConfig{Backlog: 1})
	for s := range Sock(2) { // the queue is full
		r.dial(s, ln.Addr)
	}
	before := clock.Now()
	r.loop.Dial(2, &Dial{Remote: NewAddr(ln.Addr)})
	if at := r.loop.ConnectSent(2); at != 0 {
		t.Errorf("sent at %d, before it was performed", at)
	}
	r.quiet()
	if at := r.loop.ConnectSent(2); at < before || at > clock.Now() {
		t.Errorf("sent at %d; want a time from %d on", at, before)
	}
	for s := range Sock(3) {
		r.loop.Close(s, false)
		r.want(OpClose, s, 0)
	}
}
