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

// conclude ends the load in order, and collects the evidence of a server that was stopped; w is nil for one that was not. broken is why
// the try went no further.
func (t *try) conclude(ctx context.Context, w *watch, broken error) (*loadgen.Result, *evidence, error) {
	e := &evidence{}
	if w != nil {
		w.collectOpen(e)
		w.concluded = clock.Now()
	}
	t.endLoad(ctx)
	if w != nil && w.pace != nil {
		w.paused = w.pace.end()
	}
	result, err := t.load.Wait()
	err = errors.Join(broken, err)
	if w == nil || result == nil {
		return result, nil, err
	}
	// The clock of all times does not go on while the machine is suspended.
	w.paused = max(w.paused, int64(result.Halts.Suspended))
	e.journal, e.total, e.atMark, e.atEnd = result.Journal, result.Total(), t.marked, t.load.Snapshot()
	t.settle(ctx)
	e.before, e.after, e.unread = t.before, t.observer.Counters()[0], t.observer.Unread()
	e.ownCounters = t.sandboxed() && len(t.beside) == 0
	if e.noPackets = t.noPackets; t.capture != nil {
		if e.packets, e.noPackets = t.capture.Stop(); e.noPackets != nil {
			e.packets = nil
		}
	}
	e.interrupted = ctx.Err() != nil || t.interrupted
	w.collect(e)
	return result, e, err
}

// endLoad has the clients close what they have, or drop it at an interrupt.
func (t *try) endLoad(ctx context.Context) {
	if ctx.Err() != nil {
		t.load.Interrupt()
		return
	}
	t.load.Conclude()
	t.await(ctx)
	t.load.Stop()
}

// concludeSlack is how much later than its time a request's timeout may be seen.
const concludeSlack = time.Second

// await waits until the requests under way at the end of the watch are answered or lost. It tells if that takes long.
func (t *try) await(ctx context.Context) {
	limit := max(t.Load.RequestTimeout, t.Load.ConnectTimeout) + concludeSlack
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
	t.say("waiting for requests without a reply")
	_, _ = tick(ctx, limit-concludeSlack, done)
}

// settleAtMost bounds the wait for sockets of the load that are still about to close.
const settleAtMost = time.Second

// settle waits until no socket of the load is between two states, so that the kernel's counters are final.
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

// collectOpen reads what can be seen only while clients have their connections.
func (w *watch) collectOpen(e *evidence) {
	e.owners = w.owners()
	if w.server.proc != nil && w.exited != 0 && w.gone == 0 {
		w.seen.listening, _, _ = w.server.holders() // none: then it is not known
	}
	if len(w.Stop.Restart) > 0 {
		e.restartFailed = w.next.why(w.server)
	}
}

// collect adds what was seen of the server, the stop command and the programs beside.
func (w *watch) collect(e *evidence) {
	if n := w.next; n != nil {
		w.restarted, w.listening = n.started, n.listening
	}
	w.seen.local, w.seen.behind, w.seen.process = w.server.local(), w.server.behind, w.server.evidence()
	e.times, e.server = w.times, w.seen
	e.stop, e.groups, e.queue, e.probed = w.Stop, w.groups, w.queue, w.probed
	if w.hook != nil {
		e.hook = &hookEvidence{said: w.hook.Said(), exit: w.hook.Exit()}
	}
	for _, b := range w.beside {
		e.beside = append(e.beside, b.record(&e.times))
	}
	if path := w.Stop.Ledger; path != "" {
		e.ledger, e.noLedger = readLedger(path, w.ledgerBefore)
	}
	e.warnings = append(w.warnings, w.server.warnings...)
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
