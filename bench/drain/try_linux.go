package drain

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"lastack/loadgen"
	"lastack/sockstate/capture"
	"lastack/sockstate/clock"
	"lastack/sockstate/observe"
)

// try is one stop of the server:
//
//	prepare  the server is there; packets are captured, counters read
//	hold     all groups are open, for Stop.After
//	fill     the server is halted while the queued group connects
//	stop     the load is marked, the signal sent
//	watch    until the server is gone or back, and no old connection is left
//	conclude clients close what they have; what is left of the server is looked at
//
// Its evidence is then joined and folded.
type try struct {
	*experiment
	n      int
	server *server
	// next is the server that takes the old one's place, nil until it is started.
	next *successor

	load     *loadgen.Generator
	live     live
	observer *observe.Observer
	capture  *capture.Capture
	// ledgerBefore is the file that was at the path of the ledger.
	ledgerBefore os.FileInfo
	// seen grows during the try; stopped is set when it is complete, so that it can be folded.
	seen    evidence
	stopped bool
}

// run makes the try. The result is nil if there was no load. An error means that the try could not be made, or was broken off.
func (t *try) run(ctx context.Context) (load *loadgen.Result, err error) {
	var w *watch
	defer func() { err = errors.Join(err, t.close(w, load != nil)) }()
	t.say("starting")
	if err := t.prepare(ctx); err != nil {
		return nil, err
	}
	w, err = t.stopUnderLoad(ctx)
	return t.conclude(ctx, w, err)
}

// stopUnderLoad starts the load, stops the server and watches it. The watch is nil if the server was not stopped.
func (t *try) stopUnderLoad(ctx context.Context) (*watch, error) {
	if err := t.load.Start(ctx); err != nil {
		return nil, err
	}
	t.seen.begun = clock.Now()
	t.say("connecting")
	if err := t.hold(ctx); err != nil || ctx.Err() != nil {
		return nil, err
	}
	if t.Load.Queued > 0 {
		t.say("filling the accept queue")
		if err := t.fill(ctx); err != nil || ctx.Err() != nil {
			return nil, err
		}
	}
	t.say("stopping the server")
	w, err := t.stop()
	if w == nil || err != nil || ctx.Err() != nil {
		return w, err
	}
	t.say("watching")
	return w, w.run(ctx)
}

// say emits what goes on.
func (t *try) say(what string) { t.phase(t.n, what) }

// died is the error of a server that ended too early.
func (t *try) died() error {
	why, err := t.server.died()
	if err = errors.Join(err, t.besideDied()); err != nil {
		return err
	}
	if why != "" {
		return &startError{Command: t.command(), Why: why, Said: t.server.said()}
	}
	return nil
}

func (t *try) command() []string {
	if len(t.Stop.Exec) > 0 {
		return t.Stop.Exec
	}
	return []string{fmt.Sprintf("process %d", t.server.proc.PID())}
}

// close ends what the try has opened or started. It leaves a restarted server to the next try, unless that starts its own.
func (t *try) close(w *watch, loaded bool) error {
	var errs []error
	if t.load != nil {
		_ = t.load.Close() // its error came with Wait
	}
	if t.capture != nil {
		_, _ = t.capture.Stop() // conclude has taken the packets
	}
	if t.observer != nil {
		errs = append(errs, t.observer.Close())
	}
	if w != nil {
		errs = append(errs, w.endHook())
	}
	if t.next != nil {
		if loaded && t.n+1 < t.Repeat && len(t.Stop.Exec) == 0 && !t.interrupted {
			t.back = t.next.proc
		} else {
			errs = append(errs, t.next.proc.End())
		}
	}
	if t.server != nil {
		errs = append(errs, t.server.end())
	}
	return errors.Join(errs...)
}

// pollEvery is the polling interval of the watch.
const pollEvery = 5 * time.Millisecond

// tick calls each every pollEvery until it is done, it fails, or the time is over.
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
