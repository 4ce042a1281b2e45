package host

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
)

// stepError says at which step a trial failed. It wraps the errno.
type stepError struct {
	// Step is named as in the kernel or a manual page.
	Step string
	Err  error
}

func (e *stepError) Error() string { return fmt.Sprintf("%s: %v", e.Step, e.Err) }

func (e *stepError) Unwrap() error { return e.Err }

// step wraps an error; nil stays nil.
func step(name string, err error) error {
	if err == nil {
		return nil
	}
	return &stepError{Step: name, Err: err}
}

// answer is the result of a trial. missing lists more errnos that mean that the kernel lacks this feature.
func answer(err error, missing ...unix.Errno) Feature {
	if err == nil {
		return Feature{Answer: sockstate.AnswerSupported}
	}
	f := Feature{Answer: sockstate.AnswerTo(err, missing...), Why: err.Error()}
	if errors.Is(err, unix.ENOSPC) {
		f.Why += ": the limit of namespaces is reached" // user.max_*_namespaces
	}
	return f
}
