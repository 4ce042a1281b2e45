package verdict

import (
	"lastack/bench/record"
	"lastack/sockstate"
)

// cgroupMemory judges a lack of memory in the control group.
func (j *judgement) cgroupMemory() bool {
	n, m := j.outcome(sockstate.OutcomeNoMemory), j.r.Pressure.Memory
	if m.CgroupLimitBytes == 0 || m.CgroupOOM == 0 && (n == 0 || m.CgroupHits == 0) {
		return false
	}
	return j.limit(record.LimitMemory, false, "cgroup_memory", args{"limit_bytes": m.CgroupLimitBytes, "hits": m.CgroupHits, "oom": m.CgroupOOM, "attempts": n}, "raise_cgroup_memory")
}

func (j *judgement) memory() bool {
	n, m := j.outcome(sockstate.OutcomeNoMemory), j.r.Pressure.Memory
	a := args{"attempts": n}
	if m.TCPLimitBytes > 0 { // the first network namespace alone shows tcp_mem
		a["bytes"], a["limit_bytes"] = m.TCPPeakBytes, m.TCPLimitBytes
	}
	switch {
	case m.TCPLimitBytes > 0 && m.TCPPeakBytes >= m.TCPLimitBytes:
		return j.limit(record.LimitMemory, false, "tcp_mem", a, "raise_tcp_mem")
	case n == 0:
		return false
	case j.r.Plan.Engine == "uring":
		// A ring's memory counts to the user's locked memory (io_create_region), but for CAP_IPC_LOCK.
		return j.limit(record.LimitMemory, false, "no_memory_or_ring", args{"attempts": n}, "raise_memlock")
	}
	return j.limit(record.LimitMemory, false, "no_memory", a, "find_lack_of_memory")
}

func memoryCodes() []Code {
	const (
		failed  = "{attempts} attempts failed with ENOBUFS or ENOMEM"
		buffers = "TCP's buffers held {bytes} of the {limit_bytes} that tcp_mem allows"
	)
	return []Code{
		found("cgroup_memory", "the control group's memory limit was reached", "raise memory.max, or hold fewer connections",
			"the memory limit of this process's control group ({limit_bytes}) was reached {hits} times, and {oom} times nothing could be freed; "+failed),
		found("tcp_mem", "TCP's buffers had all memory that net.ipv4.tcp_mem allows on this host", "raise net.ipv4.tcp_mem, or hold fewer connections", buffers+"; "+failed),
		found("no_memory_or_ring", "the kernel had no memory for a socket or for one of io_uring's rings", "raise ulimit -l, or choose --engine epoll",
			failed+": the kernel had no memory for a socket, or for another io_uring ring, which RLIMIT_MEMLOCK limits for ordinary users"),
		found("no_memory", "the kernel had no memory for a socket, or a device's queue was full", "hold fewer connections, or find what lacks (dmesg, memory.events, ip -s link)",
			failed+": the kernel had no memory for a socket or for what it sends, or a queue of a network device was full; ["+buffers+"|what tcp_mem allows was not read]"),
		remedy("raise_cgroup_memory", "raise the control group's memory limit",
			"raise the limit (memory.max, memory.limit_in_bytes; --memory of docker, limits.memory of a pod), or hold fewer connections"),
		remedy("raise_tcp_mem", "raise net.ipv4.tcp_mem", "raise net.ipv4.tcp_mem (pages, of the whole host), or hold fewer connections"),
		remedy("raise_memlock", "raise RLIMIT_MEMLOCK, or use epoll", "raise the limit (ulimit -l), choose --engine epoll, or hold fewer connections"),
		remedy("find_lack_of_memory", "find out what ran out of memory",
			"hold fewer connections; the control group's memory.events and the kernel's log (dmesg) tell of a lack of memory, ip -s link of a device's dropped packets"),
	}
}
