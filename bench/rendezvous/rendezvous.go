package rendezvous

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"lastack/bench/shard"
)

// Spec is a rendezvous of the shards of a load.
type Spec struct {
	Shard shard.Shard
	// Name is where shard 0 listens, HOST:PORT. Find looks its address up, again and again, as a name may come to exist late. Its error ends the
	// rendezvous if it is a *sockstate.ValueError.
	Name string
	Find func(context.Context) (netip.AddrPort, error)
	// Plan identifies the plan: all shards must have the same. Version is that of the program.
	Plan, Version string
	// Token keeps strangers out; it may be empty.
	Token string
	// Timeout is how long to wait for all shards. Quorum, unless 0, is how many are enough then.
	Timeout time.Duration
	Quorum  int
	// RunID is shard 0's name of the run.
	RunID string
	// Waiting, unless nil, hears of a wait that is no short one, and at shard 0 for whom it is, each time that this changes.
	Waiting func(absent []int)
}

// Start is what the shards agreed on.
type Start struct {
	// At is the moment on this host's clock.
	At    time.Time
	RunID string
	// Offset is how much this host's clock is ahead of shard 0's, Uncertainty how wrong that may be.
	Offset, Uncertainty time.Duration
	// Absent lists the shards that did not come.
	Absent []int
}

// Exchanges is how often a shard compares clocks.
const Exchanges = 16

// MaxUncertainty is the most by which two clocks may be unsure to each other: shards that start further apart are no common load.
const MaxUncertainty = 50 * time.Millisecond

// patience is how long a wait may last before it is told.
const patience = time.Second

// lead is how long before the start it is announced, so that each shard can make its sockets and its sandbox.
const lead = 2 * time.Second

// mostAway is the furthest from now that an announced start may be: a shard that believed any would wait for longer than its timeout.
const mostAway = lead + grace

// Meet waits for the other shards and returns what was agreed on. An error names the shard that it is about.
func Meet(ctx context.Context, s Spec) (Start, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.Timeout+grace, errTimeout)
	defer cancel()
	if s.Waiting == nil {
		s.Waiting = func([]int) {}
	}
	if s.Shard.I == 0 {
		return lead0(ctx, &s)
	}
	told := make(chan struct{})
	long := time.AfterFunc(patience, func() { s.Waiting(nil); close(told) })
	defer func() {
		if !long.Stop() {
			<-told
		}
	}()
	began := time.Now()
	c, err := dial(ctx, &s)
	if err != nil {
		return Start{}, err
	}
	return join(ctx, &s, c, began)
}

// grace is how much longer shards wait for shard 0's word than it waits for them.
const grace = 2 * time.Second

// Error is a rendezvous that failed.
type Error struct {
	// Shard is the number of the shard that it is about, -1 if it is about none.
	Shard int
	Text  string
}

func (e *Error) Error() string { return "rendezvous: " + e.Text }

func failed(i int, format string, args ...any) error {
	return &Error{i, fmt.Sprintf(format, args...)}
}

var errTimeout = failed(-1, "it took too long")
