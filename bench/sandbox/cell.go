package sandbox

import (
	"context"
	"encoding/json"
	"time"
)

// Job is what a cell does.
type Job struct {
	// Name is that of one of the jobs of Main.
	Name string
	// Input is handed to the job as JSON.
	Input any
	// Grace is how long the job may take to hand in its result once ctx is over; 0: as long as it needs. Then it is killed.
	Grace time.Duration
}

// Func does a job in a sandbox of its own, which is closed when it returns.
//
// ctx is cancelled when the job is to stop: it hands in what it has. emit sends an event, as JSON, to whoever started the cell. It
// never waits for the reader: it drops events where too many are unread (Cell.Dropped). The result goes as JSON too; a job may return
// a result and an error.
type Func func(ctx context.Context, sb *Sandbox, input json.RawMessage, emit func(event any)) (result any, err error)
