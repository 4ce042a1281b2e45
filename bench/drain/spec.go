package drain

import (
	"net/netip"
	"syscall"
	"time"

	"lastack/bench/process"
	"lastack/bench/sandbox"
	"lastack/sockstate/exchange"
)

// Spec is a drain as it was asked for: plain data, which goes through a pipe as JSON.
type Spec struct {
	Target netip.AddrPort
	// Others are the other addresses of the target's name. The load goes to the one on which the server of Stop.Exec listens.
	Others []netip.AddrPort
	Load   Load
	Stop   Stop
	// Also lists programs that run beside the server of Stop.Exec. They start before it and end after the last try.
	Also [][]string
	// Repeat is the number of tries; 0 means 1. More than one needs a server that can be started again, by Stop.Exec or Stop.Restart.
	Repeat int

	// Workers is the number of load workers; 0 chooses.
	Workers int
	// Engine is a name for sockio.Choose.
	Engine string

	// AllowPublic allows a target outside private and loopback ranges; its owner has consented.
	AllowPublic bool
	// Sandbox is where the drain runs; nil is the network namespace of this process.
	Sandbox *sandbox.Spec

	// Live has the load's figures emitted every second, and each try when it has ended.
	Live bool

	// Version and Command are for the record.
	Version string
	Command []string
}

// Load says how many clients each group has. All groups are held at once; a group of 0 is left out.
type Load struct {
	// Idle clients keep a connection, after one request on it.
	Idle int
	// InFlight clients send one request after another, with Think in between.
	InFlight int
	// Partial clients send half a request and wait.
	Partial int
	// Arrivals is the number of new connections a second, with one request each.
	Arrivals float64
	// Queued connections wait in the accept queue at the signal: the server is halted (SIGSTOP) while they connect.
	Queued int

	// Exchange is the exchange of all groups. InFlightExchange replaces it for InFlight, unless it is zero.
	Exchange, InFlightExchange exchange.Spec
	Host                       string // for the Host header; empty: the target
	Headers                    []string
	Think                      time.Duration
	// Reconnect is how long a client waits before it replaces a lost connection. The wait doubles with each refusal. With 0 it does not
	// reconnect. See loadgen.Group.Reconnect for a client that lost nothing.
	Reconnect time.Duration

	ConnectTimeout, RequestTimeout time.Duration

	// Defaults lists the flags of the groups above that were not given, so that an error about one says that it is the default.
	Defaults []string
}

// Stop says how the server is stopped: by a signal to PID or to what Exec started, or by Hook, with or without Exec.
type Stop struct {
	PID  int
	Exec []string
	Hook string // given to /bin/sh -c

	Signal syscall.Signal
	// After is how long the load is held before the stop.
	After time.Duration
	// Grace is how long the server may take. Then Then is sent: if that is 0, SIGKILL to a server that lastack has started, unless the
	// signal reloads it; otherwise nothing.
	Grace time.Duration
	Then  syscall.Signal
	// StartTimeout bounds the time until a restarted server listens; 0 means startAtMost.
	StartTimeout time.Duration
	// Watch is how long clients are watched after the server has gone, or has come back.
	Watch time.Duration

	// Restart is the command that brings the server back: as soon as the old one has gone, or, with Handover, before the signal. That
	// server ends with the run.
	Restart  []string
	Handover bool
	// Contain is how lastack keeps what it has started from outliving the run.
	Contain process.Contain
	// Ledger is the file to which the server writes its ledger when it ends (lastack serve --ledger).
	Ledger string
}

// NoSignal in Stop.Then sends no second signal.
const NoSignal = syscall.Signal(-1)

// then is the signal to send after the grace.
func (s *Stop) then() syscall.Signal {
	switch {
	case s.Then != 0:
		return s.Then
	case len(s.Exec) > 0 && !s.signalReloads():
		return syscall.SIGKILL
	}
	return NoSignal
}

// signalReloads reports whether servers reload on the signal instead of ending: on SIGHUP they read their configuration again, on SIGUSR2
// they start their new program or new workers (nginx, HAProxy's master, gunicorn, Puma, php-fpm).
func (s *Stop) signalReloads() bool {
	// By name: not every system has SIGUSR2.
	name := process.SignalName(s.Signal)
	return name == "SIGHUP" || name == "SIGUSR2"
}

// reloads reports whether the server is expected to stay.
func (s *Stop) reloads() bool { return s.signalReloads() && s.Then <= 0 }
