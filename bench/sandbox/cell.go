package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"sync"
	"time"

	"lastack/bench/record"
)

// Job is a job for a cell.
type Job struct {
	// Name is the name of a job of Main.
	Name string
	// Input is passed to the job as JSON.
	Input any
	// Grace is how long the job may take to return its result once ctx is over, before it is killed; 0: no limit.
	Grace time.Duration
}

// Func does a job in a sandbox of its own, which is closed when it returns.
//
// ctx is cancelled when the job is to stop and return what it has. emit sends an event, as JSON, to the caller of Start. It never
// waits for the reader: if too many events are unread, it drops them (Cell.Dropped). The result is sent as JSON too. A job may
// return both a result and an error.
type Func func(ctx context.Context, sb *Sandbox, input json.RawMessage, emit func(event any)) (result any, err error)

// Cell is a running job in a sandbox of its own. Wait must be called.
type Cell struct {
	child  *child
	status record.Sandbox

	mu    sync.Mutex // protects the fields below
	lines *bufio.Scanner
	end   *ending // the last message; nil: not yet received
	bad   error   // what was wrong with the last line
	over  bool    // nothing more is read
}

// setupTimeout bounds the time until a sandbox is on. Making namespaces waits for locks of the whole host.
const setupTimeout = 30 * time.Second

// lineLimit bounds one event or result in bytes.
const lineLimit = 256 << 20

// Start starts a job in a new sandbox, and returns when the sandbox is on. Several cells may run at once. Start needs no
// privilege, and after it the caller may drop its own.
//
// If there is no sandbox, nothing is left behind. The error is a *SysctlError (the spec's sysctl is impossible), an *Error (this host
// allows no sandbox), a *DiedError (a signal ended the cell's process), or wraps ctx's cause.
//
// When ctx is over later, the job is told to stop, and is killed after its Grace. However this process ends, the cell's process is
// killed with it.
func Start(ctx context.Context, spec Spec, job Job) (*Cell, error) {
	mode := spec.Mode
	if mode == "" {
		mode = bestMode()
	}
	input, err := json.Marshal(job.Input)
	switch {
	case err == nil && job.Name == "":
		err = errors.New("the job has no name")
	case err == nil:
		err = spec.validate()
	}
	if err != nil {
		return nil, &Error{step: stepSpec, Err: err}
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	child, err := spawn(&handoff{Mode: mode, Spec: spec, Job: job.Name, Input: input})
	if err != nil {
		return nil, explain(err, mode)
	}
	c := &Cell{child: child, lines: bufio.NewScanner(child.events)}
	c.lines.Buffer(nil, lineLimit)
	c.lines.Split(wholeLines)
	if err := c.awaitOn(ctx); err != nil {
		child.kill(nil)
		child.wait()
		return nil, explain(err, mode)
	}
	child.watch(ctx, job.Grace)
	return c, nil
}

// awaitOn reads the first message: that the sandbox is on.
func (c *Cell) awaitOn(ctx context.Context) error {
	failed := func(err error) error { return &Error{step: stepStart, Mode: c.child.mode, Err: err} }
	if err := c.child.events.SetReadDeadline(time.Now().Add(setupTimeout)); err != nil {
		return failed(err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.child.events.SetReadDeadline(time.Unix(1, 0)) }) // the pipe is open
	m, ok := c.next()
	if !stop() {
		return context.Cause(ctx)
	}
	switch {
	case ok && m.On != nil:
		c.status = *m.On
		return c.child.events.SetReadDeadline(time.Time{})
	case m.End != nil && m.End.Failure != nil:
		return m.End.Failure.error(c.child.mode)
	case errors.Is(c.bad, os.ErrDeadlineExceeded):
		return failed(fmt.Errorf("it took longer than %v", setupTimeout))
	case c.bad != nil:
		return failed(c.bad)
	case ok || m.End != nil:
		return failed(errors.New("its process did not first report that the sandbox is on"))
	}
	c.child.finish(nil)
	err := c.child.died()
	if err.Signal != 0 {
		return err // a signal, not this host, is why there is no sandbox
	}
	return failed(err)
}

// Status is the sandbox's entry in the run record.
func (c *Cell) Status() record.Sandbox { return c.status }

// Events yields the job's events, as JSON, until it ends. Wait discards those that the caller does not read.
func (c *Cell) Events() iter.Seq[json.RawMessage] {
	return func(yield func(json.RawMessage) bool) {
		for {
			m, ok := c.next()
			if !ok || !yield(m.Event) {
				return
			}
		}
	}
}

// next reads a line. ok is false for the last one.
func (c *Cell) next() (m message, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.over:
		return m, false
	case !c.lines.Scan():
		c.over, c.bad = true, c.lines.Err()
		return m, false
	}
	if err := json.Unmarshal(c.lines.Bytes(), &m); err != nil {
		c.over, c.bad = true, fmt.Errorf("it wrote %.40q, which is not a message: %w", c.lines.Bytes(), err)
		return m, false
	}
	if m.End != nil {
		c.over, c.end = true, m.End
	}
	return m, m.End == nil
}

// wholeLines is bufio.ScanLines without an incomplete last line: how its writer ended says more.
func wholeLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF {
		return len(data), nil, nil
	}
	return 0, nil, nil
}

// Stop tells the job to stop and return its result.
func (c *Cell) Stop() { c.child.stop() }

// Kill ends the cell at once, without a result.
func (c *Cell) Kill() { c.child.kill(errors.New("it was told to end at once")) }

// Wait discards unread events, waits until nothing is left of the cell, and returns the job's result, as JSON, and its error. An
// *Error, a *SysctlError or a *sockstate.ValueError keeps its type; another error keeps its text and errno. A *DiedError means that
// the cell's process did not end normally; the result is nil then unless the process had sent it.
func (c *Cell) Wait() (result json.RawMessage, err error) {
	for range c.Events() {
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end == nil {
		c.child.finish(c.bad)
	}
	c.child.wait()
	if c.end == nil {
		return nil, c.child.died()
	}
	if f := c.end.Failure; f != nil {
		err = f.error(c.child.mode)
	}
	if c.child.state != nil && !c.child.state.Success() {
		err = errors.Join(err, c.child.died())
	}
	return c.end.Result, err
}

// Left says, after Wait, that sockets may outlive the sandbox; nil if none does. It is not a failure of the job.
func (c *Cell) Left() error {
	if left := c.ending().Left; left != "" {
		return errors.New(left)
	}
	return nil
}

// Dropped is, after Wait, the number of events dropped because too many were unread.
func (c *Cell) Dropped() int64 { return c.ending().Dropped }

// ending is the last message; the zero value if there was none.
func (c *Cell) ending() (end ending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end != nil {
		end = *c.end
	}
	return end
}
