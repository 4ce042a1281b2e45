package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// maxSignal is Linux's last realtime signal (SIGRTMAX, signal(7)).
const maxSignal = 64

// signalNames are the signals that every system knows by name. golang.org/x/sys/unix knows more of them, but
// the command line holds no system call; the others have numbers.
func signalNames() map[string]syscall.Signal {
	return map[string]syscall.Signal{
		"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "ILL": syscall.SIGILL,
		"TRAP": syscall.SIGTRAP, "ABRT": syscall.SIGABRT, "BUS": syscall.SIGBUS, "FPE": syscall.SIGFPE,
		"KILL": syscall.SIGKILL, "USR1": syscall.SIGUSR1, "SEGV": syscall.SIGSEGV, "USR2": syscall.SIGUSR2,
		"PIPE": syscall.SIGPIPE, "ALRM": syscall.SIGALRM, "TERM": syscall.SIGTERM, "CHLD": syscall.SIGCHLD,
		"CONT": syscall.SIGCONT, "STOP": syscall.SIGSTOP, "TSTP": syscall.SIGTSTP, "TTIN": syscall.SIGTTIN,
		"TTOU": syscall.SIGTTOU, "URG": syscall.SIGURG, "XCPU": syscall.SIGXCPU, "XFSZ": syscall.SIGXFSZ,
		"VTALRM": syscall.SIGVTALRM, "PROF": syscall.SIGPROF, "WINCH": syscall.SIGWINCH, "IO": syscall.SIGIO,
		"SYS": syscall.SIGSYS,
	}
}

// parseSignal reads TERM, SIGTERM (in either case) or 15.
func parseSignal(s string) (syscall.Signal, error) {
	if n, err := strconv.Atoi(s); err == nil && n >= 1 && n <= maxSignal {
		return syscall.Signal(n), nil
	}
	if sig, ok := signalNames()[strings.TrimPrefix(strings.ToUpper(s), "SIG")]; ok {
		return sig, nil
	}
	return 0, fmt.Errorf("%q is no signal: want a name like TERM, QUIT or SIGUSR1, or a number from 1 to %d", s, maxSignal)
}

// signalName prints a signal as parseSignal reads it.
func signalName(sig syscall.Signal) string {
	names := signalNames()
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if names[name] == sig {
			return name
		}
	}
	return strconv.Itoa(int(sig))
}

// signalFlag is a flag that holds a signal.
type signalFlag struct{ syscall.Signal }

// Set implements pflag.Value.
func (f *signalFlag) Set(s string) (err error) { f.Signal, err = parseSignal(s); return err }

func (f *signalFlag) String() string { return signalName(f.Signal) }

// Type implements pflag.Value.
func (f *signalFlag) Type() string { return "SIG" }

// thenFlag is the signal after the grace: one, or none.
type thenFlag struct {
	signalFlag
	none bool
}

// Set implements pflag.Value.
func (f *thenFlag) Set(s string) error {
	if f.none = s == "none"; f.none {
		f.Signal = 0
		return nil
	}
	if err := f.signalFlag.Set(s); err != nil {
		return fmt.Errorf("%w, or none", err)
	}
	return nil
}

func (f *thenFlag) String() string {
	switch {
	case f.none:
		return "none"
	case f.Signal == 0:
		return ""
	}
	return f.signalFlag.String()
}

// Type implements pflag.Value.
func (f *thenFlag) Type() string { return "SIG|none" }
