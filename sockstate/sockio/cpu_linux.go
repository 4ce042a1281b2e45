package sockio

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// AllowedCPUs lists the CPUs that this process may run on.
func AllowedCPUs() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, failed("sched_getaffinity", "", err)
	}
	cpus := make([]int, 0, runtime.NumCPU())
	for i := 0; len(cpus) < set.Count(); i++ {
		if set.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	return cpus, nil
}

// SetAffinity pins the calling thread to a CPU, for life.
func SetAffinity(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	return failed("sched_setaffinity", "", unix.SchedSetaffinity(0, &set))
}

// PreferCPU makes the listener get the connections whose SYN is handled on a CPU, among the listeners that share its
// address (SO_INCOMING_CPU; reuseport_select_sock since Linux 6.2). On loopback that is the CPU that connects.
func (l *Listener) PreferCPU(cpu int) error {
	return l.fail("setsockopt SO_INCOMING_CPU", unix.SetsockoptInt(l.FD, unix.SOL_SOCKET, unix.SO_INCOMING_CPU, cpu))
}
