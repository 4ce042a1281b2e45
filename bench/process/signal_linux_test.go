package process

import (
	"strings"
	"syscall"
	"testing"
)

func TestParseSignal(t *testing.T) {
	for text, want := range map[string]syscall.Signal{
		"TERM": syscall.SIGTERM, "SIGTERM": syscall.SIGTERM, "sigterm": syscall.SIGTERM, "15": syscall.SIGTERM,
		"quit": syscall.SIGQUIT, "WINCH": syscall.SIGWINCH, "USR1": syscall.SIGUSR1, "SIGUSR2": syscall.SIGUSR2,
		"9": syscall.SIGKILL, "1": syscall.SIGHUP, "34": 34, "64": 64,
	} {
		if got, err := ParseSignal(text); err != nil || got != want {
			t.Errorf("ParseSignal(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "-1", "65", "SIG", "SIGSIGTERM", "none", "TERM ", "1.5", "99999999999999999999"} {
		if got, err := ParseSignal(text); err == nil || !strings.Contains(err.Error(), "is no signal: want a name like TERM") {
			t.Errorf("ParseSignal(%q) = %d, %v, want an error", text, got, err)
		}
	}
}

func FuzzParseSignal(f *testing.F) {
	for _, s := range []string{"TERM", "SIGKILL", "15", "0", "64", "65", "sigrtmin+1", "none"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sig, err := ParseSignal(s)
		if err != nil {
			return
		}
		if sig < 1 || sig > maxSignal {
			t.Fatalf("ParseSignal(%q) = %d", s, sig)
		}
		if back, err := ParseSignal(SignalName(sig)); err != nil || back != sig {
			t.Fatalf("%q is %d, printed %q, which is %d, %v", s, sig, SignalName(sig), back, err)
		}
	})
}
