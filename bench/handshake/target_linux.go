package handshake

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lastack/bench/ladder"
	"lastack/bench/record"
	"lastack/sockstate"
	"lastack/sockstate/capture"
	"lastack/sockstate/clock"
	"lastack/sockstate/sockdiag"
	"lastack/sockstate/sockio"
	"lastack/sockstate/teardown"
)

// targetLimit bounds how long a TARGET may take for all that it does by itself.
const targetLimit = 30 * time.Second

// watchful is how long the client's states are looked up without rest after one has changed, where no packets are seen.
const watchful = 10 * time.Millisecond

// aimed watches the client's end of a connection to a server somewhere else.
type aimed struct {
	setup *Setup
	tap   *capture.Tap // nil without the privilege
	diag  *sockdiag.Conn
	end   *end

	watch ladder.Watch
	// calls are those that are no events yet.
	calls     []ladder.Event
	local     netip.AddrPort
	ends      [sockstate.NumSides]ladder.Machine
	state     sockstate.State // of the client, by the kernel
	mini      bool
	last      int64
	countdown countdown
	// late is set if the server had not done its part when the watch ended.
	late bool
	buf  []byte
}

// runTarget watches a connection to the setup's Target.
//
// Without the privilege to see packets the client's states are looked up as often as can be, and that is all: Watch.Unseen is set.
// notOpened says why there was no connection; empty if there was one.
func runTarget(ctx context.Context, s *Setup, emit func(record.Event)) (w *ladder.Watch, warnings []string, notOpened string, err error) {
	a := &aimed{setup: s, buf: make([]byte, 64<<10), countdown: countdown{emit: emit}}
	a.ends[sockstate.Server].State = sockstate.Listen
	a.watch.Server = s.Target
	a.tap, err = capture.OpenTap(capture.Config{Server: s.Target, Filter: capture.Filter{All: true}})
	blind, isBlind := errors.AsType[*capture.Error](err)
	switch {
	case err == nil:
		defer func() { err = errors.Join(err, a.tap.Close()) }()
		a.watch.Link = a.tap.Link()
	case isBlind && blind.Call == "route":
		a.blind() // connect says the same
	case !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES):
		return nil, nil, "", err
	default:
		a.blind()
		warnings = append(warnings, "handshake: the packets cannot be seen without CAP_NET_RAW, only the client's states: be root to see both, or leave out the TARGET for a connection in a sandbox")
	}
	if a.diag, err = sockdiag.Open(nil); err != nil {
		return nil, nil, "", err
	}
	defer func() { err = errors.Join(err, a.diag.Close()) }()
	if a.end, err = newEnd(sockstate.Client, s, a.called); err != nil {
		return nil, nil, "", err
	}
	defer func() { err = errors.Join(err, a.end.loop.CloseAll(true)) }()
	if err := a.watchAll(ctx); err != nil {
		return nil, nil, "", err
	}
	switch {
	case a.end.phase == dialing && ctx.Err() == nil:
		notOpened = fmt.Sprintf("%s does not answer: no connection within %v", s.Target, targetLimit)
	case !a.end.opened && a.end.err != nil:
		notOpened = whyNotOpened(s.Target, a.end.err)
	case !a.watch.Unseen && len(a.watch.Packets) == 0 && ctx.Err() == nil:
		return nil, nil, "", fmt.Errorf("no packet to %s was seen: the connection takes another way than the route says", s.Target)
	default:
		warnings = append(warnings, a.doubts()...)
	}
	if notOpened != "" {
		a.neverListened()
	}
	return &a.watch, warnings, notOpened, nil
}

// doubts are what the client's end met, and what the server left undone: both may be so.
func (a *aimed) doubts() (all []string) {
	if a.end.err != nil {
		all = append(all, fmt.Sprintf("handshake: the client: %v", a.end.err))
	}
	if a.late {
		all = append(all, fmt.Sprintf("handshake: the server did not close within %v: the connection was watched no longer", targetLimit))
	}
	return all
}

// whyNotOpened is the sentence for a TARGET to which no connection could be opened.
func whyNotOpened(target netip.AddrPort, err error) string {
	errno, _ := errors.AsType[syscall.Errno](err)
	switch errno {
	case unix.ECONNREFUSED:
		return fmt.Sprintf("%s refused the connection (ECONNREFUSED): no server listens there, or a firewall refuses for it", target)
	case unix.ENETUNREACH, unix.EHOSTUNREACH:
		return fmt.Sprintf("%s cannot be reached (%v): see the routes of this host", target, errno)
	}
	return fmt.Sprintf("no connection to %s could be opened: %v", target, err)
}

// blind goes on without packets.
func (a *aimed) blind() {
	a.watch.Unseen = true
	a.ends[sockstate.Server].State = 0
}

// neverListened takes back that the server listened, which only a SYN|ACK shows.
func (a *aimed) neverListened() {
	never := func(s *sockstate.State) {
		if *s == sockstate.Listen {
			*s = sockstate.Closed
		}
	}
	never(&a.watch.Began[sockstate.Server])
	for i := range a.watch.Events {
		never(&a.watch.Events[i].States[sockstate.Server])
	}
}

// called notes a system call. The packets before it may not have been read yet.
func (a *aimed) called(side sockstate.Side, c ladder.Call) {
	if a.watch.Unseen { // the state that the call ends
		a.learnAddress()
		if _, err := a.look(); err != nil && a.end.err == nil {
			a.end.err = err
		}
	}
	a.calls = append(a.calls, ladder.Event{At: clock.Now(), Kind: ladder.Called, Side: side, Call: c})
}

