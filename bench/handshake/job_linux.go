package handshake

import (
	"context"
	"fmt"
	"time"

	"lastack/bench/cell"
	"lastack/bench/ladder"
	"lastack/bench/record"
	"lastack/sockstate"
	"lastack/sockstate/clock"
	"lastack/sockstate/netns"
)

func do(ctx context.Context, s Setup, env cell.Env) (*record.Run, error) {
	began := time.Now()
	r := newRecord(&s, env.Status, began)
	seen := [sockstate.NumSides]string{record.SeenByDiag, record.SeenByDiag}
	var w *ladder.Watch
	var err error
	if s.Target.IsValid() {
		seen[sockstate.Server] = record.SeenInferred
		var notOpened string
		if w, r.Warnings, notOpened, err = runTarget(ctx, &s, env.Emit); notOpened != "" {
			r.Verdict = record.Verdict{Reasons: []string{notOpened}}
		}
	} else {
		w, r.Warnings, err = inTime(ctx, &s, env)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case w.Unseen:
		seen[sockstate.Client], seen[sockstate.Server] = record.SeenSampled, record.SeenNot
	case s.Target.IsValid() && w.Silent():
		seen[sockstate.Server] = record.SeenNot
	}
	w.Epoch = time.Unix(0, -clock.Of(time.Unix(0, 0)))
	l := ladder.Build(w, seen)
	s.describe(&l)
	r.Handshake.Ladders = append(r.Handshake.Ladders, l)
	r.ElapsedS = time.Since(began).Seconds()
	r.Interrupted = ctx.Err() != nil
	if r.Warnings == nil {
		r.Warnings = []string{}
	}
	return r, nil
}

const (
	// tries is how often a connection is watched until this process had a CPU in time.
	tries = 5
	// tooLate is how long it may be without at most: less than the kernel waits for an answer (TCP_RTO_MIN). lateForProbe is the same where something was
	// sent again before that: of two segments under way the kernel sends the last again after 2 ticks and twice the round trip
	// (tcp_schedule_loss_probe), and the first of the ticks may be short.
	tooLate      = 100 * time.Millisecond
	lateForProbe = 3 * time.Millisecond
)

// inTime watches the connection, and again if this process was too late for the kernel's timers.
func inTime(ctx context.Context, s *Setup, env cell.Env) (w *ladder.Watch, warnings []string, err error) {
	for try := range uint16(tries) {
		var late time.Duration
		err = netns.OnOwnThread(func() (err error) {
			w, warnings, late, err = runRelayed(ctx, s, env, try)
			return err
		})
		if err != nil || late < lateForProbe || late < tooLate && !w.SentAgain(tooLate) || ctx.Err() != nil {
			return w, warnings, err
		}
		if try == tries-1 {
			warnings = append(warnings, fmt.Sprintf("handshake: this process got no CPU for %v: packets that are sent again may not have been lost", late.Round(time.Millisecond)))
		}
	}
	return w, warnings, err
}
