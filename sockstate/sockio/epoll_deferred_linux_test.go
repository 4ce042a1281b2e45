package sockio

import (
	"testing"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/clock"
)

// latePairs is n connections from a loop that gives way, in slots 0 to n-1, and their peers' ends.
func latePairs(t *testing.T, n int) (*rig, *epoll, []func(string)) {
	t.Helper()
	p := newPeer(t, loopbacks["IPv4"])
	r := newRig(t, givesWay(NewEpoll), n)
	var says []func(string)
	for s := range Sock(n) {
		r.dial(s, p.addr)
		peer := p.accept()
		says = append(says, func(what string) {
			t.Helper()
			write(t, peer, what)
			waitFor(t, "data", func() bool { return pollNow(r.loop.(*epoll).socks[s].fd()) != 0 })
		})
	}
	return r, r.loop.(*epoll), says
}

func TestEpollLooksLate(t *testing.T) {
	t.Run("answered", func(t *testing.T) {
		r, l, says := latePairs(t, 1)
		for _, op := range []Op{OpRecv, OpPoll} {
			says[0]("x")
			if op == OpRecv {
				l.Recv(0, 8)
			} else {
				l.Poll(0)
			}
			r.want(op, 0, 0)
			if l.socks[0].flag&sockRegistered != 0 {
				t.Errorf("%v: epoll was asked about what was there", op)
			}
		}
	})
	t.Run("silent", func(t *testing.T) {
		r, l, says := latePairs(t, 1)
		l.Recv(0, 8)
		r.quiet()
		if l.socks[0].flag&sockRegistered == 0 || len(l.deferred) > 0 {
			t.Error("the loop has slept on a socket that epoll was not told of")
		}
		says[0]("x")
		r.want(OpRecv, 0, 0)
	})
	t.Run("closed by one before it", func(t *testing.T) {
		r, l, says := latePairs(t, 2)
		says[0]("x")
		says[1]("y")
		r.on = func(c *Completion) {
			if c.Op == OpRecv {
				l.Close(1, false)
			}
		}
		l.Recv(0, 8)
		l.Recv(1, 8)
		r.want(OpRecv, 0, 0)
		r.want(OpClose, 1, 0)
		r.quiet()
	})
	t.Run("cancelled and asked again", func(t *testing.T) {
		r, l, says := latePairs(t, 1)
		says[0]("xy")
		for range 5 {
			l.Recv(0, 1)
			l.perform()
			l.Cancel(0)
		}
		l.Recv(0, 1)
		if c := r.want(OpRecv, 0, 0); string(c.Data) != "x" {
			t.Errorf("read %q", c.Data)
		}
		r.quiet()
	})
	t.Run("closed and dialled again", func(t *testing.T) {
		p := newPeer(t, loopbacks["IPv4"])
		r, l, says := latePairs(t, 1)
		says[0]("x")
		l.Recv(0, 1)
		l.perform()
		l.Close(0, false)
		l.Dial(0, &Dial{Remote: NewAddr(p.addr)})
		r.want(OpClose, 0, 0)
		r.want(OpConnect, 0, 0)
		r.quiet()
		_ = p.accept()
	})
	t.Run("epoll refuses", func(t *testing.T) {
		r, l, _ := latePairs(t, 1)
		epfd := l.epfd
		l.epfd = l.waker.fd // EINVAL: not an epoll descriptor
		l.Recv(0, 1)
		l.perform()
		l.retryDeferred()
		l.epfd = epfd
		r.want(OpRecv, 0, unix.EINVAL)
	})
	t.Run("a send that waits", func(t *testing.T) {
		r, l, says := latePairs(t, 1)
		l.Recv(0, 1)
		l.Send(0, make([]byte, 32<<20))
		l.perform()
		if l.socks[0].flag&sockRegistered == 0 {
			t.Fatal("the send did not wait")
		}
		says[0]("x")
		r.want(OpRecv, 0, 0)
	})
	t.Run("loop closed meanwhile", func(t *testing.T) {
		r, l, _ := latePairs(t, 1)
		l.Recv(0, 1)
		l.perform()
		r.closeAll(true)
	})
}

// Peers that do not answer in their turn are not looked at for long, however many there
// are in a turn; and it takes one that does to look again.
func TestEpollLooksWhereItPays(t *testing.T) {
	const n = maxMisses + 2
	r, l, says := latePairs(t, n)
	for s := range Sock(maxMisses) {
		l.Recv(s, 1)
		r.wait(clock.Now())
	}
	l.Recv(maxMisses, 1)
	l.perform()
	if len(l.deferred) > 0 {
		t.Errorf("looks again after %d turns without an answer", maxMisses)
	}
	l.late.skips = retryEvery - 1
	says[n-1]("x")
	l.Recv(n-1, 1)
	r.want(OpRecv, n-1, 0)
	if !l.late.worthwhile() {
		t.Error("does not look after an answer")
	}
}

// EOF behind data is told though the read before the poll drained nothing.
func TestEpollPollsBehindExactRead(t *testing.T) {
	for name, f := range map[string]newLoop{"on time": NewEpoll, "gives way": givesWay(NewEpoll)} {
		t.Run(name, func(t *testing.T) {
			r, peer := pair(t, f)
			write(t, peer, "datadata")
			if err := peer.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			readable(t, r, 0, sockstate.CloseWait)
			r.recv(0, 4)
			r.loop.Poll(0)
			if c := r.want(OpPoll, 0, 0); c.N != 0 {
				t.Errorf("N is %d", c.N)
			}
		})
	}
}
