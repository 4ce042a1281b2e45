package main

import (
	"fmt"
	"strings"
	"syscall"

	"lastack/bench/drain"
	"lastack/bench/process"
)

// signalFlag is a flag that holds a signal.
type signalFlag struct{ sig *syscall.Signal }

// Set implements pflag.Value.
func (f signalFlag) Set(s string) (err error) { *f.sig, err = process.ParseSignal(s); return err }

func (f signalFlag) String() string { return strings.TrimPrefix(process.SignalName(*f.sig), "SIG") }

// Type implements pflag.Value.
func (f signalFlag) Type() string { return "SIG" }

// thenFlag is --then: a signal, or none.
type thenFlag struct{ signalFlag }

// Set implements pflag.Value.
func (f thenFlag) Set(s string) error {
	if s == "none" {
		*f.sig = drain.NoSignal
		return nil
	}
	if err := f.signalFlag.Set(s); err != nil {
		return fmt.Errorf("%w, or none", err)
	}
	return nil
}

func (f thenFlag) String() string {
	switch *f.sig {
	case drain.NoSignal:
		return "none"
	case 0:
		return ""
	}
	return f.signalFlag.String()
}

// Type implements pflag.Value.
func (f thenFlag) Type() string { return "SIG|none" }