// callsBefore adds the calls from before a time to the events.
func (a *aimed) callsBefore(at int64) {
	for len(a.calls) > 0 && a.calls[0].At < at {
		a.calls[0].States = a.states()
		a.watch.Events = append(a.watch.Events, a.calls[0])
		a.calls = a.calls[1:]
	}
}

func (a *aimed) states() [sockstate.NumSides]sockstate.State {
	return [...]sockstate.State{a.ends[0].State, a.ends[1].State}
}

func (a *aimed) watchAll(ctx context.Context) error {
	a.watch.Began = a.states()
	a.end.dial = sockio.Dial{Remote: sockio.NewAddr(a.setup.Target)}
	a.end.phase = dialing
	a.end.loop.Dial(a.end.sock, &a.end.dial)
	a.learnAddress()
	a.last = clock.Now()
	deadline := a.last + int64(targetLimit) + int64(a.setup.Hold)
	if a.setup.Follow {
		deadline += int64(watchLimit)
	}
	for {
		did, err := a.end.run()
		if err != nil {
			return err
		}
		a.learnAddress()
		saw, err := a.read()
		if err != nil {
			return err
		}
		changed := false
		if !saw {
			if changed, err = a.look(); err != nil {
				return err
			}
		}
		now := clock.Now()
		switch {
		case did || saw || changed:
			a.last = now
			continue
		case ctx.Err() != nil || now > deadline || a.settled(now):
			a.late = ctx.Err() == nil && now > deadline && !a.end.over()
			a.watch.End = now
			return nil
		}
		if a.setup.Follow && a.mini {
			a.countdown.tell(now, a.states(), a.watch.Left)
		}
		var fds []unix.PollFd
		if !a.watch.Unseen {
			fds = append(fds, unix.PollFd{Fd: int32(a.tap.FD()), Events: unix.POLLIN})
		} else if now-a.last < int64(watchful) {
			continue // states follow each other faster than a timer
		}
		if _, err := unix.Poll(fds, int(nextTimer.Milliseconds())); err != nil && !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("poll", err)
		}
	}
}

// learnAddress looks up the client's address, which the kernel chooses.
func (a *aimed) learnAddress() {
	if a.local.IsValid() || a.end.phase == gone {
		return
	}
	if at, err := a.end.loop.LocalAddr(a.end.sock); err == nil && at.Port() != 0 {
		a.local, a.watch.Client = at, at
	}
}

// read takes the packets that the tap has seen.
func (a *aimed) read() (any bool, err error) {
	if a.watch.Unseen {
		a.callsBefore(clock.Now())
		return false, nil
	}
	for a.local.IsValid() || a.end.over() {
		n, at, err := a.tap.Read(a.buf)
		if err != nil {
			return any, err
		}
		if n == 0 {
			a.callsBefore(clock.Now())
			return any, nil
		}
		p, ok := ladder.Decode(slices.Clone(a.buf[:n]))
		if ok && !a.local.IsValid() && p.Destination == a.setup.Target && p.Flags.Has(ladder.SYN) {
			a.local, a.watch.Client = p.Source, p.Source // of a socket that was refused before it could be asked
		}
		if !ok || p.Source != a.local && p.Destination != a.local {
			continue
		}
		a.callsBefore(at)
		if last := len(a.watch.Events) - 1; last >= 0 {
			at = max(at, a.watch.Events[last].At) // both clocks may differ by a little
		}
		any = true
		from := sockstate.Server
		if p.Source == a.local {
			from = sockstate.Client
		}
		a.watch.Packets = append(a.watch.Packets, p)
		a.ends[from].Sent(&p)
		e := ladder.Event{At: at, Kind: ladder.Sent, Packet: len(a.watch.Packets) - 1, States: a.states()}
		a.watch.Events = append(a.watch.Events, e)
		a.ends[from.Other()].Received(&p)
		e.Kind, e.States = ladder.Arrived, a.states()
		a.watch.Events = append(a.watch.Events, e)
	}
	return any, nil
}

// look looks up the client's state. What the kernel says goes before what the packets say.
func (a *aimed) look() (changed bool, err error) {
	if !a.local.IsValid() || !a.watch.Unseen && len(a.watch.Packets) == 0 {
		return false, nil
	}
	s, ok, err := a.diag.Find(sockstate.Tuple{Local: a.local, Remote: a.setup.Target})
	if err != nil {
		return false, err
	}
	a.state, a.mini, a.watch.Left[sockstate.Client] = sockstate.Closed, false, 0
	if ok {
		a.state, a.mini = s.State, s.Mini
		a.watch.Left[sockstate.Client] = s.Left
	}
	c := &a.ends[sockstate.Client]
	if c.State == a.state {
		return false, nil
	}
	c.State = a.state
	a.watch.Events = append(a.watch.Events, ladder.Event{At: clock.Now(), Kind: ladder.Changed, Side: sockstate.Client, States: a.states()})
	return true, nil
}

// settled reports whether nothing more will happen at the client's end.
func (a *aimed) settled(now int64) bool {
	rest := int64(quiet)
	if a.local.IsValid() && !a.watch.Unseen && len(a.watch.Packets) == 0 {
		return now-a.last >= int64(stalled)
	}
	switch {
	case a.end.timed || a.setup.Follow && a.mini:
		return false
	case a.setup.Close.Who == teardown.Nobody:
		rest = max(rest, int64(a.setup.Hold))
	case !a.end.over():
		return false // the limit ends a wait for the server
	}
	switch a.ends[sockstate.Client].State {
	case sockstate.Closed, sockstate.TimeWait:
	case sockstate.FinWait2:
		rest = int64(targetLimit) // the server may still close
	case sockstate.Established:
	default:
		return false
	}
	return now-a.last >= rest
}
