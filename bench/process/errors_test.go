package process

import (
	"strings"
	"syscall"
	"testing"
)

// A signal that was not sent says which, why, and what to do.
func TestSignalError(t *testing.T) {
	for _, tt := range []struct {
		err  SignalError
		want []string
		not  string
	}{
		{SignalError{PID: 7, Err: syscall.EPERM}, []string{"no permission to signal process 7", "another user (run as that user, or as root)"}, "signal 0"},
		{SignalError{PID: 7, Err: syscall.EPERM, Own: true}, []string{"no permission to signal process 7", "this user's", "--stop"}, "signal 0"},
		{SignalError{PID: 7, Err: syscall.EACCES}, []string{"whether process 7 may be signalled", "permission denied", "seccomp", "--stop"}, "signal 0"},
		{SignalError{PID: 7, Err: syscall.ENOSYS, Signal: syscall.SIGTERM}, []string{"TERM could not be sent to process 7", "function not implemented", "--stop"}, "(terminated)"},
		{SignalError{PID: 7, Err: syscall.ESRCH, Signal: syscall.SIGTERM}, []string{"process 7 has ended"}, "--stop"},
	} {
		got := tt.err.Error()
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%q does not say %q", got, want)
			}
		}
		if strings.Contains(got, tt.not) {
			t.Errorf("%q says %q", got, tt.not)
		}
	}
}
