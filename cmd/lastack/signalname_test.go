package main

import (
	"syscall"
	"testing"

	"lastack/bench/drain"
)

func TestThenFlag(t *testing.T) {
	for _, tt := range []struct {
		text, prints string
		want         syscall.Signal
	}{
		{"KILL", "KILL", syscall.SIGKILL},
		{"9", "KILL", syscall.SIGKILL},
		{"none", "none", drain.NoSignal},
		{"40", "40", 40},
	} {
		sig := syscall.SIGHUP // the last one counts
		f := thenFlag{signalFlag{&sig}}
		if err := f.Set(tt.text); err != nil || sig != tt.want || f.String() != tt.prints {
			t.Errorf("--then %s: %d, printed %s, %v", tt.text, sig, f, err)
		}
	}
	if f := (thenFlag{signalFlag{new(syscall.Signal)}}); f.String() != "" {
		t.Errorf("the default is printed %q: the help has it in words", f)
	}
}
