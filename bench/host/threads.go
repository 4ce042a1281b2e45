package host

import (
	"bytes"
	"fmt"
	"io"
	"strconv"

	"lastack/bench/quantity"
)

// How many threads a process needs to be allowed to start: any Go program (RuntimeThreads), a load together with its
// sandbox's parent (LoadThreads), and the sandbox's process once the parent has its own (InsideThreads). If the kernel
// refuses a thread, the Go runtime crashes with a stack trace.
//
// No Go code runs early enough to check the smallest limits: the runtime starts three threads (sysmon, and those of the garbage
// collector's first goroutines) and maps its arenas before any init function. With a pids.max of 3 or less (sometimes 4), or an
// RLIMIT_AS below about 700 MiB, it crashes with exit code 2. So does a program that exits in an init function. Only C code that
// runs before the runtime could check.
const (
	RuntimeThreads = 8
	InsideThreads  = 13
	LoadThreads    = 22
)

// threadsError says that a process may start too few threads.
type threadsError struct {
	// Left is how many it may start, Need how many it needs.
	Left, Need int64
	// What names the limit, whose value is Limit.
	What  string
	Limit int64
}

func (e *threadsError) Error() string {
	return fmt.Sprintf("only %s more threads may be started here (%s is %s), but about %s are needed: raise it to %s or more%s",
		quantity.Count(max(e.Left, 0)), e.What, quantity.Count(e.Limit), quantity.Count(e.Need), quantity.Count(e.Limit+e.Need-e.Left), e.how())
}

func (e *threadsError) how() string {
	switch e.What {
	case pidsMax:
		return " (TasksMax= in a systemd unit, --pids-limit for a container)"
	case nproc:
		return " (ulimit -u, LimitNPROC= in a systemd unit)"
	}
	return ""
}

// addressSpaceError says that a process may map too little memory.
type addressSpaceError struct{ Limit int64 }

func (e *addressSpaceError) Error() string {
	return fmt.Sprintf("RLIMIT_AS allows this process %s of address space, and a Go program reserves more than half of that at start: raise it to %s or more (ulimit -v), or lift it",
		quantity.Bytes(e.Limit), quantity.Bytes(leastAddressSpace))
}

// leastAddressSpace is twice what a run was seen to need.
const leastAddressSpace = 2 << 30

// The limits of threads, by name.
const (
	pidsMax    = "pids.max of the control group"
	nproc      = "RLIMIT_NPROC"
	threadsMax = "kernel.threads-max"
)

// parseTasks reads the number of tasks from /proc/loadavg (loadavg_proc_show): "0.20 0.18 0.12 1/80 11206".
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
