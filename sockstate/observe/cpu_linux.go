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
	"time"

	"golang.org/x/sys/unix"
)

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

	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		errs = append(errs, os.NewSyscallError("getrusage", err))
	}
	c.Process = time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
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

func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) }

// processTime is the time of the server's processes. It includes waited-for children, so it
// does not fall when one ends.
func (o *Observer) processTime() time.Duration {
	const userHz = 100
	ticks, alive := int64(0), false
	for _, pid := range tree(o.server) {
		p, err := o.proc.Proc(pid)
		if err != nil {
			continue // it ended
		}
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
