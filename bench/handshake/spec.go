package handshake

import (
	"net/netip"
	"time"

	"lastack/bench/sandbox"
	"lastack/bench/setup"
	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/teardown"
)

// Spec is what is asked for.
type Spec struct {
	Close    teardown.Policy
	OnEOF    teardown.Reaction
	Exchange exchange.Spec
	// Hold is how long the side that closes first waits before it closes.
	Hold time.Duration
	Lose Lose
	// V6 has both ends use IPv6.
	V6 bool
	// Follow waits for the end of TIME_WAIT, and of a FIN_WAIT_2 without a process.
	Follow  bool
	Sysctls []sandbox.Sysctl
	// Trace has the kernel tell when states change, by eBPF: TraceOn, or TraceAuto where it is allowed. Empty: it does not.
	Trace string
	// Target is a server somewhere else; invalid: both ends are in a sandbox.
	Target netip.AddrPort

	// Drill, Case and Teaches are of a drill, and what only drills do: LateReply is what the server sends when it has read EOF, in bytes,
	// before it reacts. Again connects once more from the same port, with SO_REUSEADDR after a bind without it has been refused. Replay
	// delivers a copy of the server's last data when the connection is over.
	Drill, Case, Teaches string
	LateReply            int
	Again, Replay        bool

	Version string
	Command []string
}

// Setup is a Spec that has been checked.
type Setup struct{ Spec }

// maxHold bounds Hold.
const maxHold = 10 * time.Minute

// Resolve checks what is asked for, before a socket opens. Its errors are *sockstate.ValueErrors.
func Resolve(s Spec) (Setup, error) {
	switch {
	case s.Close.NeedsExchange() && s.Exchange.Kind == exchange.None:
		return Setup{}, sockstate.BadValue("close", s.Close, "nothing is unread without an exchange: want --exchange echo:1,1 or http:/path")
	case s.Hold < 0 || s.Hold > maxHold:
		return Setup{}, sockstate.BadValue("hold", s.Hold, "want a duration from 0s to %v", maxHold)
	case s.Target.IsValid() && s.Lose.What != loseNone:
		return Setup{}, sockstate.BadValue("lose", s.Lose, "only the relay of a sandbox can lose a packet: leave out the TARGET, or the flag")
	case s.Target.IsValid() && len(s.Sysctls) > 0:
		return Setup{}, sockstate.BadValue("sysctl", s.Sysctls[0], "the host's sysctls are never written: leave out the TARGET, or the flag")
	case s.Target.IsValid() && s.Trace == setup.TraceOn:
		return Setup{}, sockstate.BadValue("trace", s.Trace, "only the connection of a sandbox is traced: leave out the TARGET, or the flag")
	case s.Target.IsValid() && s.V6:
		return Setup{}, sockstate.BadValue("ipv6", "", "the TARGET's address says whether it is IPv6: leave out the TARGET, or the flag")
	case s.Target.IsValid() && s.Close.Who != teardown.ServerFirst && s.OnEOF != (teardown.Reaction{}):
		return Setup{}, sockstate.BadValue("on-eof", s.OnEOF, "with --close %s the TARGET reads EOF, and reacts as it does: want --close server:*", s.Close)
	case s.Target.IsValid() && s.Close.Who == teardown.BothAtOnce:
		return Setup{}, sockstate.BadValue("close", s.Close, "a TARGET closes when it does: want client:* or server:fin")
	}
	if s.OnEOF != (teardown.Reaction{}) {
		if err := setup.CheckReaction(s.Close, s.OnEOF); err != nil {
			return Setup{}, err
		}
	}
	if err := s.Lose.check(s.Close, s.OnEOF); err != nil {
		return Setup{}, err
	}
	return Setup{s}, nil
}

// Box is the sandbox that the setup needs.
func (s *Setup) Box() sandbox.Spec {
	return sandbox.Spec{Topology: sandbox.Relayed, Sysctls: s.Sysctls}
}
