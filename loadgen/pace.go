package loadgen

import (
	"time"

	"lastack/sockstate/sockio"
)

// Halts is the time in which workers had work and neither ran nor waited for a CPU: the process was stopped, or the machine
// suspended. Latencies of that time say nothing about the target.
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

// noteEvery is how often a worker reads its CPU times, so that time before a gap is not counted as part of it.
const noteEvery = int64(10 * time.Millisecond)

// runShare is used where the kernel does not report the time spent waiting for a CPU: a worker that ran for 1/runShare of a gap or
// more was working.
const runShare = 20

// processShare: if the process ran for 1/processShare of a gap or more, it was not stopped. One worker slept, for example behind a
// long system call in the Go scheduler.
const processShare = 5

// suspendFrom is more than the difference between two clocks that are read one after the other.
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

// stood is how much of a gap the worker neither ran nor waited for a CPU, by the readings before and after; 0 if the process ran
// meanwhile.
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
	due     int64 // when Wait was to return at the latest
	noteDue int64 // when to read the CPU times again
	noted   usage
	usage   func() usage
	halts   Halts
}

// back is called when Wait has returned.
func (p *pace) back(now int64) {
	if late := now - p.due; late >= haltFrom && p.due != 0 {
		// A batch of slow calls is no halt: connect searching for a port, for example.
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
