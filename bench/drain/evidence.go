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

// evidence is all that a try has observed. Nothing of it changes once it is collected: what the record says of a try is a pure function
// of it (join, then fold).
type evidence struct {
	times
	stop   Stop
	groups groups
	// interrupted is set where the user ended the try.
	interrupted bool
	warnings    []string

	// journal tells of single connections and requests; total is the whole load, atMark the load at the mark before the stop, atEnd when
	// it was over.
	journal       *loadgen.Journal
	total         loadgen.GroupResult
	atMark, atEnd loadgen.Snapshot
	// packets is nil where there are none; noPackets says why.
	packets   *capture.Trace
	noPackets error

	// before and after are the kernel's counters; unread says why some are missing. ownCounters is set where only the load and its
	// server count there.
	before, after sockstate.Counters
	unread        []string
	ownCounters   bool

	// queue holds the clients' addresses of the connections in the accept queue at the signal.
	queue map[netip.AddrPort]bool
	// owners tells who had a client's connection when the watch ended; nil: not known.
	owners map[netip.AddrPort]owner

	server serverEvidence
	hook   *hookEvidence // nil without a stop command
	// restartFailed says why the server that was to come back did not, empty if it did.
	restartFailed string
	beside        []record.DrainAlso
	// ledger is what the server wrote at its end; noLedger says why there is nothing.
	ledger   map[string]int64
	noLedger error
	// probed is the number of connections that waited for the server to speak first.
	probed int64
}

// times are on the clock of clock.Now; 0: it did not happen.
type times struct {
	begun     int64         // the load
	signal    int64         // just before the signal was sent, or the stop command started
	sending   time.Duration // of the signal
	concluded int64         // the watch ended

	exited    int64 // the process that was signalled
	gone      int64 // nobody of the old server listens any more
	thenSent  int64 // the second signal
	hookEnded int64
	restarted int64 // the restart's command was started
	listening int64 // and listened

	// paused is the longest time after the signal in which this program did not run.
	paused int64
}

// serverEvidence is what this host knows of the server.
type serverEvidence struct {
	process *processEvidence // nil: not known here
	// local is set where its sockets are of this host, behind where it is behind what listens on the target, searched where it was looked
	// what it has left.
	local, behind, searched bool
	// listening are its processes that listened still when the watch ended, atGrace those that did when the grace was over.
	listening, atGrace []int
	// reloadEnded is set where it was to reload, and was gone.
	reloadEnded bool
	// signalFailed says why a signal could not be sent.
	signalFailed string
	port         record.DrainPort
	// left are the sockets on its port when it was gone, by their clients' addresses; nil: not looked at.
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
func (t *times) since(at int64) *float64 {
	if at == 0 {
		return nil
	}
	return new(t.seconds(at))
}

func (t *times) seconds(at int64) float64 { return float64(at-t.signal) / 1e9 }

// late reports whether something came after the watch had ended, while clients closed what they had.
func (t *times) late(at int64) bool { return t.concluded != 0 && at > t.concluded }

// byHook reports whether a command stopped the server, and no signal.
func (e *evidence) byHook() bool { return e.stop.Hook != "" }

// counted reports whether a counter of the kernel was read before and after.
func (e *evidence) counted(name string) bool {
	_, before := e.before[name]
	_, after := e.after[name]
	return before && after
}

func (e *evidence) grown(name string) int64 { return e.after[name] - e.before[name] }
