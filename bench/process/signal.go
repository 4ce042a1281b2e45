package process

import (
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// maxSignal is Linux's last realtime signal (SIGRTMAX, signal(7)).
const maxSignal = 64

// signalNames are the signals that package syscall names; others are given by number. The table of golang.org/x/sys/unix differs between
// systems.
func signalNames() map[string]syscall.Signal {
	names := map[string]syscall.Signal{
		"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "ILL": syscall.SIGILL, "TRAP": syscall.SIGTRAP,
		"ABRT": syscall.SIGABRT, "BUS": syscall.SIGBUS, "FPE": syscall.SIGFPE, "KILL": syscall.SIGKILL, "SEGV": syscall.SIGSEGV,
		"PIPE": syscall.SIGPIPE, "ALRM": syscall.SIGALRM, "TERM": syscall.SIGTERM,
	}
	maps.Copy(names, unixSignals())
	return names
}

// Endings lists the signals that end lastack in good order, with its result so far. A SIGHUP that was ignored at start stays ignored
// (nohup). SIGINT and SIGQUIT do not: a shell without job control ignores them for everything started with &, and somebody who
// sends one to such a process means it.
func Endings() (all []os.Signal) {
	for _, name := range []string{"INT", "TERM", "QUIT", "ABRT", "XCPU", "HUP"} {
		if sig, ok := signalNames()[name]; ok && !(sig == syscall.SIGHUP && signal.Ignored(sig)) {
			all = append(all, sig)
		}
	}
	return all
}

// SignalNames lists the names that ParseSignal reads, without SIG, sorted.
func SignalNames() []string { return slices.Sorted(maps.Keys(signalNames())) }

// ParseSignal reads TERM, SIGTERM (in either case) or 15.
func ParseSignal(s string) (syscall.Signal, error) {
	if n, err := strconv.Atoi(s); err == nil && n >= 1 && n <= maxSignal {
		return syscall.Signal(n), nil
	}
	if sig, ok := signalNames()[strings.TrimPrefix(strings.ToUpper(s), "SIG")]; ok {
		return sig, nil
	}
	return 0, fmt.Errorf("%q is no signal: want a name like TERM, QUIT or SIGUSR1, or a number from 1 to %d", s, maxSignal)
}

// SignalName is SIGTERM and the like, or the number of a signal that has no name everywhere; ParseSignal reads it.
func SignalName(sig syscall.Signal) string {
	names := signalNames()
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if names[name] == sig {
			return "SIG" + name
		}
	}
	return strconv.Itoa(int(sig))
}
