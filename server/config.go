package server

import (
	"net/netip"
	"time"

	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/netns"
	"lastack/sockstate/sockio"
	"lastack/sockstate/teardown"
)

// Config says what to serve and how.
type Config struct {
	// Addrs are listened on. Port 0 takes a free port.
	Addrs []netip.AddrPort
	// Listeners is the number of listening sockets of each address, sharing it by SO_REUSEPORT, each with an
	// accept queue of its own. 0 means 1.
	Listeners int
	// ReusePort lets other processes of the same user share the addresses (SO_REUSEPORT), as in a handover: each
	// new connection goes to one of them.
	ReusePort bool
	// Backlog is listen()'s; the accept queue holds one more. 0 means 4096; net.core.somaxconn caps it.
	Backlog int
	// Workers is the number of worker goroutines; 0 means 1.
	Workers int

	// Close and OnEOF are the policy of the load that the server faces.
	Close teardown.Policy
	OnEOF teardown.Reaction
	// Exchange is what the server answers; with None it reads and discards.
	Exchange exchange.Spec
	// Requests is the number of exchanges after which a server that closes first does so, or, with HTTP, sooner where
	// the client says "Connection: close". 0 means 1.
	Requests int
	// Hold is how long a server that closes first waits before it does.
	Hold time.Duration
	// Delay is how long it thinks about each answer.
	Delay time.Duration
	// Slow takes the place of Delay for HTTP requests whose target begins with exchange.SlowPath. 0: it does not.
	Slow time.Duration
	// Shutdown is what Server.Shutdown does.
	Shutdown Shutdown

	// Namespace is where the sockets are; nil: the process's own.
	Namespace *netns.NS `json:"-"`
	// Backend makes the workers' loops; zero: epoll.
	Backend sockio.Backend `json:"-"`
	// CPUs keeps worker i on CPUs[i], where it is not empty, and gives its listeners the connections that
	// arrive there.
	CPUs []int
	// Slots bounds the connections open at once at each worker: SO_REUSEPORT deals them out unevenly. 0 means 1024.
	Slots int
}

// DefaultBacklog is the backlog where none is given.
const DefaultBacklog = 4096

// maxThreads bounds the workers, and the listening sockets of an address.
const maxThreads = 1024

// maxHold is what a load may ask for: loadgen.MaxTime.
const maxHold = 30 * 24 * time.Hour

func (c *Config) setDefaults() {
	c.Listeners = max(c.Listeners, 1)
	c.Workers = max(c.Workers, 1)
	if c.Backlog == 0 {
		c.Backlog = DefaultBacklog
	}
	if c.Slots == 0 {
		c.Slots = 1024
	}
	if c.Backend.New == nil {
		c.Backend.New = sockio.NewEpoll
	}
}

// Validate returns a *sockstate.ValueError for the first thing wrong.
func (c *Config) Validate() error {
	switch {
	case len(c.Addrs) == 0:
		return sockstate.BadValue("listen", `""`, "want at least one address")
	case c.Workers < 0 || c.Workers > maxThreads:
		return sockstate.BadValue("workers", c.Workers, "want 0 (one per CPU) to %d", maxThreads)
	case c.Listeners < 0 || c.Listeners > maxThreads:
		return sockstate.BadValue("listeners", c.Listeners, "want 0 (one per worker) to %d", maxThreads)
	case c.Backlog < 0 || c.Backlog > 1<<20:
		return sockstate.BadValue("backlog", c.Backlog, "want 1 to 1048576")
	case c.Requests < 0 || c.Requests > 1<<30:
		return sockstate.BadValue("requests", c.Requests, "want 1 to 1073741824")
	case len(c.CPUs) > 0 && len(c.CPUs) < c.Workers:
		return sockstate.BadValue("workers", c.Workers, "there are CPUs for %d", len(c.CPUs))
	case c.Slots < 0:
		return sockstate.BadValue("connections", c.Slots, "want room for at least 1")
	case c.Hold < 0 || c.Hold > maxHold:
		return sockstate.BadValue("hold", c.Hold, "want 0s to %v", maxHold)
	case c.Delay < 0 || c.Delay > time.Hour:
		return sockstate.BadValue("delay", c.Delay, "want 0s to 1h")
	case c.Slow < 0 || c.Slow > time.Hour:
		return sockstate.BadValue("slow", c.Slow, "want 0s to 1h")
	case c.Slow > 0 && c.Exchange.Kind != exchange.HTTP:
		return sockstate.BadValue("slow", c.Slow, "%s", "needs --exchange http:/path: it is for requests of "+exchange.SlowPath)
	case c.Close.NeedsExchange() && c.Exchange.Kind == exchange.None:
		return sockstate.BadValue("close", c.Close, "needs an --exchange of echo or http: without data nothing is left unread")
	}
	for _, a := range c.Addrs {
		if !a.IsValid() || a.Addr().IsMulticast() {
			return sockstate.BadValue("listen", a, "want an address of this host and a port")
		}
	}
	return nil
}
