package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"lastack/bench/record"
)

// message is a line that a cell's process writes: first On, then events, and at last the End; only the End where there is no sandbox.
type message struct {
	// On is the status of a sandbox that is on.
	On    *record.Sandbox `json:"on,omitempty"`
	Event json.RawMessage `json:"event,omitempty"`
	End   *ending         `json:"end,omitempty"`
}

// ending is the last that a cell says.
type ending struct {
	Result  json.RawMessage `json:"result,omitempty"`
	Failure *failure        `json:"failure,omitempty"`
	// Left says that sockets may outlive the sandbox.
	Left string `json:"left,omitempty"`
	// Dropped is the number of events that were not sent.
	Dropped int64 `json:"dropped,omitempty"`
}

// unreadLimit bounds the events that wait for the reader, in bytes: 16 MiB are more than an hour of intervals.
const unreadLimit = 16 << 20

// outbox writes messages on a goroutine of its own, so that no job waits for a reader.
type outbox struct {
	w io.Writer

	mu      sync.Mutex
	changed sync.Cond // a line was queued, or it was closed
	lines   [][]byte
	size    int // of the lines, and of the one that is being written
	dropped int64
	bad     error // the first that could not be made JSON
	closed  bool
	done    chan error
}

// newOutbox returns when the first message is written: what comes of the job then is not taken for a sandbox that could not be.
func newOutbox(w io.Writer, on record.Sandbox) (*outbox, error) {
	if err := json.NewEncoder(w).Encode(message{On: &on}); err != nil {
		return nil, err
	}
	o := &outbox{w: w, done: make(chan error, 1)}
	o.changed.L = &o.mu
	go o.write()
	return o, nil
}

func (o *outbox) write() {
	var err error
	for {
		o.mu.Lock()
		for len(o.lines) == 0 && !o.closed {
			o.changed.Wait()
		}
		if len(o.lines) == 0 {
			o.mu.Unlock()
			o.done <- err
			return
		}
		line := o.lines[0]
		o.lines = o.lines[1:]
		o.mu.Unlock()
		if err == nil { // without a reader there is nothing to write for
			_, err = o.w.Write(line)
		}
		o.mu.Lock()
		o.size -= len(line)
		o.mu.Unlock()
	}
}

// emit queues an event, or drops it where too many wait.
func (o *outbox) emit(event any) {
	b, err := json.Marshal(event)
	if err == nil {
		b, err = json.Marshal(message{Event: b})
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err != nil && o.bad == nil:
		o.bad = fmt.Errorf("an event is no JSON: %w", err)
	case err != nil || o.closed:
	case o.size+len(b) > unreadLimit:
		o.dropped++
	default:
		o.queue(b)
	}
}

func (o *outbox) queue(b []byte) {
	b = append(b, '\n')
	o.lines = append(o.lines, b)
	o.size += len(b)
	o.changed.Signal()
}

// close queues the end, after which nothing is, and waits until all is written.
func (o *outbox) close(end ending) error {
	o.mu.Lock()
	end.Dropped = o.dropped
	if o.bad != nil && end.Failure == nil {
		end.Failure = newFailure(o.bad)
	}
	b, err := json.Marshal(message{End: &end})
	if err == nil {
		o.queue(b)
	}
	o.closed = true
	o.changed.Signal()
	o.mu.Unlock()
	return errors.Join(err, <-o.done)
}
