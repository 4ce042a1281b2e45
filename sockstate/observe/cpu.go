package observe

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"

	"lastack/sockstate/sockio"
)

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
	// Process is this whole process, with its ended threads (CLOCK_PROCESS_CPUTIME_ID).
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

// CPU reads the times of the workers, the processes and the machine. A worker that has ended
// keeps its last reading, so read once before they end; without any reading it is an error.
func (o *Observer) CPU(t Threads) (CPU, error) {
	c := CPU{At: time.Now(), ServerPID: Unknown}
	var errs []error
	times := func(tids []int) []time.Duration {
		all := make([]time.Duration, len(tids))
		for i, tid := range tids {
			var err error
			all[i], err = o.threadTime(tid)
			errs = append(errs, err)
		}
		return all
	}
	c.Generator, c.Server = times(t.Generator), times(t.Server)
	c.WorkersRead = errors.Join(errs...) == nil

	c.Process = time.Duration(sockio.ProcessCPU())
	if o.server != 0 {
		c.ServerPID = o.processTime()
	}

	stat, err := o.proc.Stat()
	if err != nil {
		return c, errors.Join(append(errs, err)...)
	}
	all := stat.CPUTotal
	if all.User+all.System+all.Idle == 0 { // the line is missing: 0 idle time would look fully busy
		return c, errors.Join(append(errs, errors.New("/proc/stat has no times of the CPUs"))...)
	}
	c.MachineRead = true
	c.User = seconds(all.User + all.Nice)
	c.System = seconds(all.System + all.IRQ + all.SoftIRQ)
	c.Softirq = seconds(all.SoftIRQ)
	c.Steal = seconds(all.Steal)
	c.Idle = seconds(all.Idle + all.Iowait)
	return c, errors.Join(errs...)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func (o *Observer) threadTime(tid int) (time.Duration, error) {
	p, err := o.proc.Thread(o.self.PID, tid)
	if err != nil {
		return 0, err
	}
	stat, err := p.Schedstat()
	if err == nil {
		t := time.Duration(stat.RunningNanoseconds)
		o.threads[tid] = t
		return t, nil
	}
	if t, ok := o.threads[tid]; ok && gone(err) {
		return t, nil
	}
	return 0, fmt.Errorf("CPU time of thread %d: %w", tid, err)
}

func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) }

// processTime is the time of the server's processes. It includes waited-for children, so it
// does not fall when one ends.
func (o *Observer) processTime() time.Duration {
	const userHz = 100
	ticks, alive := int64(0), false
	for _, p := range o.serverProcesses() {
		if stat, err := p.Stat(); err == nil {
			ticks += int64(stat.UTime) + int64(stat.STime) + int64(stat.CUTime) + int64(stat.CSTime)
			alive = true
		}
	}
	if !alive {
		return Unknown
	}
	return time.Duration(ticks) * (time.Second / userHz)
}

// serverProcesses lists the server's processes.
func (o *Observer) serverProcesses() (all []procfs.Proc) {
	for _, pid := range tree(o.server) {
		if p, err := o.proc.Proc(pid); err == nil { // else it ended
			all = append(all, p)
		}
	}
	return all
}

// maxTree bounds the processes of a server.
const maxTree = 4096

// tree is a process and its descendants (/proc/PID/task/TID/children), or the process alone on a
// kernel without CONFIG_PROC_CHILDREN.
func tree(pid int) []int {
	pids := []int{pid}
	for i := 0; i < len(pids) && len(pids) < maxTree; i++ {
		files, _ := filepath.Glob("/proc/" + strconv.Itoa(pids[i]) + "/task/*/children") // the pattern is well-formed
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				continue // the thread ended
			}
			for field := range strings.FieldsSeq(string(b)) {
				if child, err := strconv.Atoi(field); err == nil && !slices.Contains(pids, child) {
					pids = append(pids, child)
				}
			}
		}
	}
	return pids
}
