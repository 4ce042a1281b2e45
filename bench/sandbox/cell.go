package sandbox

import (
	"context"
	"encoding/json"
	"time"
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
