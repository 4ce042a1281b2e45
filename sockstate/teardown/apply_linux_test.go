package teardown

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/clock"
	"lastack/sockstate/exchange"
	"lastack/sockstate/sockio"
)

const hung = 30 * time.Second

// fate is what a side came to.
type fate struct {
	end       End
	gone      bool
	held      bool
	peerEnded bool
}

func (f fate) String() string {
	return fmt.Sprintf("end %d, gone %v, held %v, peer ended %v", f.end, f.gone, f.held, f.peerEnded)
}

// actor is one side of one connection: a byte there, a byte back, and the teardown.
type actor struct {
	t      *testing.T
	side   sockstate.Side
	loop   sockio.Loop
	closer Closer
	silent bool // no exchange
	tear   Conn
	fate   fate
	begun  int64
	closed int64
}

func (a *actor) Complete(c *sockio.Completion) {
	s := c.Sock
	unread := a.closer.Policy.How == Unread && a.closer.Policy.Active(a.side)
	switch {
	case a.tear.phase != phaseNone:
		a.take(a.closer.Complete(a.loop, &a.tear, c))
	case c.Errno != 0:
		// Server's unread: the client meets the reset in its exchange.
		if a.side != sockstate.Client || c.Errno != unix.ECONNRESET {
			a.t.Errorf("%v: %v came to errno %d", a.side, c.Op, int(c.Errno))
		}
		a.fate.peerEnded = true
		a.closer.PeerReset(a.loop, s, &a.tear)
	case a.silent:
		a.begin(s)
	case c.Op == sockio.OpAccept && unread, c.Op == sockio.OpSend && (unread || a.side == sockstate.Server):
		a.begin(s)
	case c.Op == sockio.OpAccept, c.Op == sockio.OpSend:
		a.loop.Recv(s, 64<<10)
	case c.Op == sockio.OpRecv && a.side == sockstate.Server:
		a.loop.Send(s, []byte("y"))
	case c.Op == sockio.OpRecv:
		a.begin(s)
	}
}

func (a *actor) begin(s sockio.Sock) {
	a.begun = clock.Now()
	a.closer.Begin(a.loop, s, &a.tear)
}

func (a *actor) take(step Step) {
	a.fate.peerEnded = a.fate.peerEnded || step.PeerEnded
	if step.Errno != 0 {
		a.t.Errorf("%v: errno %d", a.side, int(step.Errno))
	}
	a.fate.held = a.fate.held || step.Held
	if step.Gone {
		a.fate.gone, a.closed = true, step.At
	}
	if step.TimedOut {
		a.t.Errorf("%v: timed out", a.side)
	}
}

