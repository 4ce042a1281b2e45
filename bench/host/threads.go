package host

import (
	"bytes"
	"fmt"
	"io"
	"strconv"

	"lastack/bench/quantity"
)

// Threads that a process may start before it runs out. The runtime needs some of any Go program (RuntimeThreads), a
// load and its sandbox's parent have some twenty together (LoadThreads), and the sandbox's process, when the parent has
// its own, the rest of them (InsideThreads). Where one is refused the Go runtime ends the program with a trace.
//
// Nothing in Go runs early enough for the least of limits: the runtime starts three threads (sysmon, and those that run the first
// goroutines of its collector) and maps its arenas before any init function. With a pids.max of 3 or less (4: at times), or below about
// 700 MiB of RLIMIT_AS, it ends with a trace and exit code 2. A program of one init function that
// exits was tried: it needs as many threads, and 600 MiB are too little for it too. Only C code in
// the binary, before the runtime, could tell.
const (
	RuntimeThreads = 8
	InsideThreads  = 13
	LoadThreads    = 22
)

// ThreadsError says that a process may start too few threads.
type ThreadsError struct {
	// Left is how many it may start, Need how many it would.
	Left, Need int64
	// What is the limit's name, of the value Limit.
	What  string
	Limit int64
}

func (e *ThreadsError) Error() string {
	return fmt.Sprintf("%s more threads may be started here (%s is %s), and about %s are needed: raise it to %s or more%s",
		quantity.Count(max(e.Left, 0)), e.What, quantity.Count(e.Limit), quantity.Count(e.Need), quantity.Count(e.Limit+e.Need-e.Left), e.how())
}

func (e *ThreadsError) how() string {
	switch e.What {
	case pidsMax:
		return " (TasksMax= of a systemd unit, --pids-limit of a container)"
	case nproc:
		return " (ulimit -u, LimitNPROC= of a systemd unit)"
	}
	return ""
}

// AddressSpaceError says that a process may map too little memory.
type AddressSpaceError struct{ Limit int64 }

func (e *AddressSpaceError) Error() string {
	return fmt.Sprintf("this process may map %s of address space (RLIMIT_AS), of which a Go program reserves more than half before it does anything: raise it to %s or more (ulimit -v), or lift it",
		quantity.Bytes(e.Limit), quantity.Bytes(leastAddressSpace))
}

// leastAddressSpace is what a run was seen to need, and as much again for a larger one.
const leastAddressSpace = 2 << 30

// The limits of threads, by name.
const (
	pidsMax    = "pids.max of the control group"
	nproc      = "RLIMIT_NPROC"
	threadsMax = "kernel.threads-max"
)

// parseThreads finds "Threads:\t4" in /proc/PID/status.
func parseThreads(status []byte) (int64, bool) {
	_, rest, ok := bytes.Cut(status, []byte("\nThreads:"))
	if !ok {
		return 0, false
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	n, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 64)
	return n, err == nil && n > 0
}

// parseTasks reads how many tasks the host has from /proc/loadavg (loadavg_proc_show): "0.20 0.18 0.12 1/80 11206".
func parseTasks(r io.Reader) (int64, bool) {
	b, err := io.ReadAll(io.LimitReader(r, 256))
	if err != nil {
		return 0, false
	}
	f := bytes.Fields(b)
	if len(f) < 4 {
		return 0, false
	}
	_, all, ok := bytes.Cut(f[3], []byte("/"))
	n, err := strconv.ParseInt(string(all), 10, 64)
	return n, ok && err == nil && n > 0
}
