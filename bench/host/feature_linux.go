package host

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
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

// answer classifies how a trial ended. missing adds the errnos by which this
// feature's absence shows to those that mean it everywhere: EINVAL is an absent
// feature to one call and a mistake of ours to another.
func answer(err error, missing ...unix.Errno) Feature {
	if err == nil {
		return Feature{Answer: Supported}
	}
	f := Feature{Answer: Failed, Why: err.Error()}
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return f
	}
	switch errno {
	case unix.EPERM, unix.EACCES, unix.EROFS:
		f.Answer = Denied
	case unix.ENOSPC:
		// So unshare and clone say that user.max_*_namespaces is reached.
		f.Answer = Denied
		f.Why += ": the limit of namespaces is reached"
	case unix.ENOSYS, unix.EOPNOTSUPP, unix.ENOPROTOOPT, unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT:
		f.Answer = Unsupported
	default:
		if slices.Contains(missing, errno) {
			f.Answer = Unsupported
		}
	}
	return f
}
