package sandbox

import (
	"errors"
	"syscall"

	"lastack/bench/record"
)

// handoff is what the child needs to know.
type handoff struct {
	// Parent is the parent's process ID.
	Parent int `json:"parent"`
	// Report is the pipe's descriptor.
	Report int `json:"report"`
	// Inherit are descriptors for the caller (Spec.Inherit).
	Inherit []int `json:"inherit,omitempty"`
	// Host is the ID of the network namespace that must not be touched.
	Host string `json:"host"`
	// Outer is the ID of the namespace that the process was in before it went into one inside of that
	// (nest); empty if it is still where it was started.
	Outer string `json:"outer,omitempty"`
	Mode  Mode   `json:"mode"`
	Spec  Spec   `json:"spec"`
}

// report is what the child tells once: its sandbox's Status, or a Failure.
type report struct {
	Status  record.Sandbox `json:"status"`
	Failure *failure       `json:"failure,omitempty"`
}

// failure is an *Error or *SysctlError on its way through the pipe.
type failure struct {
	Step   Step          `json:"step"`
	Errno  syscall.Errno `json:"errno,omitempty"`
	Text   string        `json:"text"`
	Sysctl *Sysctl       `json:"sysctl,omitempty"`
	Held   string        `json:"held,omitempty"`
}

func newFailure(err error) *failure {
	f := &failure{Step: StepStart, Errno: errnoOf(err), Text: err.Error()}
	var se *SysctlError
	var e *Error
	switch {
	case errors.As(err, &se):
		f.Step, f.Sysctl, f.Held = StepSysctl, &se.Sysctl, se.Held
	case errors.As(err, &e):
		f.Step, f.Text = e.Step, e.Err.Error()
	}
	return f
}

// error rebuilds what the child had.
func (f *failure) error(mode Mode) error {
	if f.Sysctl != nil {
		e := &SysctlError{Sysctl: *f.Sysctl, Mode: mode, Held: f.Held}
		if f.Errno != 0 {
			e.Err = f.Errno
		}
		return e
	}
	return &Error{Step: f.Step, Mode: mode, Err: &remoteError{text: f.Text, errno: f.Errno}}
}

// remoteError is an error of the other process: its words and its errno.
type remoteError struct {
	text  string
	errno syscall.Errno
}

func (e *remoteError) Error() string { return e.text }

func (e *remoteError) Unwrap() error {
	if e.errno == 0 {
		return nil
	}
	return e.errno
}
