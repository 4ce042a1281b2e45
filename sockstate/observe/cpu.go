package observe

import "time"

// Threads are the thread IDs of this process's workers.
type Threads struct {
	Generator, Server []int
}

// CPU is cumulative CPU time; CPU.Since makes a Usage of two.
type CPU struct {
	At time.Time
	// Generator and Server are the workers' CPU times, in the order of Threads
	// (/proc/PID/task/TID/schedstat): user space and kernel, with the softirqs charged to the thread. A
	// running thread's is as of its last scheduler tick.
	Generator, Server []time.Duration
	// Process is this whole process, with its ended threads (getrusage).
	Process time.Duration
	// ServerPID is the time of Config.ServerPID and its descendants, ended ones included, in
	// steps of 10 ms. It is Unknown without one, or once it has ended.
	ServerPID time.Duration
	// The whole machine, all CPUs, in steps of 10 ms (/proc/stat). System includes Softirq
	// and interrupts; Idle includes waiting for disks; Steal is the time taken by the hypervisor.
	User, System, Softirq, Steal, Idle time.Duration
	// MachineRead is false if those could not be read.
	MachineRead bool
	// WorkersRead is false if a worker's time could not be read; it is 0 then.
	WorkersRead bool
}

// Usage is CPU time between two readings.
type Usage struct {
	Elapsed time.Duration
	// Generator and Server are the sums over the workers. Without server workers, Server
	// is the time of Config.ServerPID, or Unknown.
	Generator, Server time.Duration
	// GeneratorBusiest and ServerBusiest are the busiest worker's CPU time as a share of
	// Elapsed, from 0 to 1.
	GeneratorBusiest, ServerBusiest float64
	// Rest is this process without the workers: observers, garbage collection, reports.
	Rest                               time.Duration
	User, System, Softirq, Steal, Idle time.Duration
	// MachineRead is false if the machine's times are unknown.
	MachineRead bool
	// WorkersRead is false if the workers' times are unknown.
	WorkersRead bool
}

// Since is the usage between an earlier reading and c. A worker that the earlier one lacks
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
