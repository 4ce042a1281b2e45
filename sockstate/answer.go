package sockstate

import (
	"errors"
	"slices"
	"syscall"
)

// Answer is the kernel's answer to a trial of a feature.
type Answer string

// The answers. An administrator can lift AnswerDenied; only another kernel changes AnswerUnsupported. AnswerFailed is an unrelated
// error: it says nothing about the feature.
const (
	AnswerUntried     Answer = "untried"
	AnswerSupported   Answer = "supported"
	AnswerDenied      Answer = "denied"
	AnswerUnsupported Answer = "unsupported"
	AnswerFailed      Answer = "failed"
)

// AnswerTo classifies the error of a trial. missing lists further errnos that mean "unsupported" for this call: EINVAL does for
// some calls, and is a bug of ours in others.
func AnswerTo(err error, missing ...syscall.Errno) Answer {
	var errno syscall.Errno
	switch {
	case err == nil:
		return AnswerSupported
	case !errors.As(err, &errno):
		return AnswerFailed
	}
	switch errno {
	case syscall.EPERM, syscall.EACCES, syscall.EROFS, syscall.ENOSPC: // ENOSPC: user.max_*_namespaces is reached
		return AnswerDenied
	case syscall.ENOSYS, syscall.EOPNOTSUPP, syscall.ENOPROTOOPT, syscall.EPROTONOSUPPORT, syscall.EAFNOSUPPORT:
		return AnswerUnsupported
	}
	if slices.Contains(missing, errno) {
		return AnswerUnsupported
	}
	return AnswerFailed
}
