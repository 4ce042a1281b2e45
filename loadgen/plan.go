package loadgen

import (
	"net/netip"
	"time"

	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/teardown"
)

// Plan is a load. It marshals to JSON and back without loss.
type Plan struct {
	Groups []Group `json:"groups"`
	// Duration is the time in which lifecycles start, from the end of the warm-up; those in flight then
	// finish. 0 means until Count.
	Duration time.Duration `json:"duration_ns,omitempty"`
	// Count stops each group after so many lifecycles, warm-up not counted. 0 means until Duration.
	Count int64 `json:"count,omitempty"`
	// Warmup comes before the result: its lifecycles are counted apart.
	Warmup time.Duration `json:"warmup_ns,omitempty"`
	// Ramp raises the rate, or the number of connections, from 0 over its time, at the start.
	Ramp time.Duration `json:"ramp_ns,omitempty"`
	// Workers is the number of worker goroutines; 0 chooses.
	Workers int `json:"workers"`
}

// Group is one population of connections.
type Group struct {
	Name    string           `json:"name"`
	Targets []netip.AddrPort `json:"targets"` // connected to in turn
	// Connections is the number of slots in closed loop, the cap in open loop (0: none but the descriptors).
	Connections int `json:"connections,omitempty"`
	// RateFrom and RateTo are the arrivals a second, rising or falling evenly over the duration. 0: closed loop.
	RateFrom float64 `json:"rate_from,omitempty"`
	RateTo   float64 `json:"rate_to,omitempty"`
	// Poisson has arrivals come by chance, and not evenly: the gaps between them are exponential. Seed begins the sequence.
	Poisson bool   `json:"poisson,omitempty"`
	Seed    uint64 `json:"seed,omitempty"`
	// Phase, from 0 to below 1, delays paced arrivals by so much of a gap, see arrivals.Load: those of several processes take turns.
	Phase float64 `json:"phase,omitempty"`
	// Hold is the time between the exchange and the close, kept by the side that closes first.
	Hold time.Duration `json:"hold_ns,omitempty"`
	// Plateau opens all Connections once, holds them until the last is open and so much longer, and then closes
	// them, CloseRate a second (0: as fast as possible).
	Plateau   time.Duration `json:"plateau_ns,omitempty"`
	CloseRate float64       `json:"close_rate,omitempty"`

	// Keep is for clients that keep their connection; Connections is their number.
	Keep Keep `json:"keep,omitzero"`
	// Reconnect is how long such a client waits, when the server has ended its connection, before it
	// connects again; refused, it waits twice as long each time. 0: it gives up. A client that asks on, and was told with
	// a reply that the connection ends with it, has lost nothing: it waits for Think, and with 0 gives up only after Generator.Mark.
	Reconnect time.Duration `json:"reconnect_ns,omitempty"`
	// Gated has the group wait for Generator.Begin.
	Gated bool `json:"gated,omitempty"`

	Close    teardown.Policy   `json:"close"`
	OnEOF    teardown.Reaction `json:"on_eof"`
	Exchange exchange.Spec     `json:"exchange"`
	// Requests is the number of exchanges of a connection; 0 means 1.
	Requests int `json:"requests,omitempty"`
	// Think is the time between two exchanges of a connection.
	Think time.Duration `json:"think_ns,omitempty"`
	// Host is what HTTP's Host header says; empty: the first target's address.
	Host    string   `json:"host,omitempty"`
	Headers []string `json:"headers,omitempty"`

	ConnectTimeout time.Duration `json:"connect_timeout_ns,omitempty"`
	RequestTimeout time.Duration `json:"request_timeout_ns,omitempty"`
	CloseTimeout   time.Duration `json:"close_timeout_ns,omitempty"`

	// Sources are the local addresses connected from, in turn; none leaves the choice to the kernel.
	Sources []netip.Addr `json:"sources,omitempty"`
	// SourcePorts narrows the local ports (IP_LOCAL_PORT_RANGE, Linux 6.3); zero: the namespace's range.
	SourcePorts sockstate.PortRange `json:"source_ports,omitzero"`
}

// OpenLoop reports whether arrivals follow a schedule, rather than a free slot.
func (g *Group) OpenLoop() bool { return g.RateFrom > 0 || g.RateTo > 0 }

// OnSchedule reports whether a part of the group follows a schedule, for which its workers must be on time
// rather than thrifty.
func (g *Group) OnSchedule() bool { return g.OpenLoop() || g.CloseRate > 0 }

// Exchanges is the number of exchanges of a connection.
func (g *Group) Exchanges() int {
	if g.Exchange.Kind == exchange.None {
		return 0
	}
	return max(g.Requests, 1)
}

func (g *Group) host() string {
	if g.Host != "" {
		return g.Host
	}
	return g.Targets[0].String()
}
