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
	// Others are the further addresses of the target's name. The load goes to the one on which a server of Stop.Exec listens.
	Others []netip.AddrPort
	Load   Load
	Stop   Stop
	// Also are programs that run beside a server of Stop.Exec: they start before it and end after the last try.
	Also [][]string
	// Repeat is the number of tries; 0 means 1. More need a server that can be started again: Stop.Exec or Stop.Restart.
	Repeat int

	// Workers is the number of load workers; 0 chooses.
	Workers int
	// Engine drives the clients' sockets: a name that sockio.Choose takes.
	Engine string

	// AllowPublic says that the owner of a target outside of private and loopback ranges consents.
	AllowPublic bool
	// Sandbox is where the drain takes place; nil: in the network namespace of this process.
	Sandbox *sandbox.Spec

	// Version and Command are for the record.
	Version string
	Command []string
}

// Load is the plan of groups that are held at once; a group of 0 is left out.
type Load struct {
	// Idle clients keep a connection, after one request on it.
	Idle int
	// InFlight clients ask one request after the other, Think apart.
	InFlight int
	// Partial clients have sent half a request.
	Partial int
	// Arrivals are new connections a second, one request each.
	Arrivals float64
	// Queued connections stand in the accept queue at the signal: the server is stopped (SIGSTOP) while they connect.
	Queued int

	// Exchange is what all speak; InFlightExchange what InFlight does instead, if it is not zero.
	Exchange, InFlightExchange exchange.Spec
	Host                       string // of HTTP's Host header; empty: the target
	Headers                    []string
	Think                      time.Duration
	// Reconnect is how long a client that lost its connection waits before it connects again; refused, it
	// waits twice as long each time. 0: it does not. See loadgen.Group.Reconnect for one that lost nothing.
	Reconnect time.Duration

	ConnectTimeout, RequestTimeout time.Duration

	// Defaults are the flags of the groups above that nobody gave: what is refused for them says so.
	Defaults []string
}

// Stop says how the server is stopped: by the signal to PID or to what Exec started, or by Hook, which may go with Exec.
type Stop struct {
	PID  int
	Exec []string
	Hook string // given to /bin/sh -c

	Signal syscall.Signal
	// After is how long the load is held before.
	After time.Duration
	// Grace is how long the server may take; then Then is sent. 0 leaves that open: SIGKILL for a server that lastack starts and that is
	// not to reload, else NoSignal.
	Grace time.Duration
	Then  syscall.Signal
	// StartTimeout bounds the time until a restarted server listens; 0 means startAtMost.
	StartTimeout time.Duration
	// Watch is how long clients are watched when the server is gone, or has come back.
	Watch time.Duration

	// Restart brings the server back as soon as the old one is gone, or with Handover before the signal.
	// It ends with the run.
	Restart  []string
	Handover bool
	// Contain is how what was started is kept from outliving the run.
	Contain process.Contain
	// Ledger is the file to which the server writes its own ledger when it ends (lastack serve --ledger).
	Ledger string
}

// NoSignal is Stop.Then where nothing is to follow.
const NoSignal = syscall.Signal(-1)

// then is the signal after the grace.
func (s *Stop) then() syscall.Signal {
	switch {
	case s.Then != 0:
		return s.Then
	case len(s.Exec) > 0 && !s.signalReloads():
		return syscall.SIGKILL
	}
	return NoSignal
}

// signalReloads reports whether servers do not end by the signal: SIGHUP has them read their configuration again, SIGUSR2 start
// their new program, or workers (nginx, HAProxy's master, gunicorn, Puma, php-fpm).
func (s *Stop) signalReloads() bool {
	// By name: not every system has SIGUSR2.
	name := process.SignalName(s.Signal)
	return name == "SIGHUP" || name == "SIGUSR2"
}

// reloads reports whether the server is expected to stay, and nothing follows.
func (s *Stop) reloads() bool { return s.signalReloads() && s.Then <= 0 }
