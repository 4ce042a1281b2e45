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

// butCancelled drops the cancellation from a drain's error, but keeps the processes that could not be ended.
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
	e, ok := errors.AsType[*startError](err)
	if !ok {
		return err
	}
	command := record.RedactCommand(e.Command)
	if said := strings.TrimSpace(e.Said); said != "" {
		emit(record.Event{Said: &record.Said{Command: command, Text: said}})
	}
	return andLeft(fmt.Errorf("%q: %s", strings.Join(command, " "), e.Why), err)
}

// startError is a server that was started, and ended or never listened.
type startError struct {
	Command []string
	Why     string
	// Said is the end of its output.
	Said string
}

func (e *startError) Error() string {
	s := fmt.Sprintf("%q: %s", strings.Join(e.Command, " "), e.Why)
	if said := strings.TrimSpace(e.Said); said != "" {
		return s + "; it said:\n" + said
	}
	return s + "; it said nothing"
}

// andLeft adds to e the processes that could not be ended, if err names any.
func andLeft(e, err error) error {
	if left, ok := errors.AsType[*process.EndError](err); ok {
		return errors.Join(e, left)
	}
	return e
}
