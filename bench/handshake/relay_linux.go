package handshake

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"lastack/bench/cell"
	"lastack/bench/ladder"
	"lastack/bench/sandbox"
	"lastack/sockstate"
	"lastack/sockstate/clock"
	"lastack/sockstate/netns"
	"lastack/sockstate/sockdiag"
	"lastack/sockstate/sockio"
	"lastack/sockstate/teardown"
)

// The ports of both ends. Port 80 needs no privilege beyond that over the namespace.
const (
	clientPort = 40000
	serverPort = 80
)

// watchLimit bounds how long a connection is watched: six retransmissions, and two TIME_WAITs.
const watchLimit = 4 * time.Minute

// quiet is how long nothing may have happened before a connection that is still open counts as settled: longer than an ACK is delayed.
const quiet = 60 * time.Millisecond

// stalled is how long nothing may have happened before a program that waits for the other side counts as one that waits for ever.
const stalled = 500 * time.Millisecond

// crossing bounds how long a FIN is held back for the other one to cross it.
const crossing = time.Second

// relayed runs the connection through the relay.
type relayed struct {
	setup *Setup
	relay *sandbox.Relay
	trace tracer
	diags [sockstate.NumSides]*sockdiag.Conn
	ends  [sockstate.NumSides]*end

	watch  ladder.Watch
	states [sockstate.NumSides]sockstate.State
	left   [sockstate.NumSides]time.Duration
	// mini is set for a minisocket: TIME_WAIT, or a FIN_WAIT_2 without a process.
	mini [sockstate.NumSides]bool
	// seen is set for a side whose socket has been there: without one, a server listens before, and is closed afterwards.
	seen [sockstate.NumSides]bool

	queue []held
	// finned is set when a side's FIN has come to the relay.
	finned [sockstate.NumSides]bool
	// finFirst is the side whose FIN was the first; -1 before.
	finFirst int
	lost     int
	// lastData is the server's last frame with data, to be replayed.
	lastData *sandbox.Frame
	dataAt   int
	// last is when something happened last; late is the longest time in which this process got no CPU.
	last, late int64
	countdown  countdown
	// more is what a drill does next.
	again, replay bool
	second        bool
}

// held is a frame that waits at the relay.
type held struct {
	sandbox.Frame
	packet int
}

// runRelayed watches a connection in a sandbox. The caller's thread is in the client's namespace, and ends with the call.
//
// It needs a CPU in time: a kernel that waits longer for an answer than its timers do sends again what is not lost. late is the longest time
// in which it got none. Each try has a port of its own.
func runRelayed(ctx context.Context, s *Setup, env cell.Env, try uint16) (w *ladder.Watch, warnings []string, late time.Duration, err error) {
	box := env.Sandbox
	r := &relayed{setup: s, finFirst: -1, again: s.Again, replay: s.Replay, countdown: countdown{emit: env.Emit}}
	if r.relay, err = box.OpenRelay(); err != nil {
		return nil, nil, 0, err
	}
	defer func() { err = errors.Join(err, r.relay.Close()) }()
	for side, ns := range []*netns.NS{box.Client, box.Server} {
		if r.diags[side], err = sockdiag.Open(ns); err != nil {
			return nil, nil, 0, err
		}
		defer func() { err = errors.Join(err, r.diags[side].Close()) }()
	}
	client, server := box.ClientRange4.Addr().Next(), box.ServerAddr4
	if s.V6 {
		if client, server = box.ClientAddr6, box.ServerAddr6; !server.IsValid() {
			return nil, nil, 0, errors.New("--ipv6: this host's kernel has no IPv6: leave the flag out")
		}
	}
	r.watch.Client, r.watch.Server = netip.AddrPortFrom(client, clientPort+try), netip.AddrPortFrom(server, serverPort)
	var listener *sockio.Listener
	err = box.Server.Do(func() (err error) {
		listener, err = sockio.Listen(r.watch.Server, sockio.ListenConfig{Backlog: 8})
		return err
	})
	if err != nil {
		return nil, nil, 0, err
	}
	defer func() { err = errors.Join(err, listener.Close()) }()
	if r.trace, err = startTrace(s.Trace, box); err != nil {
		return nil, nil, 0, err
	}
	defer func() { err = errors.Join(err, r.trace.close()) }()
	for side := range r.ends {
		if r.ends[side], err = newEnd(sockstate.Side(side), s, r.called); err != nil {
			return nil, nil, 0, err
		}
		defer func() { err = errors.Join(err, r.ends[side].loop.CloseAll(true)) }()
	}
	if err := r.ends[sockstate.Server].loop.Accept(listener.FD, 0); err != nil {
		return nil, nil, 0, err
	}
	if err := r.watchAll(ctx); err != nil {
		return nil, nil, 0, err
	}
	r.trace.read(&r.watch)
	r.watch.Trace = r.trace.what
	return &r.watch, r.warnings(ctx.Err() != nil), time.Duration(r.late), nil
}

