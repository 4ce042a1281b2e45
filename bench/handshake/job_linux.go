package handshake

import (
	"context"
	"time"

	"lastack/bench/cell"
	"lastack/bench/ladder"
	"lastack/bench/record"
	"lastack/sockstate"
	"lastack/sockstate/netns"
)

func do(ctx context.Context, s Setup, env cell.Env) (*record.Run, error) {
	began := time.Now()
	r := newRecord(&s, env.Status, began)
	seen := [sockstate.NumSides]string{record.SeenByDiag, record.SeenByDiag}
	var w *ladder.Watch
	err := netns.OnOwnThread(func() (err error) {
		w, r.Warnings, err = runRelayed(ctx, &s, env.Sandbox)
		return err
	})
	if err != nil {
		return nil, err
	}
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
