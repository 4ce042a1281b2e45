package drain

import (
	"cmp"
	"context"
	"errors"
	"syscall"
	"time"

	"lastack/bench/process"
	"lastack/sockstate/clock"
)

// watch observes the server after it has been told to stop.
type watch struct {
	*try
	hook *process.Process
	pace *pace
	// nextHolders is when to look up again who holds the old listeners. graceOver is set once seen.server.atGrace is known.
	nextHolders int64
	graceOver   bool
}

// run watches until the server has gone or is back and all connections of before the signal are closed, or until the grace is over, and
// then for Stop.Watch.
func (w *watch) run(ctx context.Context) error {
	s := &w.seen
	w.pace = newPace(s.signal)
	grace := s.signal + int64(w.Stop.Grace)
	limit := grace
	var quiet int64 // since when there is nothing to wait for
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-poll.C:
		case <-w.exits():
		}
		w.showLoad()
		now := clock.Now()
		if err := w.look(now); err != nil {
			return err
		}
		if w.awaited() {
			limit = max(limit, s.restarted+int64(cmp.Or(w.Stop.StartTimeout, startAtMost))) // it has its own time
		}
		if !w.graceOver && now >= grace {
			w.graceOver = true
			if s.exited != 0 && s.gone == 0 {
				s.server.atGrace, _, _ = w.server.holders() // none: then it is not known
			}
		}
		if now >= limit && w.sendThen(now) {
			limit = now + int64(thenAtMost)
		}
		switch {
		case !w.over():
			quiet = 0
		case quiet == 0:
			quiet = now
		}
		if quiet != 0 && now >= quiet+int64(w.Stop.Watch) || now >= limit+int64(w.Stop.Watch) {
			return nil
		}
	}
}

// exits is closed when the server ends, so that the watch wakes at once. It is nil afterwards.
func (w *watch) exits() <-chan struct{} {
	if w.server.proc == nil || w.seen.exited != 0 {
		return nil
	}
	return w.server.proc.Exited()
}

// look reads the state of the stop command, the server and its successor.
func (w *watch) look(now int64) error {
	if w.hook != nil {
		w.seen.hookEnded = w.hook.Exit().At
	}
	if gone, err := w.lookAtServer(now); gone || err != nil {
		return err
	}
	if w.next == nil && w.seen.hookEnded != 0 && len(w.Stop.Restart) > 0 && !w.server.local() {
		return w.startNext() // this host cannot see when the old one has gone
	}
	return w.lookAtNext(now)
}

// over reports whether only Stop.Watch is left to wait for.
func (w *watch) over() bool {
	switch {
	case w.server.proc != nil && w.seen.gone == 0 && !w.Stop.reloads():
		return false
	case w.hook != nil && w.seen.hookEnded == 0:
		return false
	case len(w.Stop.Restart) > 0 && (w.next == nil || w.awaited()):
		return false
	}
	if w.seen.gone != 0 && (w.Stop.Handover || w.server.behind) {
		return true // what is left belongs to the server that took over, or to the one in front
	}
	for _, g := range w.snapshot().Groups {
		if g.Before > 0 {
			return false
		}
	}
	return true
}

// thenAtMost is how long a server may take to end after the second signal.
const thenAtMost = 5 * time.Second

// sendThen sends the second signal, once, if the server still exists, and reports whether it did. It goes to the process or, if that has
// ended, to what a server started here has left.
func (w *watch) sendThen(now int64) bool {
	s := &w.seen
	if s.thenSent != 0 || s.gone != 0 || w.Stop.Then <= 0 || w.server.proc == nil {
		return false
	}
	signal := w.server.proc.Signal
	if s.exited != 0 {
		p := w.server.own()
		if p == nil {
			return false // the given process has ended, and the others were not started here
		}
		signal = p.SignalAll
	}
	if err := signal(w.Stop.Then); err != nil {
		if !errors.Is(err, syscall.ESRCH) {
			s.server.signalFailed = err.Error()
		}
		return false
	}
	s.thenSent = now
	return true
}

// endHook ends a stop command that still runs. What a finished one has left running lives on: it may be a server that it restarted.
func (w *watch) endHook() error {
	if w.hook == nil {
		return nil
	}
	if w.seen.hookEnded != 0 && len(w.Stop.Exec) == 0 {
		if err := w.hook.LetGo(); err != nil {
			return err
		}
	}
	return w.hook.End()
}
