package loadgen

import (
	"time"

	"lastack/sockstate/sockio"
)

// Halts is the time in which workers did not run though they had something to look at: the process was stopped, the
// machine suspended, or others had the CPUs. What the load did then, and when it saw what, is not the target's doing.
type Halts struct {
	// Count is the number of gaps of haltFrom or more, Total their sum and Longest the longest, of the worker that
	// had the most.
	Count          int
	Total, Longest time.Duration
	// Suspended is how long the machine was (CLOCK_BOOTTIME less CLOCK_MONOTONIC, which no other time here contains).
	Suspended time.Duration
}

// haltFrom is the shortest gap that counts: no scheduler makes a thread wait so long on a machine that is not far too busy.
const haltFrom = int64(250 * time.Millisecond)

// cpuEvery is how often a worker notes its CPU time: what it used just before a gap must not be taken for the gap's.
const cpuEvery = int64(10 * time.Millisecond)

// busyShare is the part of a gap that a worker has used itself, of which so many make the gap, if that was work. On a
// machine that others keep busy it is not given more.
const busyShare = 20

// suspendFrom is more than two clocks differ by that are read one after the other.
const suspendFrom = 10 * time.Millisecond

// pace notices gaps in a worker's loop.
type pace struct {
	due     int64 // when the loop was to be back at the latest, had it nothing to do
	cpuDue  int64 // when the CPU time is to be noted
	cpu     int64 // of this thread, when it was
	threads func() int64
	halts   Halts
}

// back is told that the loop is back.
func (p *pace) back(now int64) {
	if late := now - p.due; late >= haltFrom && p.due != 0 {
		// A batch of slow calls, as connect's search for a port, is no halt.
		if cpu := p.threads(); cpu-p.cpu < late/busyShare {
			p.halts.Count++
			p.halts.Total += time.Duration(late)
			p.halts.Longest = max(p.halts.Longest, time.Duration(late))
		}
		p.cpuDue = 0
	}
	if now >= p.cpuDue {
		p.cpuDue, p.cpu = now+cpuEvery, p.threads()
	}
}

// halts sums up the workers.
func (g *Generator) halts() (h Halts) {
	for _, w := range g.workers {
		if w.pace.halts.Total > h.Total {
			h = w.pace.halts
		}
	}
	if d := sockio.Suspended() - g.suspended; d >= suspendFrom {
		h.Suspended = d
	}
	return h
}