// watchAll watches the connection until nothing more happens.
func (r *relayed) watchAll(ctx context.Context) error {
	if err := r.look(); err != nil {
		return err
	}
	r.watch.Began = r.states
	var opts []sockio.Opt
	if r.setup.Again {
		opts = append(opts, sockio.NewReuseAddr())
	}
	r.ends[sockstate.Client].connect(r.watch.Client, r.watch.Server, opts...)
	r.last = clock.Now()
	deadline := r.last + int64(watchLimit) + int64(r.setup.Hold) + int64(r.setup.OnEOF.Delay)
	rest := time.Duration(0) // that was meant
	for before := r.last; ; {
		top := clock.Now()
		if r.awaited(before) {
			r.late = max(r.late, top-before-int64(rest))
		}
		before, rest = top, 0
		busy, err := r.step()
		if err != nil {
			return err
		}
		now := clock.Now()
		switch {
		case busy:
			r.last = now
			continue
		case ctx.Err() != nil || now > deadline || r.settled(now):
			if ctx.Err() == nil && now <= deadline && r.goOn() {
				r.last = now
				continue
			}
			r.watch.End = now
			r.watch.Left = r.left
			return nil
		}
		if r.setup.Follow && (r.mini[0] || r.mini[1]) {
			r.countdown.tell(now, r.states, r.left)
		}
		rest = nextTimer
		if r.ends[0].over() && r.ends[1].over() {
			rest *= 4
		}
		if err := r.relay.Wait(int(rest.Milliseconds())); err != nil {
			return err
		}
	}
}

// awaited reports whether a kernel waited for something of this process at a time: it sends again if that is late. In the states left out
// everything has been acknowledged, and what follows is a program's to begin, or a timer's. In ESTABLISHED that is so after a while.
func (r *relayed) awaited(at int64) bool {
	for _, s := range r.states {
		switch {
		case s == sockstate.Established && at-r.last >= int64(stalled):
		case s == 0, s == sockstate.Closed, s == sockstate.Listen, s == sockstate.TimeWait, s == sockstate.FinWait2, s == sockstate.CloseWait:
		default:
			return true
		}
	}
	return len(r.queue) > 0
}

// step forwards a packet, if there is one, and lets both programs run.
func (r *relayed) step() (busy bool, err error) {
	if busy, err = r.receive(); err != nil {
		return false, err
	}
	if i := r.nextHeld(); i >= 0 {
		f := r.queue[i]
		r.queue = append(r.queue[:i], r.queue[i+1:]...)
		if err := r.pass(&f); err != nil {
			return false, err
		}
		// What the kernel answered by itself comes before what the programs do.
		if _, err := r.receive(); err != nil {
			return false, err
		}
		busy = true
	}
	for _, e := range r.ends {
		did, err := e.run()
		if err != nil {
			return false, err
		}
		busy = busy || did
	}
	if busy {
		return true, nil
	}
	return r.tick()
}

