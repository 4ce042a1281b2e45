package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"syscall"

	"lastack/sockstate"
)

// handoff is the job and its parameters for a cell's process.
type handoff struct {
	// Parent is the process that started it.
	Parent int `json:"parent"`
	// Host is the ID of the host's network namespace, which must not be touched.
	Host string `json:"host"`
	// Outer is the ID of the namespace that the process was started in, if it has since entered one inside
	// it (nest); otherwise empty.
	Outer string          `json:"outer,omitempty"`
	Mode  Mode            `json:"mode"`
	Spec  Spec            `json:"spec"`
	Job   string          `json:"job"`
	Input json.RawMessage `json:"input"`
}

// failure is an error in the pipe. It preserves a wrapped *sockstate.ValueError, *Error, *SysctlError, errno, or end of a
// context.
type failure struct {
	Text string `json:"text"`
	// Wrapped is set if the error is not itself one of the first three, but may wrap one.
	Wrapped bool                  `json:"wrapped,omitempty"`
	Errno   syscall.Errno         `json:"errno,omitempty"`
	Value   *sockstate.ValueError `json:"value,omitempty"`
	Sysctl  *Sysctl               `json:"sysctl,omitempty"`
	Held    string                `json:"held,omitempty"`
	// Step is that of an *Error, and Why the text of its Err.
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

// error rebuilds the child's error.
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
		cause = &SysctlError{Sysctl: *f.Sysctl, Held: f.Held, Err: cause}
	case f.Step != "":
		cause = &Error{step: f.Step, Mode: mode, Err: &remoteError{f.Why, cause}}
	}
	if f.Wrapped {
		return &remoteError{f.Text, cause}
	}
	return cause
}

// remoteError is an error of the other process: its text, and what it wrapped.
type remoteError struct {
	text  string
	cause error
}

func (e *remoteError) Error() string { return e.text }

func (e *remoteError) Unwrap() error { return e.cause }
