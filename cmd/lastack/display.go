package main

import (
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"lastack/bench/quantity"
)

// displayLimit bounds the writes that wait for a slow reader: a thousand intervals of a run.
const displayLimit = 1000

// display writes on a goroutine of its own, in order, so that a slow reader of stdout or stderr holds up neither the load nor the
// saving of the record. It is a writer to stderr.
type display struct {
	stderr  io.Writer
	todo    chan func()
	done    chan struct{}
	skipped atomic.Int64
}

// newDisplay returns a display that must be closed.
func newDisplay(stderr io.Writer) *display {
	d := &display{stderr: stderr, todo: make(chan func(), displayLimit), done: make(chan struct{})}
	go func() {
		defer close(d.done)
		for f := range d.todo {
			f()
		}
	}()
	return d
}

// do has f called on the display's goroutine, unless too much waits already.
func (d *display) do(f func()) {
	select {
	case d.todo <- f:
	default:
		d.skipped.Add(1)
	}
}

func (d *display) Write(b []byte) (int, error) {
	b = slices.Clone(b)
	d.do(func() { _, _ = d.stderr.Write(b) }) // nobody is left to tell
	return len(b), nil
}

// flush returns when all has been written.
func (d *display) flush() {
	written := make(chan struct{})
	d.todo <- func() {
		if n := d.skipped.Swap(0); n > 0 {
			fmt.Fprintf(d.stderr, "lastack: %s of progress %s not shown, because the output was not read fast enough\n", quantity.Count(n), quantity.Plural(n, "event was", "events were"))
		}
		close(written)
	}
	<-written
}

func (d *display) close() {
	d.flush()
	close(d.todo)
	<-d.done
}