// look looks up the states of both ends.
func (r *relayed) look() error {
	for side := range r.diags {
		t := sockstate.Tuple{Local: r.watch.Client, Remote: r.watch.Server}
		if sockstate.Side(side) == sockstate.Server {
			t.Local, t.Remote = t.Remote, t.Local
		}
		s, ok, err := r.diags[side].Find(t)
		if err != nil {
			return err
		}
		r.left[side], r.mini[side] = s.Left, ok && s.Mini
		r.seen[side] = r.seen[side] || ok
		switch {
		case ok && s.State == sockstate.NewSynRecv:
			r.states[side] = sockstate.SynRecv
		case ok:
			r.states[side] = s.State
		case !r.seen[side] && sockstate.Side(side) == sockstate.Server:
			r.states[side] = sockstate.Listen
		default:
			r.states[side] = sockstate.Closed
		}
	}
	return nil
}

// receive takes the packets that the ends have sent. Their states are looked up once for all of them: a state that a side entered belongs
// to the last packet that it sent.
func (r *relayed) receive() (any bool, err error) {
	frames, err := r.relay.Receive(nil)
	if err != nil || len(frames) == 0 {
		return false, err
	}
	states := r.states
	if err := r.look(); err != nil {
		return false, err
	}
	var lastOf [sockstate.NumSides]int
	for i := range frames {
		lastOf[frames[i].From] = i
	}
	for i := range frames {
		f := frames[i]
		p, ok := ladder.Decode(f.Packet())
		if !ok {
			continue // nothing else is sent here
		}
		if lastOf[f.From] == i {
			states[f.From] = r.states[f.From]
		}
		r.watch.Packets = append(r.watch.Packets, p)
		n := len(r.watch.Packets) - 1
		r.watch.Events = append(r.watch.Events, ladder.Event{At: f.At, Kind: ladder.Sent, Packet: n, States: states})
		r.queue = append(r.queue, held{f, n})
		if p.Flags.Has(ladder.FIN) {
			r.finned[f.From] = true
			if r.finFirst < 0 {
				r.finFirst = int(f.From)
			}
		}
		if f.From == sockstate.Server && p.Bytes > 0 {
			r.lastData, r.dataAt = &f, n
		}
	}
	r.states = states
	return true, nil
}

// nextHeld is the first packet that may go on; -1 if there is none. With both:fin a FIN waits for the other one.
func (r *relayed) nextHeld() int {
	var blocked [sockstate.NumSides]bool
	for i := range r.queue {
		f := &r.queue[i]
		if r.setup.Close.Who == teardown.BothAtOnce && r.watch.Packets[f.packet].Flags.Has(ladder.FIN) && !r.finned[f.From.Other()] &&
			clock.Now()-f.At < int64(crossing) {
			blocked[f.From] = true
		}
		if !blocked[f.From] {
			return i
		}
	}
	return -1
}

// pass forwards a packet, or loses it.
func (r *relayed) pass(f *held) error {
	e := ladder.Event{Kind: ladder.Arrived, Packet: f.packet}
	if r.loses(f) {
		r.lost++
		e.Kind = ladder.Dropped
	} else if err := r.relay.Forward(&f.Frame); err != nil {
		return err
	}
	e.At = clock.Now()
	if err := r.look(); err != nil {
		return err
	}
	e.States = r.states
	r.watch.Events = append(r.watch.Events, e)
	return nil
}

// loses reports whether the packet is one to lose.
func (r *relayed) loses(f *held) bool {
	if r.lost >= r.setup.Lose.Times {
		return false
	}
	p := &r.watch.Packets[f.packet]
	to := r.states[f.From.Other()]
	pure := p.Flags == ladder.ACK && p.Bytes == 0
	switch r.setup.Lose.What {
	case loseSYN:
		return p.Flags.Has(ladder.SYN) && !p.Flags.Has(ladder.ACK)
	case loseSYNACK:
		return p.Flags.Has(ladder.SYN | ladder.ACK)
	case loseACK:
		return pure && f.From == sockstate.Client && to == sockstate.SynRecv
	case loseFIN:
		return p.Flags.Has(ladder.FIN) && r.finFirst == int(f.From)
	case loseLastACK:
		return pure && r.finned[f.From] && (to == sockstate.LastAck || to == sockstate.Closing)
	case loseRST:
		return p.Flags.Has(ladder.RST)
	}
	return false
}

