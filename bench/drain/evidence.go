package drain

import (
	"net/netip"
	"time"

	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/capture"
	"lastack/sockstate/clock"
)

// evidence is all that a try has brought to light. What a drain says is a pure function of it. Times are on
// the clock of clock.Now, 0 where something did not happen.
type evidence struct {
	groups  []groupKind
	journal *loadgen.Journal
	// trace holds the packets; nil where there could be none.
	trace *capture.Trace

	byHook    bool  // the server was stopped by a command
	begun     int64 // the load
	signal    int64 // just before the signal was sent, or the hook started
	concluded int64 // when the watch ended
	pace      pace  // of this program, from the signal on

	restart      bool  // a server is to take the old one's place
	exited       int64 // the process that was signalled
	gone         int64 // nobody of the old server listens any more
	thenSent     int64
	hookEnded    int64
	restarted    int64 // the restart's command was started
	restartReady int64 // and listened

	// atArm is the load as the journal was armed, atEnd when it was over.
	atArm, atEnd loadgen.Snapshot
	total        loadgen.GroupResult

	// owners tells who had a client's connection when the watch ended; nil where that cannot be known.
	owners map[netip.AddrPort]owner
	// queued are the clients' addresses of the connections in the accept queue at the signal.
	queued map[netip.AddrPort]bool

	// counters is the growth of the kernel's over the try; own is set where nobody but the load and its server counts there.
	counters sockstate.Counters
	// read tells which of them were, and unread why others were not; nil: all.
	read   func(counter string) bool
	unread []string
	own    bool
}

// pace finds when this program did not run: halted by a signal, or without a CPU. What clients saw of that time is not what
// the server did.
type pace struct{ last, longest int64 }

// keep steps every pollEvery, from a time on and until stop is called, which returns when that has ended. It has a goroutine
// of its own, as the watch may wait for the kernel.
func (p *pace) keep(from int64) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(pollEvery)
		defer tick.Stop()
		for p.step(from); ; p.step(clock.Now()) {
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// step notes a time at which this program ran.
func (p *pace) step(now int64) {
	if p.last != 0 {
		p.longest = max(p.longest, now-p.last)
	}
	p.last = now
}

// haltedFrom is the shortest time without a step that is told of.
const haltedFrom = int64(250e6)

// groupKind is what a group is for.
type groupKind struct {
	name string
	keep loadgen.Keep
	// asked is the number of clients, 0 for arrivals.
	asked int
	// bytes is the length of a request.
	bytes int
}

// The groups' names.
const (
	groupIdle     = "idle"
	groupInFlight = "in-flight"
	groupPartial  = "partial"
	groupArrivals = "arrivals"
	groupQueued   = "queued"
)

// owner is who has a connection.
type owner string

const (
	ownerOld  owner = "old"
	ownerNew  owner = "new"
	ownerNone owner = "unknown"
)

// since is a time as the record has it: in seconds from the signal, nil for one that did not come.
func (e *evidence) since(at int64) *float64 {
	if at == 0 {
		return nil
	}
	s := e.seconds(at)
	return &s
}

func (e *evidence) seconds(at int64) float64 { return float64(at-e.signal) / 1e9 }

// concerns reports whether a connection, or an attempt, belongs to what the try reports: it was there at the
// signal, or came after it.
func (e *evidence) concerns(c *loadgen.ConnEntry) bool { return !c.Early && c.Ended >= e.signal }
