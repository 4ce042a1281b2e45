package drain

import (
	"context"
	"errors"
	"time"

	"lastack/bench/process"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/clock"
)

// conclude ends the load in order and, if the server was stopped, completes the evidence; otherwise w is nil. broken is why the try went no
// further.
func (t *try) conclude(ctx context.Context, w *watch, broken error) (*loadgen.Result, error) {
	e := &t.seen
	if w != nil {
		w.collectOpen()
		e.concluded = clock.Now()
	}
	t.endLoad(ctx)
	if w != nil && w.pace != nil {
		e.paused = w.pace.end()
	}
	result, err := t.load.Wait()
	err = errors.Join(broken, err)
	if w == nil || result == nil {
		return result, err
	}
	// The clock of all times does not go on while the machine is suspended.
	e.paused = max(e.paused, int64(result.Halts.Suspended))
	e.journal, e.total, e.atEnd = result.Journal, result.Total(), t.load.Snapshot()
	t.show(&e.atEnd, true)
	t.settle(ctx)
	e.after, e.unread = t.observer.Counters()[0], t.observer.Unread()
	e.ownCounters = t.sandboxed() && len(t.beside) == 0
	if t.capture != nil {
		if e.packets, e.noPackets = t.capture.Stop(); e.noPackets != nil {
			e.packets = nil
		}
	}
	e.interrupted = ctx.Err() != nil || t.interrupted
	w.collect()
	t.stopped = true
	return result, err
}

// endLoad makes the clients close their connections, or drop them at an interrupt.
func (t *try) endLoad(ctx context.Context) {
	if ctx.Err() != nil {
		t.load.Interrupt()
		return
	}
	t.load.Conclude()
	t.await(ctx)
	t.load.Stop()
}

// concludeSlack is how late a request's timeout may be seen.
const concludeSlack = time.Second

// await waits until the requests under way at the end of the watch are answered or lost. It says so if that takes long.
func (t *try) await(ctx context.Context) {
	limit := max(t.Load.RequestTimeout, t.Load.ConnectTimeout) + concludeSlack
	done := func() (bool, error) {
		t.showLoad()
		return isClosed(t.load.Done()), nil
	}
	if over, _ := tick(ctx, concludeSlack, done); over || ctx.Err() != nil {
		return
	}
	t.say("waiting for requests without a reply")
	_, _ = tick(ctx, limit-concludeSlack, done)
}

// settleAtMost bounds the wait for the load's sockets to close.
const settleAtMost = time.Second

// settle waits until no socket of the load is still closing or connecting, so that the kernel's counters are final.
func (t *try) settle(ctx context.Context) {
	_, _ = tick(ctx, settleAtMost, func() (bool, error) {
		var c sockstate.Census
		if err := t.server.diag.Census(t.filter(), &c); err != nil {
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

// collectOpen reads what can be seen only while connections are open.
func (w *watch) collectOpen() {
	e := &w.seen
	e.owners = w.owners()
	if w.server.proc != nil && e.exited != 0 && e.gone == 0 {
		e.server.listening, _, _ = w.server.holders() // none: then it is not known
	}
	if len(w.Stop.Restart) > 0 {
		e.restartFailed = w.whyNotBack()
	}
}

// collect adds what was seen of the server, the stop command and the programs beside.
func (w *watch) collect() {
	e, s := &w.seen, &w.seen.server
	s.local, s.behind, s.process = w.server.local(), w.server.behind, w.server.evidence()
	e.stop = w.Stop
	if w.hook != nil {
		e.hook = &hookEvidence{said: w.hook.Said(), exit: w.hook.Exit()}
	}
	for _, b := range w.beside {
		e.beside = append(e.beside, b.record(&e.times))
	}
	if path := w.Stop.Ledger; path != "" {
		e.ledger, e.noLedger = readLedger(path, w.ledgerBefore)
	}
	e.warnings = append(e.warnings, w.server.warnings...)
}

// evidence is what is known of the server's process, nil without one.
func (s *server) evidence() *processEvidence {
	if s.proc == nil {
		return nil
	}
	p := s.proc
	if s.main != nil {
		p = s.main
	}
	e := &processEvidence{pid: s.proc.PID(), said: s.said(), trouble: p.Trouble(), exit: s.proc.Exit()}
	switch by, reason := p.Contained(); by {
	case process.PIDNamespace:
		e.contained = "pid_namespace"
	case process.Group:
		e.contained, e.whyNoPIDs = "process_group", reason
	case process.Auto:
	}
	return e
}
