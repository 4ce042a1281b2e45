package drain

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"lastack/bench"
	"lastack/bench/metric"
	"lastack/bench/process"
	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/capture"
	"lastack/sockstate/clock"
	"lastack/sockstate/exchange"
	"lastack/sockstate/netns"
	"lastack/sockstate/observe"
	"lastack/sockstate/sockdiag"
	"lastack/sockstate/sockio"
)

// try is one stop of the server:
//
//	open      the server is there; packets are captured, counters read
//	hold      all groups are open, for Stop.After
//	fill      the server is halted while the queued group connects
//	stop      the journal is armed, the signal sent
//	watch     until the server is gone or back, and no old connection is left
//	conclude  clients close what they have; what is left of the server is looked at
type try struct {
	x    *experiment
	spec *Spec
	n    int

	kinds      []groupKind
	target     *target
	restart    *process.Process
	hook       *process.Process
	load       *loadgen.Generator
	watch      *observe.Observer
	capture    *capture.Capture
	captureErr error
	before     sockstate.Counters
	probed     int64 // connections on which the server was listened to

	ledgerBefore os.FileInfo // what stood where the server writes its ledger

	ev      evidence
	rec     record.DrainTry
	sending time.Duration // of the signal
	trace   *capture.Trace
	result  *loadgen.Result
	failed  error // of a try that went on
	// looked is set when what the server has left was looked at.
	looked bool
	// nextHolders is when to look next whose the old listeners are.
	nextHolders int64
	// listening are processes of the old server that listened still when the watch ended.
	listening []int
	// atGrace are those that listened still when the grace was over; graceOver is set when that was looked up.
	atGrace   []int
	graceOver bool
	// reloadEnded is set when a server was gone that was to reload.
	reloadEnded bool
	// pacing ends what looks whether this program runs.
	pacing func()
	// left are the sockets on the server's port, by their clients' addresses, when the server was gone.
	left map[netip.AddrPort]sockdiag.Socket
	// restartAt is where the restart listens, if that is not the target.
	restartAt string
	astray    wrongPlace // of the restart
	handover  []process.Listener
}

// pollEvery is how often the watch looks.
const pollEvery = 5 * time.Millisecond

// concludeSlack is how much later than its time a request's timeout may be seen.
const concludeSlack = time.Second

// run makes the try. What it came to is in result, nil if there was no load.
func (t *try) run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, t.close()) }()
	t.x.phase(t.n, "starting")
	if err := t.open(ctx); err != nil {
		return err
	}
	t.load.Start(ctx)
	t.ev.begun = clock.Now()
	steps := []struct {
		phase string
		do    func(context.Context) error
	}{
		{"connecting", t.hold}, {"filling the accept queue", t.fill}, {"stopping the server", t.stop}, {"watching", t.observe},
	}
	for _, s := range steps {
		if s.phase == "filling the accept queue" && t.spec.Load.Queued == 0 {
			continue
		}
		t.x.phase(t.n, s.phase)
		if err = s.do(ctx); err != nil || ctx.Err() != nil {
			break
		}
	}
	return errors.Join(err, t.conclude(ctx))
}

// open finds or starts the server, and opens what observes it and loads it.
func (t *try) open(ctx context.Context) (err error) {
	c := t.spec
	if t.x.FewPorts != "" {
		t.warn("%s", t.x.FewPorts)
	}
	if c.Stop.Ledger != "" {
		if t.ledgerBefore, err = lookAtLedger(c.Stop.Ledger); err != nil {
			return err
		}
	}
	back := t.x.back
	t.x.back = nil
	if t.target, err = openTarget(ctx, t.x, back, t.clear); err != nil {
		return err
	}
	plan, kinds := c.plan() // of the address on which the server listens
	t.kinds = kinds
	if err := t.greeted(ctx, &plan); err != nil {
		return err
	}
	if t.watch, err = observe.New(observe.Config{Filter: sockstate.Filter{Servers: []netip.AddrPort{c.Target}}}); err != nil {
		return err
	}
	t.before = t.watch.Counters()[0]
	t.capture, t.captureErr = capture.Open(capture.Config{Server: c.Target})
	t.load, err = loadgen.New(loadgen.Config{Plan: plan, Backend: t.x.backend, Slots: t.x.Slots, Journal: true})
	return err
}

// greeted refuses a server that speaks before it is asked.
func (t *try) greeted(ctx context.Context, p *loadgen.Plan) error {
	asked := slices.ContainsFunc(p.Groups, func(g loadgen.Group) bool { return !g.Gated && g.Exchange.Kind != exchange.None })
	if t.n > 0 || !asked {
		return nil
	}
	said, connected := bench.Greeting(ctx, t.spec.Target, netip.Addr{})
	if connected {
		t.probed, t.x.probed = 1, 1
	}
	if len(said) > 0 {
		return fmt.Errorf("%v speaks before it is asked, so that no reply of its tells what became of a request (it begins %s): check the port, or have the server read a request before it answers",
			t.spec.Target, exchange.Beginning(said))
	}
	return nil
}

