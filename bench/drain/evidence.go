package drain

import (
	"net/netip"
	"time"

	"lastack/bench/process"
	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/capture"
	"lastack/sockstate/sockdiag"
)

// evidence is everything that a try has observed. Once it is collected it does not change: what the record says about a try is a pure
// function of it (join, then fold).
type evidence struct {
	times
	stop   Stop
	groups groups
	// interrupted is set if the user ended the try.
	interrupted bool
	warnings    sentences

	// journal has an entry for each connection and request. total is the whole load, atMark the load at the mark before the stop, atEnd the
	// load at its end.
	journal       *loadgen.Journal
	total         loadgen.GroupResult
	atMark, atEnd loadgen.Snapshot
	// packets is nil without a capture; noPackets says why.
	packets   *capture.Trace
	noPackets error

	// before and after are the kernel's counters; unread says why some are missing. ownCounters is set if only the load and its server
	// change them.
	before, after sockstate.Counters
	unread        []string
	ownCounters   bool

	queue queue // at the signal
	// owners says which server had each client's connection when the watch ended; nil: not known.
	owners map[netip.AddrPort]owner

	server serverEvidence
	hook   *hookEvidence // nil without a stop command
	// restartFailed says why the server did not come back; it is empty if it did.
	restartFailed string
	beside        []record.DrainAlso
	// ledger is what the server wrote when it ended; noLedger says why it is missing.
	ledger   map[string]int64
	noLedger error
	// probed is the number of connections that waited for the server to speak first.
	probed int64
}

// queue holds the clients' addresses of the connections that nobody has accepted.
type queue map[netip.AddrPort]bool

// times are on the clock of clock.Now. 0 means that it did not happen.
type times struct {
	begun     int64         // the load
	signal    int64         // just before the signal was sent, or the stop command was started
	sending   time.Duration // of the signal
	concluded int64         // the watch ended

	exited    int64 // the signalled process
	gone      int64 // no process of the old server listens any more
	thenSent  int64 // the second signal
	hookEnded int64
	restarted int64 // the restart's command was started
	listening int64 // the restarted server listened

	// paused is the longest time after the signal in which this program did not run.
	paused int64
}

// serverEvidence is what this host knows about the server.
type serverEvidence struct {
	process *processEvidence // nil: not known here
	// local is set if its sockets are on this host, behind if another program listens on the target in front of it, searched once what it
	// left has been looked up.
	local, behind, searched bool
	// listening lists its processes that still listened when the watch ended, atGrace those that did when the grace was over.
	listening, atGrace []int
	// reloadEnded is set if it ended instead of reloading.
	reloadEnded bool
	// signalFailed says why a signal could not be sent.
	signalFailed string
	port         record.DrainPort
	// left are the sockets on its port when it had gone, by their clients' addresses; nil: not looked up.
	left map[netip.AddrPort]sockdiag.Socket
}

type processEvidence struct {
	pid                  int
	said, trouble        string
	contained, whyNoPIDs string
	exit                 process.Exit
}

type hookEvidence struct {
	said string
	exit process.Exit
}

// group is what one group of clients is for.
type group struct {
	name string
	keep loadgen.Keep
	// asked is the number of clients, 0 for arrivals.
	asked int
	// bytes is the length of a request.
	bytes int
}

// groups are the groups of clients of a load, in the plan's order.
type groups []group

// The groups' names.
const (
	groupIdle     = "idle"
	groupInFlight = "in-flight"
	groupPartial  = "partial"
	groupArrivals = "arrivals"
	groupQueued   = "queued"
)

// owner is the server that has a connection.
type owner string

const (
	ownerOld  owner = "old"
	ownerNew  owner = "new"
	ownerNone owner = "unknown"
)

// since is a time for the record: in seconds from the signal, nil if it did not happen.
func (t *times) since(at int64) *float64 {
	if at == 0 {
		return nil
	}
	return new(t.seconds(at))
}

func (t *times) seconds(at int64) float64 { return float64(at-t.signal) / 1e9 }

// late reports whether something happened after the watch, while clients closed their connections.
func (t *times) late(at int64) bool { return t.concluded != 0 && at > t.concluded }

// byHook reports whether a command, not a signal, stopped the server.
func (e *evidence) byHook() bool { return e.stop.Hook != "" }

// counted reports whether a counter of the kernel was read both before and after.
func (e *evidence) counted(name string) bool {
	_, before := e.before[name]
	_, after := e.after[name]
	return before && after
}

func (e *evidence) grown(name string) int64 { return e.after[name] - e.before[name] }
