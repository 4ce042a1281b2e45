package loadgen

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"lastack/sockstate"
	"lastack/sockstate/clock"
	"lastack/sockstate/sockio"
)

// mustStart starts a load.
func mustStart(ctx context.Context, t testing.TB, g *Generator) {
	t.Helper()
	if err := g.Start(ctx); err != nil {
		t.Fatal(err)
	}
}

// fakeLoop is a Loop without a kernel: on says what an operation comes to. It runs on the real clock,
// and completes one operation after the other.
type fakeLoop struct {
	handler sockio.Handler
	on      func(l *fakeLoop, c call)
	queue   []call
	timers  map[sockio.Sock]int64
	sent    map[sockio.Sock]int64 // when connect had been called
	calls   map[sockio.Op]int
	wake    chan struct{}
	mu      sync.Mutex
	closed  bool
	fail    error // what the next Wait returns
}

type call struct {
	op     sockio.Op
	s      sockio.Sock
	at     int64 // when it was asked for
	first  bool  // a dial with something to send
	remote netip.AddrPort
}

// fakeLoops makes a Backend.New and keeps what it made.
type fakeLoops struct {
	on   func(l *fakeLoop, c call)
	err  func(n int) error // why the n-th loop cannot be made
	made []*fakeLoop
	mu   sync.Mutex
}

func (f *fakeLoops) new(cfg sockio.Config) (sockio.Loop, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.made)
	l := &fakeLoop{
		handler: cfg.Handler, on: f.on, timers: make(map[sockio.Sock]int64), sent: make(map[sockio.Sock]int64),
		calls: make(map[sockio.Op]int), wake: make(chan struct{}, 1),
	}
	f.made = append(f.made, l)
	if f.err != nil {
		if err := f.err(n); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// complete hands a completion to the worker.
func (l *fakeLoop) complete(op sockio.Op, s sockio.Sock, e sockio.Errno, n int) {
	l.handler.Complete(&sockio.Completion{Op: op, Sock: s, Errno: e, N: n, At: clock.Now(), Data: make([]byte, max(n, 0))})
}

func (l *fakeLoop) add(c call) {
	l.calls[c.op]++
	c.at = clock.Now()
	l.queue = append(l.queue, c)
}

func (l *fakeLoop) Name() string { return "fake" }
func (l *fakeLoop) Now() int64   { return clock.Now() }

func (l *fakeLoop) Dial(s sockio.Sock, d *sockio.Dial) {
	delete(l.sent, s)
	l.add(call{op: sockio.OpConnect, s: s, first: d.First != nil, remote: d.Remote.AddrPort()})
}

func (l *fakeLoop) ConnectSent(s sockio.Sock) int64 { return l.sent[s] }

func (l *fakeLoop) Send(s sockio.Sock, _ []byte) { l.add(call{op: sockio.OpSend, s: s}) }

func (l *fakeLoop) Recv(s sockio.Sock, _ int) { l.add(call{op: sockio.OpRecv, s: s}) }

func (l *fakeLoop) Poll(s sockio.Sock) { l.add(call{op: sockio.OpPoll, s: s}) }

func (l *fakeLoop) PeerEnd(s sockio.Sock, _ bool) { l.add(call{op: sockio.OpPeerEnd, s: s}) }

func (l *fakeLoop) Shutdown(s sockio.Sock) { l.add(call{op: sockio.OpShutdown, s: s}) }

func (l *fakeLoop) SetLinger(s sockio.Sock, _ int) { l.add(call{op: sockio.OpSetsockopt, s: s}) }

func (l *fakeLoop) Close(s sockio.Sock, _ bool) {
	l.drop(s)
	l.add(call{op: sockio.OpClose, s: s})
}

func (l *fakeLoop) Cancel(s sockio.Sock)                       { l.drop(s) }
func (l *fakeLoop) Accept(int, int) error                      { return errors.New("a load does not accept") }
func (l *fakeLoop) StopAccept()                                {}
func (l *fakeLoop) SetTimer(s sockio.Sock, at int64)           { l.timers[s] = at }
func (l *fakeLoop) StopTimer(s sockio.Sock)                    { delete(l.timers, s) }
func (l *fakeLoop) Info(sockio.Sock, *sockstate.TCPInfo) error { return errors.New("no kernel") }
func (l *fakeLoop) LocalAddr(sockio.Sock) (netip.AddrPort, error) {
	return netip.AddrPort{}, errors.New("no kernel")
}

// drop forgets the pending operations of s.
func (l *fakeLoop) drop(s sockio.Sock) {
	kept := l.queue[:0]
	for _, c := range l.queue {
		if c.s != s || c.op == sockio.OpPeerEnd || c.op == sockio.OpShutdown || c.op == sockio.OpSetsockopt {
			kept = append(kept, c)
		}
	}
	l.queue = kept
}

func (l *fakeLoop) Wait(until int64) error {
	if l.fail != nil {
		return l.fail
	}
	for s, at := range l.timers {
		if at <= clock.Now() {
			delete(l.timers, s)
			l.complete(sockio.OpTimeout, s, 0, 0)
			return nil
		}
		until = min(until, at)
	}
	if len(l.queue) > 0 {
		c := l.queue[0]
		l.queue = l.queue[1:]
		if c.op == sockio.OpConnect {
			l.sent[c.s] = clock.Now()
		}
		l.on(l, c)
		return l.fail
	}
	select {
	case <-l.wake:
		l.complete(sockio.OpWake, -1, 0, 0)
	case <-time.After(time.Duration(max(until-clock.Now(), 0))):
	}
	return nil
}

func (l *fakeLoop) Wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		panic("a loop is woken after it was closed")
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *fakeLoop) CloseAll(bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		panic("a loop is closed twice")
	}
	l.closed = true
	return nil
}

// wellBehaved completes every operation as a peer would that echoes and then waits for EOF.
func wellBehaved(l *fakeLoop, c call) {
	switch c.op {
	case sockio.OpConnect:
		l.complete(sockio.OpConnect, c.s, 0, 0)
		if c.first {
			l.complete(sockio.OpSend, c.s, 0, 1)
		}
	case sockio.OpRecv, sockio.OpPoll, sockio.OpSend:
		l.complete(c.op, c.s, 0, 1)
	case sockio.OpClose:
		l.complete(sockio.OpClose, c.s, 0, 0)
	}
}