// clear removes what earlier tries have left on the port, in a sandbox: a server that does not set SO_REUSEADDR could not
// bind otherwise.
func (t *try) clear(diag sockets) error {
	if !t.x.sandboxed() || t.n == 0 {
		return nil
	}
	_, err := diag.DestroyAll(&sockstate.Filter{Servers: []netip.AddrPort{t.spec.Target}}, func(s *sockdiag.Socket) bool {
		return s.State != sockstate.Listen && s.Inode == 0
	})
	return err
}

// tick calls each every so often until it is done, fails, or the time is over.
func tick(ctx context.Context, atMost time.Duration, each func() (done bool, err error)) (done bool, err error) {
	clock := time.NewTicker(pollEvery)
	defer clock.Stop()
	for limit := time.Now().Add(atMost); ; {
		if done, err = each(); done || err != nil {
			return done, err
		}
		select {
		case <-ctx.Done():
			return false, nil
		case <-clock.C:
		}
		if !time.Now().Before(limit) {
			return false, nil
		}
	}
}

// died is the error of a server that ended before it was to.
func (t *try) died() error {
	why, err := t.target.died()
	if err = errors.Join(err, t.x.alsoDied()); err != nil {
		return err
	}
	if why != "" {
		return &StartError{Command: t.command(), Why: why, Said: t.target.said()}
	}
	return nil
}

func (t *try) command() []string {
	if len(t.spec.Stop.Exec) > 0 {
		return t.spec.Stop.Exec
	}
	return []string{fmt.Sprintf("process %d", t.target.proc.PID())}
}

func (t *try) warn(format string, args ...any) {
	t.rec.Warnings = append(t.rec.Warnings, fmt.Sprintf(format, args...))
}

// takeOver starts the server that shares the port.
func (t *try) takeOver(ctx context.Context) (err error) {
	t.x.phase(t.n, "starting the server that takes over")
	if err := t.target.ready(true); err != nil {
		return err
	}
	t.handover = t.target.listeners
	if err := t.startAgain(); err != nil {
		return err
	}
	old := t.target.listeners
	if err := t.target.await(ctx, t.restart, old, t.spec.Stop.Restart); err != nil {
		return err
	}
	t.target.listeners = old
	t.ev.restartReady = clock.Now()
	return nil
}

func (t *try) startAgain() (err error) {
	spec := process.Spec{Args: t.spec.Stop.Restart, Contain: t.spec.Stop.Contain}
	switch p := t.target.own(); {
	case p != nil:
		spec.Beside = p // so that both see each other's numbers, as on a host
	case spec.Contain == "" || spec.Contain == process.Auto:
		spec.Contain = process.Group // it may signal a server that is outside, by its number
	}
	t.ev.restarted = clock.Now()
	t.restart, err = process.Start(spec)
	return err
}

// stop arms the journal and sends the signal, or starts the hook.
func (t *try) stop(context.Context) (err error) {
	if t.restart == nil { // else its listeners are there too
		err = t.target.ready(true)
	}
	if err := errors.Join(t.died(), err); err != nil {
		return err
	}
	t.ev.atArm = t.load.Mark()
	t.warnEnded()
	t.ev.signal = clock.Now()
	if hook := t.spec.Stop.Hook; hook != "" {
		// The command began somewhere in between.
		t.hook, err = process.Start(process.Hook(hook, t.target.own()))
		t.sending = time.Duration(clock.Now() - t.ev.signal)
		if err != nil {
			t.ev.signal = 0 // the server was not stopped
		}
		return err
	}
	if err := t.signal(t.spec.Stop.Signal); err != nil {
		if died := t.died(); died != nil {
			t.ev.signal = 0 // it ended before the signal
			return died
		}
		t.rec.Server.SignalFailed = err.Error()
		return err
	}
	return nil
}

// fresh is a sleep after which a thread has a claim to its CPU.
const fresh = 300 * time.Microsecond

// signal sends a signal and notes when. The server, which the signal wakes, must not take the CPU from the sender before
// the time is read: a thread with short slices that has just slept keeps it.
func (t *try) signal(sig syscall.Signal) error {
	return netns.OnOwnThread(func() error {
		sockio.BePrompt()
		send := func() error {
			time.Sleep(fresh)
			t.ev.signal = clock.Now()
			err := t.target.proc.Signal(sig)
			if !errors.Is(err, syscall.ESRCH) {
				err = errors.Join(err, t.target.goOn()) // a halted server acts on the signal only when it goes on
			}
			t.sending = time.Duration(clock.Now() - t.ev.signal)
			return err
		}
		err := send()
		for range looksAtMost {
			if !errors.Is(err, syscall.ESRCH) {
				break
			}
			// A launcher that ended since ready has looked: its server gets the signal.
			moved, ferr := t.target.followEnded()
			if ferr != nil || !moved {
				err = errors.Join(err, ferr)
				break
			}
			err = send()
		}
		return err
	})
}

