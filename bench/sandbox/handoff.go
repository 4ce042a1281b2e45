package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"syscall"

	"lastack/sockstate"
)

// handoff is what a cell's process is told.
type handoff struct {
	// Parent is the process that started it.
	Parent int `json:"parent"`
	// Host is the ID of the network namespace that must not be touched.
	Host string `json:"host"`
	// Outer is the ID of the namespace that the process was in before it went into one inside of that
	// (nest); empty if it is still where it was started.
	Outer string          `json:"outer,omitempty"`
	Mode  Mode            `json:"mode"`
	Spec  Spec            `json:"spec"`
	Job   string          `json:"job"`
	Input json.RawMessage `json:"input"`
}

// failure is an error on its way through the pipe. What it wraps of these survives: a *sockstate.ValueError, an *Error, a
// *SysctlError, an errno, and the end of a context.
type failure struct {
	Text string `json:"text"`
	// Wrapped tells that the error is none of the first three itself, but may wrap one.
	Wrapped bool                  `json:"wrapped,omitempty"`
	Errno   syscall.Errno         `json:"errno,omitempty"`
	Value   *sockstate.ValueError `json:"value,omitempty"`
	Sysctl  *Sysctl               `json:"sysctl,omitempty"`
	Held    string                `json:"held,omitempty"`
	// Step is an *Error's, and Why the text of what that wraps.
	Step step   `json:"step,omitempty"`
	Why  string `json:"why,omitempty"`
	// Cancelled and Late are context.Canceled and context.DeadlineExceeded.
	Cancelled bool `json:"cancelled,omitempty"`
	Late      bool `json:"late,omitempty"`
}

func newFailure(err error) *failure {
	f := &failure{
		Text: err.Error(), Errno: errnoOf(err),
		Cancelled: errors.Is(err, context.Canceled), Late: errors.Is(err, context.DeadlineExceeded),
	}
	var found error
	if e, ok := errors.AsType[*sockstate.ValueError](err); ok {
		f.Value, found = e, e
	} else if e, ok := errors.AsType[*SysctlError](err); ok {
		f.Sysctl, f.Held, found = &e.Sysctl, e.Held, e
	} else if e, ok := errors.AsType[*Error](err); ok {
		f.Step, f.Why, found = e.step, e.Err.Error(), e
	}
	f.Wrapped = found != err //nolint:errorlint // the error itself, not what it wraps
	return f
}

// error rebuilds what the child had.
func (f *failure) error(mode Mode) error {
	var cause error
	switch {
	case f.Errno != 0:
		cause = f.Errno
	case f.Cancelled:
		cause = context.Canceled
	case f.Late:
		cause = context.DeadlineExceeded
	}
	switch {
	case f.Value != nil:
		cause = f.Value
	case f.Sysctl != nil:
		cause = &SysctlError{Sysctl: *f.Sysctl, Mode: mode, Held: f.Held, Err: cause}
	case f.Step != "":
		cause = &Error{step: f.Step, Mode: mode, Err: &remoteError{f.Why, cause}}
	}
	if f.Wrapped {
		return &remoteError{f.Text, cause}
	}
	return cause
}

// remoteError is an error of the other process: its words, and what it wrapped.
type remoteError struct {
	text  string
	cause error
}

func (e *remoteError) Error() string { return e.text }

func (e *remoteError) Unwrap() error { return e.cause }