// tick notes states that ended by time.
func (r *relayed) tick() (busy bool, err error) {
	before := r.states
	if err := r.look(); err != nil {
		return false, err
	}
	after := r.states
	if after == before {
		return false, nil
	}
	// If an end has sent something meanwhile, the packet is why its state has changed.
	r.states = before
	if busy, err := r.receive(); busy || err != nil {
		return busy, err
	}
	r.states = after
	r.watch.Events = append(r.watch.Events, changes(before, after, clock.Now())...)
	return true, nil
}

// changes are the events of the sides whose states differ, one after the other: each has the states that those before it have left.
func changes(before, after [sockstate.NumSides]sockstate.State, at int64) (all []ladder.Event) {
	for side := range after {
		if after[side] != before[side] {
			before[side] = after[side]
			all = append(all, ladder.Event{At: at, Kind: ladder.Changed, Side: sockstate.Side(side), States: before})
		}
	}
	return all
}

// called notes a system call.
func (r *relayed) called(side sockstate.Side, c ladder.Call) {
	r.watch.Events = append(r.watch.Events, ladder.Event{At: clock.Now(), Kind: ladder.Called, Side: side, Call: c, States: r.states})
}

// settled reports whether nothing more will happen.
func (r *relayed) settled(now int64) bool {
	if len(r.queue) > 0 {
		return false
	}
	rest := int64(0)
	for _, e := range r.ends {
		switch {
		case e.timed:
			return false
		case !e.over() && (e.side == sockstate.Client || e.phase != idle):
			rest = int64(stalled)
		}
	}
	open, mini := r.second, r.mini[0] || r.mini[1]
	for _, s := range r.states {
		switch s {
		case sockstate.Closed, sockstate.Listen, sockstate.TimeWait:
		case sockstate.FinWait2, sockstate.Established, sockstate.CloseWait:
			open = true
		default:
			return false // it sends again until it is answered
		}
	}
	if open {
		rest = max(rest, int64(quiet))
	}
	if r.setup.Close.Who == teardown.Nobody {
		rest = max(rest, int64(r.setup.Hold))
	}
	return now-r.last >= rest && !(r.setup.Follow && mini)
}

// goOn does what a drill does next, and reports whether there was anything.
func (r *relayed) goOn() bool {
	switch {
	case r.again:
		r.again, r.second = false, true
		if r.states[sockstate.Client] == sockstate.TimeWait {
			if err := r.bindPlainly(); errors.Is(err, syscall.EADDRINUSE) {
				r.called(sockstate.Client, ladder.CallBindRefused)
			}
		}
		c := r.ends[sockstate.Client]
		c.setup = &Setup{Spec{Close: teardown.Never}}
		c.closer.Policy = teardown.Never
		c.connect(r.watch.Client, r.watch.Server, sockio.NewReuseAddr())
		return true
	case r.replay && r.lastData != nil:
		r.replay, r.second = false, true
		r.watch.Events = append(r.watch.Events, ladder.Event{At: clock.Now(), Kind: ladder.Replayed, Packet: r.dataAt, States: r.states})
		r.queue = append(r.queue, held{*r.lastData, r.dataAt})
		return true
	}
	return false
}

// bindPlainly tries to bind the client's address without SO_REUSEADDR.
func (r *relayed) bindPlainly() error { return sockio.CanBind(r.watch.Client, false) }

// warnings are doubts about what was seen. What was interrupted could still have been lost.
func (r *relayed) warnings(interrupted bool) (all []string) {
	l := r.setup.Lose
	switch {
	case l.What == loseNone, interrupted:
	case r.lost == 0:
		all = append(all, fmt.Sprintf("handshake: --lose %s: none could be lost: the packet was never sent", l))
	case r.lost < l.Times:
		all = append(all, fmt.Sprintf("handshake: --lose %s: only %d of %d could be lost: the packet was sent no more often", l, r.lost, l.Times))
	}
	for _, e := range r.ends {
		if e.err != nil {
			all = append(all, fmt.Sprintf("handshake: the %v: %v", e.side, e.err))
		}
	}
	return all
}