// conclude ends the load in order, and looks at what is left.
func (t *try) conclude(ctx context.Context) error {
	if t.ev.signal != 0 {
		t.owners()
		if t.target.proc != nil && t.ev.exited != 0 && t.ev.gone == 0 {
			t.listening, _, _ = t.target.holders() // none: then it is not known
		}
		if t.restart != nil && t.ev.restartReady == 0 {
			t.restartAt = t.target.elsewhere(t.restart)
		}
	}
	t.ev.concluded = clock.Now()
	if ctx.Err() != nil {
		t.load.Interrupt()
	} else {
		t.load.Conclude()
		t.await(ctx)
		t.load.Stop()
	}
	if t.pacing != nil {
		t.pacing()
	}
	result, err := t.load.Wait()
	t.result = result
	if t.ev.signal == 0 {
		return err // the server was never stopped
	}
	t.ev.atEnd = t.load.Snapshot()
	t.settle(ctx)
	after := t.watch.Counters()[0]
	t.ev.counters = after.Since(t.before)
	t.ev.read = func(name string) bool {
		_, now := after[name]
		_, then := t.before[name]
		return now && then
	}
	t.ev.unread = t.watch.Unread()
	if t.capture != nil {
		var terr error
		if t.trace, terr = t.capture.Stop(); terr != nil {
			t.captureErr, t.trace = terr, nil
		}
	}
	return err
}

// await waits until what was under way when the watch ended is answered or lost, and says so where that takes long.
func (t *try) await(ctx context.Context) {
	limit := max(t.spec.Load.RequestTimeout, t.spec.Load.ConnectTimeout) + concludeSlack
	done := func() (bool, error) {
		select {
		case <-t.load.Done():
			return true, nil
		default:
			return false, nil
		}
	}
	if over, _ := tick(ctx, concludeSlack, done); over || ctx.Err() != nil {
		return
	}
	t.x.phase(t.n, "waiting for requests without a reply")
	_, _ = tick(ctx, limit-concludeSlack, done)
}

// settleAtMost bounds the wait for sockets of the load that are still about to close.
const settleAtMost = time.Second

// settle waits until the kernel has nothing more to count: no socket of the load is on its way.
func (t *try) settle(ctx context.Context) {
	_, _ = tick(ctx, settleAtMost, func() (bool, error) {
		var c sockstate.Census
		if err := t.target.diag.Census(&sockstate.Filter{Servers: []netip.AddrPort{t.spec.Target}}, &c); err != nil {
			return true, nil
		}
		n := 0
		for side := range sockstate.Side(sockstate.NumSides) {
			for _, s := range []sockstate.State{sockstate.FinWait1, sockstate.Closing, sockstate.LastAck, sockstate.SynSent, sockstate.SynRecv} {
				n += c.Count[side][s]
			}
		}
		return n == 0, nil
	})
}

// record says what the try came to.
func (t *try) record() record.DrainTry {
	e, r := &t.ev, &t.rec
	e.groups, e.journal, e.total = t.kinds, t.result.Journal, t.result.Total()
	// The clock of all times does not go on while the machine is suspended.
	e.pace.longest = max(e.pace.longest, int64(t.result.Halts.Suspended))
	e.trace, t.captureErr = e.usable(t.trace, t.captureErr)
	e.own, e.byHook, e.restart = t.x.sandboxed() && len(t.x.also) == 0, t.hook != nil, len(t.spec.Stop.Restart) > 0
	r.Warnings = append(r.Warnings, t.target.warnings...)
	r.Order = e.order(t.sending, t.captureErr)
	e.analyze(r)
	t.describe()
	if t.x.stopped {
		t.describeInterrupted()
	}
	r.Score = metric.ScoreLine(r)
	return *r
}

// close ends what the try has opened or started.
func (t *try) close() error {
	var errs []error
	if t.load != nil {
		_ = t.load.Close() // its error came with Wait
	}
	if t.capture != nil && t.trace == nil {
		_, _ = t.capture.Stop() // nobody reads it
	}
	if t.watch != nil {
		errs = append(errs, t.watch.Close())
	}
	if t.hook != nil {
		errs = append(errs, t.endHook())
	}
	if t.target != nil {
		errs = append(errs, t.keepRestart(), t.target.end())
	} else if t.restart != nil {
		errs = append(errs, t.restart.End())
	}
	return errors.Join(errs...)
}

// endHook ends a stop command that has not ended by itself. What one that has ended left behind lives on: it may be the
// server that it has brought back.
func (t *try) endHook() error {
	if t.ev.hookEnded != 0 && len(t.spec.Stop.Exec) == 0 {
		if err := t.hook.LetGo(); err != nil {
			return err
		}
	}
	return t.hook.End()
}

// keepRestart leaves the server that came back to the next try, if there is one that does not start its own.
func (t *try) keepRestart() error {
	switch {
	case t.restart == nil:
		return nil
	case t.n+1 < t.spec.Repeat && len(t.spec.Stop.Exec) == 0 && t.result != nil && !t.x.stopped:
		t.x.back = t.restart
		return nil
	}
	return t.restart.End()
}
