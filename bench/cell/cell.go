// Package cell has something measured in a sandbox of its own, or in this process: a setup goes in, events and a record come out.
//
//	Job.Start(ctx, spec, setup) -> Cell -> Record(see) -> record.Run     in a sandbox, several side by side
//	Job.Do(ctx, setup, scene)                          -> record.Run     here
package cell

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"lastack/bench/record"
	"lastack/bench/sandbox"
)

// Job is something measured. Its setup is plain data: JSON keeps all of it.
type Job[Setup any] struct {
	Name string
	// Do measures. A record may come with an error: it holds what was measured until then.
	Do func(ctx context.Context, setup Setup, at Scene) (*record.Run, error)
}

// Scene is where a job is done.
type Scene struct {
	// Sandbox is nil in the network namespace of this process. Status is what the record says of it.
	Sandbox *sandbox.Sandbox
	Status  record.Sandbox
	Emit    func(record.Event)
	// Keep lists the capabilities that this process needs beside the job's own.
	Keep []int
}

// Here is the scene in the network namespace of this process, for the reason why.
func Here(why string, emit func(record.Event), keep []int) Scene {
	return Scene{Status: record.Sandbox{Mode: string(sandbox.Off), Reason: why}, Emit: emit, Keep: keep}
}

// Func is the job for sandbox.Main.
func (j Job[Setup]) Func(ctx context.Context, sb *sandbox.Sandbox, input json.RawMessage, emit func(any)) (any, error) {
	var setup Setup
	if err := json.Unmarshal(input, &setup); err != nil {
		return nil, fmt.Errorf("the setup of the job %s: %w", j.Name, err)
	}
	return j.Do(ctx, setup, Scene{Sandbox: sb, Status: sb.Status, Emit: func(e record.Event) { emit(e) }})
}

// Start starts the job in a new sandbox; see sandbox.Start for its errors and what ctx does. Record must be called then.
func (j Job[Setup]) Start(ctx context.Context, spec sandbox.Spec, setup Setup) (*Cell, error) {
	c, err := sandbox.Start(ctx, spec, sandbox.Job{Name: j.Name, Input: setup})
	if err != nil {
		return nil, err
	}
	return &Cell{c}, nil
}

// Cell is a job under way in a sandbox of its own.
type Cell struct{ *sandbox.Cell }

// Record waits for the end of the job. It calls see for each event as it comes. Its errors are those of sandbox.Cell.Wait.
func (c *Cell) Record(see func(record.Event)) (run *record.Run, err error) {
	var odd error
	for b := range c.Events() {
		var e record.Event
		if err := json.Unmarshal(b, &e); err != nil {
			odd = fmt.Errorf("an event of the sandbox cannot be read: %w", err)
			continue
		}
		see(e)
	}
	b, err := c.Wait()
	err = errors.Join(err, odd)
	if b != nil {
		if jerr := json.Unmarshal(b, &run); jerr != nil {
			err = errors.Join(err, fmt.Errorf("the record of the sandbox cannot be read: %w", jerr))
		}
	}
	return run, err
}
