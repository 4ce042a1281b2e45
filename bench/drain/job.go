package drain

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"lastack/bench/cell"
	"lastack/bench/process"
	"lastack/bench/record"
)

// Job is a drain.
var Job = cell.Job[Setup]{Name: "drain", Do: func(ctx context.Context, s Setup, env cell.Env) (*record.Run, error) {
	run, err := Run(ctx, s, env.Status, env.Emit)
	if ctx.Err() != nil {
		err = butCancelled(err)
	}
	return run, emitServerOutput(env.Emit, err)
}}

// butCancelled drops the cancellation from a drain's error, and keeps processes that could not be ended.
func butCancelled(err error) error {
	left, ok := errors.AsType[*process.EndError](err)
	switch {
	case ok:
		return left
	case errors.Is(err, context.Canceled):
		return nil
	}
	return err
}

// emitServerOutput emits the output of a server that ended too early, so that the error it returns is one line.
func emitServerOutput(emit func(record.Event), err error) error {
	e, ok := errors.AsType[*StartError](err)
	if !ok {
		return err
	}
	command := record.RedactCommand(e.Command)
	if said := strings.TrimSpace(e.Said); said != "" {
		emit(record.Event{Said: &record.Said{Command: command, Text: said}})
	}
	early := fmt.Errorf("%q: %s", strings.Join(command, " "), e.Why)
	if left, ok := errors.AsType[*process.EndError](err); ok {
		return errors.Join(early, left)
	}
	return early
}
