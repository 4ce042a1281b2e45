package main

import (
	"syscall"
	"testing"
)

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
