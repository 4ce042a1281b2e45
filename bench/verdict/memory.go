package verdict

import (
	"lastack/bench/record"
	"lastack/sockstate"
)

// cgroupMemory judges a lack of memory in the control group.
func (j *judgement) cgroupMemory() bool {
	n, m := j.r.Outcomes[sockstate.OutcomeNoMemory.String()], j.r.Pressure.Memory
	if m.CgroupLimitBytes == 0 || m.CgroupOOM == 0 && (n == 0 || m.CgroupHits == 0) {
		return false
	}
	j.limit(record.LimitMemory, false, "cgroup_memory", args{"limit_bytes": m.CgroupLimitBytes, "hits": m.CgroupHits, "oom": m.CgroupOOM, "attempts": n})
	j.advise("raise_cgroup_memory", nil)
	return true
}

func (j *judgement) memory() bool {
	n := j.r.Outcomes[sockstate.OutcomeNoMemory.String()]
	m := j.r.Pressure.Memory
	full := m.TCPLimitBytes > 0 && m.TCPPeakBytes >= m.TCPLimitBytes
	switch {
	case full:
		j.limit(record.LimitMemory, false, "tcp_mem", args{"bytes": m.TCPPeakBytes, "limit_bytes": m.TCPLimitBytes, "attempts": n})
		j.advise("raise_tcp_mem", nil)
	case n == 0:
		return false
	case j.r.Plan.Engine == "uring":
		// A ring's memory counts to the user's locked memory (io_create_region), but for CAP_IPC_LOCK.
		j.limit(record.LimitMemory, false, "no_memory_or_ring", args{"attempts": n})
		j.advise("raise_memlock", nil)
	default:
		a := args{"attempts": n}
		// The sysctl is shown in the first network namespace alone.
		if m.TCPLimitBytes > 0 {
			a["bytes"], a["limit_bytes"] = m.TCPPeakBytes, m.TCPLimitBytes
		}
		j.limit(record.LimitMemory, false, "no_memory", a)
		j.advise("find_lack_of_memory", nil)
	}
	return true
}

func memoryCodes() []Code {
	return []Code{
		found("cgroup_memory", "the control group's memory limit was reached", "raise memory.max, or hold fewer connections", func(a args) string {
			return "the memory limit of this process's control group (" + a.bytes("limit_bytes") + ") was reached " + a.count("hits") + " times, and " + a.count("oom") +
				" times nothing could be freed; " + a.count("attempts") + " attempts failed with ENOBUFS or ENOMEM"
		}),
		found("tcp_mem", "TCP's buffers had all memory that net.ipv4.tcp_mem allows on this host", "raise net.ipv4.tcp_mem, or hold fewer connections", func(a args) string {
			return "TCP's buffers held " + a.bytes("bytes") + " of the " + a.bytes("limit_bytes") + " that tcp_mem allows; " + a.count("attempts") + " attempts failed with ENOBUFS or ENOMEM"
		}),
		found("no_memory_or_ring", "the kernel had no memory for a socket or for one of io_uring's rings", "raise ulimit -l, or choose --engine epoll", func(a args) string {
			return a.count("attempts") + " attempts failed with ENOBUFS or ENOMEM: the kernel had no memory for a socket, or for another io_uring ring, which RLIMIT_MEMLOCK limits for ordinary users"
		}),
		found("no_memory", "the kernel had no memory for a socket, or a device's queue was full", "hold fewer connections, or find what lacks (dmesg, memory.events, ip -s link)", func(a args) string {
			held := "what tcp_mem allows was not read"
			if a.has("limit_bytes") {
				held = "TCP's buffers held " + a.bytes("bytes") + " of the " + a.bytes("limit_bytes") + " that tcp_mem allows"
			}
			return a.count("attempts") + " attempts failed with ENOBUFS or ENOMEM: the kernel had no memory for a socket or for what it sends, or a queue of a network device was full; " + held
		}),
		remedy("raise_cgroup_memory", "raise the control group's memory limit", fixed("raise the limit (memory.max, memory.limit_in_bytes; --memory of docker, limits.memory of a pod), or hold fewer connections")),
		remedy("raise_tcp_mem", "raise net.ipv4.tcp_mem", fixed("raise net.ipv4.tcp_mem (pages, of the whole host), or hold fewer connections")),
		remedy("raise_memlock", "raise RLIMIT_MEMLOCK, or use epoll", fixed("raise the limit (ulimit -l), choose --engine epoll, or hold fewer connections")),
		remedy("find_lack_of_memory", "find out what ran out of memory", fixed("hold fewer connections; the control group's memory.events and the kernel's log (dmesg) tell of a lack of memory, ip -s link of a device's dropped packets")),
	}
}