// play tears one connection down over loopback, until both sides have come to what is
// expected or to something else for good.
func play(t *testing.T, p Policy, r Reaction, e exchange.Spec, want [sockstate.NumSides]fate) (client, server *actor) {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	ln, err := sockio.Listen(netip.MustParseAddrPort("127.0.0.1:0"), sockio.ListenConfig{Backlog: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	var actors [sockstate.NumSides]*actor
	for _, side := range []sockstate.Side{sockstate.Client, sockstate.Server} {
		a := &actor{t: t, side: side, closer: Closer{Side: side, Policy: p, Reaction: r}, silent: e.Kind == exchange.None}
		if a.loop, err = sockio.NewEpoll(sockio.Config{Slots: 1, Handler: a}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = a.loop.CloseAll(true) })
		actors[side] = a
	}
	client, server = actors[sockstate.Client], actors[sockstate.Server]
	if err := server.loop.Accept(ln.FD, 0); err != nil {
		t.Fatal(err)
	}
	d := sockio.Dial{Remote: sockio.NewAddr(ln.Addr)}
	if !client.silent {
		d.First = []byte("x")
	}
	client.loop.Dial(0, &d)
	settled := 0
	for end := clock.Now() + int64(hung); settled < 20; {
		if clock.Now() > end {
			break
		}
		// A little longer than to the last step, to see that it was the last.
		settled++
		for side, a := range actors {
			if err := a.loop.Wait(clock.Now() + 1e6); err != nil {
				t.Fatal(err)
			}
			a.fate.end = a.tear.End()
			if a.fate != want[side] {
				settled = 0
			}
		}
	}
	for side, a := range actors {
		if a.fate != want[side] {
			t.Errorf("%v: %v; want %v", a.side, a.fate, want[side])
		}
	}
	return client, server
}

// Each policy meets each reaction, between two loops.
func TestTeardown(t *testing.T) {
	const delay = 60 * time.Millisecond
	echo := exchange.Spec{Kind: exchange.Echo, Request: 1, Response: 1}
	reactions := []Reaction{{Kind: ReactClose}, {Kind: ReactDelay, Delay: delay}, {Kind: ReactNever}, {Kind: ReactRST}}
	for _, who := range []Who{ClientFirst, ServerFirst} {
		for _, how := range []How{FIN, Half, RST, Linger, Unread} {
			for _, r := range reactions {
				for _, e := range []exchange.Spec{{}, echo} {
					if how == Unread && e.Kind == exchange.None {
						continue // refused: nothing comes that could stay unread
					}
					p := Policy{Who: who, How: how}
					if how == Linger {
						p.Linger = 5 * time.Second
					}
					ok := t.Run(fmt.Sprintf("%v on-eof %v %v", p, r, e), func(t *testing.T) {
						active, passive := fates(p, r)
						want := [sockstate.NumSides]fate{active, passive}
						if who == ServerFirst {
							want = [sockstate.NumSides]fate{passive, active}
						}
						client, server := play(t, p, r, e, want)
						first, second := client, server
						if who == ServerFirst {
							first, second = server, client
						}
						if dwelt := time.Duration(second.closed - first.begun); r.Kind == ReactDelay && second.fate.end == endFIN && dwelt < delay {
							t.Errorf("closed %v after the peer began; want %v in CLOSE_WAIT", dwelt, delay)
						}
					})
					if !ok {
						return // each of the others may take as long to fail
					}
				}
			}
		}
	}
}

// fates is what the two sides come to.
func fates(p Policy, r Reaction) (active, passive fate) {
	if p.How == RST || p.How == Unread {
		return fate{end: EndRSTSent, gone: true}, fate{end: EndRSTReceived, gone: true, peerEnded: true}
	}
	active = fate{end: endFIN, gone: true, peerEnded: p.How == Half}
	passive = fate{end: endFIN, gone: true, peerEnded: true}
	switch r.Kind {
	case ReactNever:
		passive = fate{held: true, peerEnded: true}
		if p.How == Half {
			active = fate{}
		}
	case ReactRST:
		passive.end = EndRSTSent
		if p.How == Half {
			active.end = EndRSTReceived
		}
	}
	return active, passive
}

func TestTeardownBothAndNobody(t *testing.T) {
	closes := fate{end: endFIN, gone: true}
	for _, e := range []exchange.Spec{{}, {Kind: exchange.Echo, Request: 1, Response: 1}} {
		t.Run("both:fin "+e.String(), func(t *testing.T) {
			play(t, Policy{Who: BothAtOnce}, Reaction{Kind: ReactNever}, e, [sockstate.NumSides]fate{closes, closes})
		})
		t.Run("never "+e.String(), func(t *testing.T) {
			client, server := play(t, Never, Reaction{}, e, [sockstate.NumSides]fate{})
			for _, a := range []*actor{client, server} {
				if !a.tear.Held() {
					t.Errorf("%v: not held", a.side)
				}
			}
			// One gives up; the other sees that it was before its turn.
			server.closer.Abandon(server.loop, 0, &server.tear)
			for end := clock.Now() + int64(hung); !client.fate.gone || !server.fate.gone; {
				if clock.Now() > end {
					t.Fatalf("client %v, server %v", client.fate, server.fate)
				}
				for _, a := range []*actor{client, server} {
					if err := a.loop.Wait(clock.Now() + 1e6); err != nil {
						t.Fatal(err)
					}
				}
			}
			if client.tear.End() != EndEarly || server.tear.End() != EndOther {
				t.Errorf("ended as %d and %d; want early and other", client.tear.End(), server.tear.End())
			}
		})
	}
}
