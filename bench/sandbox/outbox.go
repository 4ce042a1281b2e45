package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"lastack/bench/record"
)

// message is a line from a cell's process: first On, then events, last End. Without a sandbox there is only End.
type message struct {
	// On is the status of the sandbox once it is on.
	On    *record.Sandbox `json:"on,omitempty"`
	Event json.RawMessage `json:"event,omitempty"`
	End   *ending         `json:"end,omitempty"`
}

// ending is a cell's last message.
type ending struct {
	Result  json.RawMessage `json:"result,omitempty"`
	Failure *failure        `json:"failure,omitempty"`
	// Left says that sockets may outlive the sandbox.
	Left string `json:"left,omitempty"`
	// Dropped is the number of events that were not sent.
	Dropped int64 `json:"dropped,omitempty"`
}

// unreadLimit bounds the unread events in bytes: 16 MiB are more than an hour of intervals.
const unreadLimit = 16 << 20

// outbox writes messages on a goroutine of its own, so that no job waits for a reader.
type outbox struct {
	w io.Writer

	mu      sync.Mutex
	changed sync.Cond // a line was queued, or it was closed
	lines   [][]byte
	size    int // bytes in lines and in the line being written
	dropped int64
	bad     error // of the first event that could not be marshalled
	closed  bool
	done    chan error
}

// newOutbox returns when the first message is written: a later failure is then the job's, not the sandbox's.
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
		if err == nil { // after an error nobody reads
			_, err = o.w.Write(line)
		}
		o.mu.Lock()
		o.size -= len(line)
		o.mu.Unlock()
	}
}

// emit queues an event, or drops it if too many are unread.
func (o *outbox) emit(event any) {
	b, err := json.Marshal(event)
	if err == nil {
		b, err = json.Marshal(message{Event: b})
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err != nil && o.bad == nil:
		o.bad = fmt.Errorf("an event is not JSON: %w", err)
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

// close queues the last message and waits until all is written.
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
