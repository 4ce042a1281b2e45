package loadgen

import (
	"time"

	"lastack/sockstate/sockio"
)

// Halts is the time in which workers did not run though they had something to look at, nor waited for a CPU: the process was
// stopped, or the machine suspended. What the load did then, and when it saw what, is not the target's doing.
type Halts struct {
	// Count is the number of gaps of haltFrom or more, Total their sum and Longest the longest, of the worker that
	// had the most.
	Count          int
	Total, Longest time.Duration
	// Suspended is how long the machine was (CLOCK_BOOTTIME less CLOCK_MONOTONIC, which no other time here contains).
	Suspended time.Duration
}

// haltFrom is the shortest gap that counts, less what of it the worker ran or waited for a CPU.
const haltFrom = int64(250 * time.Millisecond)

// noteEvery is how often a worker notes what it has run and waited: what was just before a gap must not be taken for the gap's.
const noteEvery = int64(10 * time.Millisecond)

// runShare is the share of a gap that a worker runs in it, one in so many, where it worked: all that can be told where the kernel
// does not say how long it waited for a CPU that others had.
const runShare = 20

// processShare is the share of a gap, one in so many, from which this process ran in it: then it was not stopped, but one worker
// slept, as for its turn with the Go runtime behind a long system call.
const processShare = 5

// suspendFrom is more than two clocks differ by that are read one after the other.
const suspendFrom = 10 * time.Millisecond

// usage is what the kernel counts of a worker's thread, and of its whole process, in nanoseconds.
type usage struct {
	ran, waited, process int64
	waits                bool // waited is counted
}

func readUsage() usage {
	u := usage{process: sockio.ProcessCPU()}
	u.ran, u.waited, u.waits = sockio.ThreadRun()
	return u
}

// stood is how much of a gap was spent neither running nor waiting for a CPU, from what was before to what is behind it; 0 where the
// process ran meanwhile.
func stood(gap int64, before, behind usage) int64 {
	if behind.process-before.process >= gap/processShare {
		return 0
	}
	ran := behind.ran - before.ran
	if !before.waits || !behind.waits {
		return gap - ran*runShare
	}
	return gap - ran - (behind.waited - before.waited)
}

// pace notices gaps in a worker's loop.
type pace struct {
	due     int64 // when the loop was to be back at the latest, had it nothing to do
	noteDue int64 // when to note again
	noted   usage
	usage   func() usage
	halts   Halts
}

// back is told that the loop is back.
func (p *pace) back(now int64) {
	if late := now - p.due; late >= haltFrom && p.due != 0 {
		// A batch of slow calls, as connect's search for a port, is no halt.
		if d := stood(late, p.noted, p.usage()); d >= haltFrom {
			p.halts.Count++
			p.halts.Total += time.Duration(d)
			p.halts.Longest = max(p.halts.Longest, time.Duration(d))
		}
		p.noteDue = 0
	}
	if now >= p.noteDue {
		p.noteDue, p.noted = now+noteEvery, p.usage()
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
