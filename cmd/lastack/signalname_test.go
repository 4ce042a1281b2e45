package main

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
		if got, err := parseSignal(text); err != nil || got != want {
			t.Errorf("parseSignal(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "-1", "65", "SIG", "SIGSIGTERM", "none", "TERM ", "1.5", "99999999999999999999"} {
		if got, err := parseSignal(text); err == nil || !strings.Contains(err.Error(), "is no signal: want a name like TERM") {
			t.Errorf("parseSignal(%q) = %d, %v, want an error", text, got, err)
		}
	}
}

func TestThenFlag(t *testing.T) {
	for _, tt := range []struct {
		text, prints string
		want         syscall.Signal
		none         bool
	}{
		{"KILL", "KILL", syscall.SIGKILL, false},
		{"9", "KILL", syscall.SIGKILL, false},
		{"none", "none", 0, true},
		{"40", "40", 40, false},
	} {
		f := thenFlag{none: !tt.none, signalFlag: signalFlag{syscall.SIGHUP}} // the last one counts
		if err := f.Set(tt.text); err != nil || f.Signal != tt.want || f.none != tt.none || f.String() != tt.prints {
			t.Errorf("--then %s: %d, none %t, printed %s, %v", tt.text, f.Signal, f.none, &f, err)
		}
	}
	if f := (&thenFlag{}); f.String() != "" {
		t.Errorf("the default is printed %q: the help has it in words", f)
	}
}

func FuzzParseSignal(f *testing.F) {
	for _, s := range []string{"TERM", "SIGKILL", "15", "0", "64", "65", "sigrtmin+1", "none"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sig, err := parseSignal(s)
		if err != nil {
			return
		}
		if sig < 1 || sig > maxSignal {
			t.Fatalf("parseSignal(%q) = %d", s, sig)
		}
		if back, err := parseSignal(signalName(sig)); err != nil || back != sig {
			t.Fatalf("%q is %d, printed %q, which is %d, %v", s, sig, signalName(sig), back, err)
		}
	})
}
