package handshake

import (
	"context"
	"errors"
	"slices"
	"time"

	"lastack/bench/cell"
	"lastack/bench/record"
	"lastack/bench/sandbox"
)

// Job watches one connection.
var Job = cell.Job[Setup]{Name: "handshake", Do: do}

// newRecord is the record of a setup, without what was seen.
func newRecord(s *Setup, status record.Sandbox, began time.Time) *record.Run {
	return &record.Run{
		Schema: record.Schema, Version: s.Version, Kind: record.KindHandshake, Started: began.UTC(),
		Plan: record.Plan{Groups: []record.Group{}, Command: s.Command}, Sandbox: status, Verdict: record.Verdict{Valid: true}, Warnings: []string{},
		Handshake: &record.Handshake{Ladders: []record.Ladder{}},
	}
}

// describe adds to a ladder what was asked for.
func (s *Setup) describe(l *record.Ladder) {
	l.Drill, l.Case, l.Teaches = s.Drill, s.Case, s.Teaches
	l.Close, l.OnEOF, l.Exchange, l.Lose = s.Close.String(), s.OnEOF.String(), s.Exchange.String(), s.Lose.String()
	for _, c := range s.Sysctls {
		if l.Sysctls == nil {
			l.Sysctls = make(map[string]string)
		}
		l.Sysctls[c.Key] = c.Value
	}
}

// Join puts the ladders of several records into one, in their order.
func Join(runs []*record.Run) *record.Run {
	var all *record.Run
	for _, r := range runs {
		switch {
		case r == nil:
		case all == nil:
			all = r
		default:
			all.Handshake.Ladders = append(all.Handshake.Ladders, r.Handshake.Ladders...)
			all.Warnings = append(all.Warnings, r.Warnings...)
			all.ElapsedS += r.ElapsedS
			all.Interrupted = all.Interrupted || r.Interrupted
		}
	}
	return all
}

// Watch watches each connection in a sandbox of its own, a few of them at once. see is told each second what is waited for, from any goroutine.
// If ctx ends, the record has what was seen until then, and is marked; it is nil if that is nothing. An error beside it is not of ctx.
func Watch(ctx context.Context, setups []Setup, parallel int, see func(record.Event)) (*record.Run, error) {
	asked := ctx
	ctx, stop := context.WithCancel(asked)
	defer stop()
	runs, errs := make([]*record.Run, len(setups)), make([]error, len(setups))
	slots, done := make(chan struct{}, max(parallel, 1)), make(chan struct{})
	for i := range setups {
		go func() {
			defer func() { done <- struct{}{} }()
			slots <- struct{}{}
			defer func() { <-slots }()
			if errs[i] = ctx.Err(); errs[i] != nil {
				return
			}
			if runs[i], errs[i] = setups[i].watch(ctx, see); errs[i] != nil {
				stop() // the others' records would be of no use
			}
		}()
	}
	for range setups {
		<-done
	}
	return ended(Join(runs), errs, asked.Err() != nil)
}

// ended is what a watch returns. Of one that was interrupted, what was seen until then, and the errors that the interruption does not explain.
func ended(all *record.Run, errs []error, interrupted bool) (*record.Run, error) {
	stopped := func(err error) bool {
		died, isDied := errors.AsType[*sandbox.DiedError](err)
		return errors.Is(err, context.Canceled) || interrupted && isDied && died.Interrupted()
	}
	failed := errors.Join(slices.DeleteFunc(slices.Clone(errs), stopped)...)
	switch {
	case interrupted && all != nil:
		all.Interrupted = true
	case failed != nil:
		return nil, failed
	case !interrupted:
		failed = errors.Join(errs...)
	}
	return all, failed
}

// watch watches one connection: with a Target in this process.
func (s *Setup) watch(ctx context.Context, see func(record.Event)) (*record.Run, error) {
	if s.Target.IsValid() {
		return Job.Do(ctx, *s, cell.Here("the target is somewhere else", see, nil))
	}
	c, err := Job.Start(ctx, s.Box(), *s)
	if err != nil {
		return nil, err
	}
	return c.Record(see)
}
