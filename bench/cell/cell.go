// Package cell runs a job in a new sandbox, or in this process: a setup goes in, events and a record come out.
//
//	Job.Start(ctx, spec, setup) -> Cell -> Record(see) -> record.Run     in a sandbox, several side by side
//	Job.Do(ctx, setup, env)                            -> record.Run     in this process
package cell

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"lastack/bench/record"
	"lastack/bench/sandbox"
)

// Job is a measurement. Its setup is plain data: JSON keeps all of it.
type Job[Setup any] struct {
	Name string
	// Do measures. It may return a record together with an error: what was measured until then.
	Do func(ctx context.Context, setup Setup, e Env) (*record.Run, error)
}

// Env is the environment that a job runs in.
type Env struct {
	// Sandbox is nil in the network namespace of this process. Status is for the record.
	Sandbox *sandbox.Sandbox
	Status  record.Sandbox
	Emit    func(record.Event)
	// Keep lists capabilities that this process needs in addition to the job's own.
	Keep []string
}

// Here returns the environment in this process's network namespace. why says why there is no sandbox.
func Here(why string, emit func(record.Event), keep []string) Env {
	return Env{Status: record.Sandbox{Mode: string(sandbox.Off), Reason: why}, Emit: emit, Keep: keep}
}

// Func adapts the job to sandbox.Func.
func (j Job[Setup]) Func(ctx context.Context, sb *sandbox.Sandbox, input json.RawMessage, emit func(any)) (any, error) {
	var setup Setup
	if err := json.Unmarshal(input, &setup); err != nil {
		return nil, fmt.Errorf("the setup of the job %s: %w", j.Name, err)
	}
	return j.Do(ctx, setup, Env{Sandbox: sb, Status: sb.Status, Emit: func(e record.Event) { emit(e) }})
}

// Start starts the job in a new sandbox, see sandbox.Start. The caller must then call Record.
func (j Job[Setup]) Start(ctx context.Context, spec sandbox.Spec, setup Setup) (*Cell, error) {
	c, err := sandbox.Start(ctx, spec, sandbox.Job{Name: j.Name, Input: setup})
	if err != nil {
		return nil, err
	}
	return &Cell{c}, nil
}

// Cell is a job that runs in a sandbox.
type Cell struct{ *sandbox.Cell }

// Record passes the job's events to see, and waits for its record. Its errors are those of sandbox.Cell.Wait.
func (c *Cell) Record(see func(record.Event)) (run *record.Run, err error) {
	var odd error
	for b := range c.Events() {
		var e record.Event
		if err := json.Unmarshal(b, &e); err != nil {
			odd = fmt.Errorf("an event from the sandbox cannot be read: %w", err)
			continue
		}
		see(e)
	}
	b, err := c.Wait()
	err = errors.Join(err, odd)
	if b != nil {
		if jerr := json.Unmarshal(b, &run); jerr != nil {
			err = errors.Join(err, fmt.Errorf("the record from the sandbox cannot be read: %w", jerr))
		}
	}
	return run, err
}
