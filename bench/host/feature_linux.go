package host

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
)

// StepError is a trial that stopped at one step. It wraps the errno.
type StepError struct {
	// Step is what was tried, as the kernel or a manual page calls it.
	Step string
	Err  error
}

func (e *StepError) Error() string { return fmt.Sprintf("%s: %v", e.Step, e.Err) }

func (e *StepError) Unwrap() error { return e.Err }

// step wraps an error; nil stays nil.
func step(name string, err error) error {
	if err == nil {
		return nil
	}
	return &StepError{Step: name, Err: err}
}

// answer is how a trial ended. missing adds the errnos by which this feature's absence shows.
func answer(err error, missing ...unix.Errno) Feature {
	if err == nil {
		return Feature{Answer: sockstate.AnswerSupported}
	}
	f := Feature{Answer: sockstate.AnswerTo(err, missing...), Why: err.Error()}
	if errors.Is(err, unix.ENOSPC) {
		f.Why += ": the limit of namespaces is reached" // so unshare and clone say that user.max_*_namespaces is
	}
	return f
}
