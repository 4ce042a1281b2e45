package observe

import "time"

// Threads are the kernel's thread ids of the workers, of this process.
type Threads struct {
	Generator, Server []int
}

// CPU is cumulative CPU time: two of them make a Usage.
type CPU struct {
	At time.Time
	// Generator and Server are the times of the workers on a CPU, in the order of Threads, each up
	// to its last scheduler tick if it runs (/proc/PID/task/TID/schedstat): in user space and in
	// the kernel, with the softirqs that it was charged for.
	Generator, Server []time.Duration
	// Process is the whole of this process, threads that ended included (getrusage).
	Process time.Duration
	// ServerPID is the time of Config.ServerPID, its descendants, and those of them that
	// ended; in steps of 10 ms. It is Unknown without one, or when it is gone.
	ServerPID time.Duration
	// The whole machine, all CPUs, in steps of 10 ms (/proc/stat). System includes Softirq,
	// and interrupts; Idle includes waiting for disks; Steal is what the hypervisor took.
	User, System, Softirq, Steal, Idle time.Duration
	// MachineRead is unset where those could not be read.
	MachineRead bool
	// WorkersRead is unset where a worker's time could not be read, which is 0 then.
	WorkersRead bool
}

// Usage is CPU time between two readings.
type Usage struct {
	Elapsed time.Duration
	// Generator and Server are the sums over the workers. Without server workers, Server
	// is the time of Config.ServerPID, and Unknown if there is none.
	Generator, Server time.Duration
	// GeneratorBusiest and ServerBusiest are the share of Elapsed that the busiest
	// worker was on a CPU, from 0 to 1.
	GeneratorBusiest, ServerBusiest float64
	// Rest is this process less the workers: observers, garbage collection, reports.
	Rest                               time.Duration
	User, System, Softirq, Steal, Idle time.Duration
	// MachineRead is unset where the line above is not known.
	MachineRead bool
	// WorkersRead is unset where the workers' times are not known.
	WorkersRead bool
}

// Since is the use between an earlier reading and c. A worker that the earlier one does not have
// started in between.
func (c *CPU) Since(before *CPU) Usage {
	u := Usage{
		Elapsed: c.At.Sub(before.At),
		User:    c.User - before.User,
		System:  c.System - before.System,
		Softirq: c.Softirq - before.Softirq,
		Steal:   c.Steal - before.Steal,
		Idle:    c.Idle - before.Idle,

		MachineRead: c.MachineRead && before.MachineRead,
		WorkersRead: c.WorkersRead && before.WorkersRead,
	}
	u.Generator, u.GeneratorBusiest = sum(c.Generator, before.Generator, u.Elapsed)
	u.Server, u.ServerBusiest = sum(c.Server, before.Server, u.Elapsed)
	u.Rest = max(0, c.Process-before.Process-u.Generator-u.Server)
	if len(c.Server) == 0 {
		u.Server = Unknown
		if c.ServerPID != Unknown && before.ServerPID != Unknown {
			u.Server = c.ServerPID - before.ServerPID
		}
	}
	return u
}

func sum(now, before []time.Duration, elapsed time.Duration) (on time.Duration, busiest float64) {
	var most time.Duration
	for i, t := range now {
		if i < len(before) {
			t -= before[i]
		}
		on += t
		most = max(most, t)
	}
	if elapsed > 0 {
		busiest = min(1, most.Seconds()/elapsed.Seconds())
	}
	return on, busiest
}
