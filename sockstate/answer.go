package sockstate

import (
	"errors"
	"slices"
	"syscall"
)

// Answer is what the kernel said to something that was tried.
type Answer string

// The answers. Whoever runs the host can change AnswerDenied, only another kernel AnswerUnsupported; AnswerFailed is neither, and says
// nothing about what was tried.
const (
	AnswerUntried     Answer = "untried"
	AnswerSupported   Answer = "supported"
	AnswerDenied      Answer = "denied"
	AnswerUnsupported Answer = "unsupported"
	AnswerFailed      Answer = "failed"
)

// AnswerTo classifies how a trial ended. missing are the errnos that mean an absent feature to this call, beside those that mean it
// everywhere: EINVAL is that to one call, and a mistake of ours to another.
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
