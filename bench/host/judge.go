package host

import (
	"cmp"
	"fmt"
	"strings"

	"lastack/bench/model"
	"lastack/bench/quantity"
	"lastack/sockstate"
)

const (
	fewFiles     = 65536
	fewPorts     = 16384
	fewBuckets   = 10000
	fewBacklog   = 1024
	fewOrphans   = 8192
	fewConntrack = 65536
	littleMemory = 1 << 30
	slowClockNs  = 400 // slower means a system call; a clock read in user space (vDSO) takes less than 100
)

// Judge says what the facts and features mean for a load. It is a pure function.
func Judge(f *Facts, k *Features) []Line {
	j := &judge{facts: f, features: k}
	j.limits()
	j.network()
	j.kernel()
	j.expect()
	return j.lines
}

type judge struct {
	facts    *Facts
	features *Features
	group    string
	lines    []Line
}

func (j *judge) say(subject string, s Status, detail, remedy string) {
	if s == OK {
		remedy = ""
	}
	j.lines = append(j.lines, Line{Group: j.group, Subject: subject, Status: s, Detail: detail, Remedy: remedy})
}

func degradedIf(bad bool) Status {
	if bad {
		return Degraded
	}
	return OK
}

// limits judges the limits of this process and this machine, except those of the network.
func (j *judge) limits() {
	f := j.facts
	j.group = "limits"

	cpus := fmt.Sprintf("%d, shared by load, embedded server and observers", f.CPUs)
	few := f.CPUs < 2
	if f.CPUQuota > 0 && f.CPUQuota < float64(f.CPUs) {
		cpus = fmt.Sprintf("%.1f of %d by cgroup quota (%s), shared by load, embedded server and observers", f.CPUQuota, f.CPUs, cmp.Or(f.CPUQuotaFile, "cpu.max"))
		few = true
	}
	j.say("CPUs", degradedIf(few), cpus,
		"latencies include waits for the CPU: use at least 2 whole CPUs and no quota, or load a server on another host")

	memory, byCgroup := f.UsableMemory()
	of := "of " + quantity.Bytes(f.MemoryBytes)
	if byCgroup {
		of = fmt.Sprintf("of %s by cgroup limit (%s)", quantity.Bytes(f.CgroupMemoryBytes), cmp.Or(f.CgroupMemoryFile, "memory.max"))
	}
	if len(f.Unread) > 0 {
		j.say("facts", Degraded, "not read: "+strings.Join(f.Unread, "; "),
			"what depends on them is left out or not checked: let this process see all of /proc (a container may hide it)")
	}
	if memory > 0 {
		socket := model.MemoryOf(f.Kernel, f.Slabs).Socket
		j.say("memory", degradedIf(memory < littleMemory),
			fmt.Sprintf("%s available %s: enough for about %s idle connections with both ends here (%.1f kB each)",
				quantity.Bytes(memory), of, quantity.Count(twoDigits(memory/(2*socket))), 2*float64(socket)/1000),
			"keep -c well below that: the kernel kills processes when memory runs out")
	}

	j.descriptors()
	j.rings()

	if limit, ok := f.Sysctl("fs.file-max"); ok {
		detail, low := fmt.Sprintf("%s open on the whole host, practically unlimited (fs.file-max)", quantity.Count(f.Usage.Files)), false
		if limit < 1<<40 {
			left := limit - f.Usage.Files
			detail = fmt.Sprintf("%s of %s open on the whole host (fs.file-max)", quantity.Count(f.Usage.Files), quantity.Count(limit))
			low = left < 2*min(int64(min(f.NoFileHard, 1<<62)), fewFiles)
		}
		j.say("open files", degradedIf(low), detail, "raise fs.file-max")
	}

	j.say("clock", degradedIf(f.ClockNs >= slowClockNs),
		fmt.Sprintf("%s, %d ns per reading", cmp.Or(f.Clock, "unknown"), f.ClockNs),
		"every reading is a system call: switch /sys/devices/system/clocksource/clocksource0/current_clocksource to tsc or the hypervisor's clock if available_clocksource lists it")

	j.say("privileges", OK, j.privileges(), "")
}

func (j *judge) atMost(sysctl string) string {
	if n, ok := j.facts.Sysctl(sysctl); ok {
		return fmt.Sprintf(" (at most %s = %s)", sysctl, quantity.Count(n))
	}
	return ""
}

func (j *judge) privileges() string {
	f := j.facts
	who := fmt.Sprintf("uid %d", f.UID)
	if f.UID == 0 {
		who = "root"
	}
	if !f.InitialUserNS {
		who += " in a user namespace"
	}
	var has string
	switch missing := missingCapabilities(f); {
	case len(f.Capabilities) == 0:
		has = "no capabilities"
	case len(missing) == 0 && !f.InitialUserNS:
		has = "all capabilities, but only in that namespace"
	case len(missing) == 0:
		has = "all capabilities that lastack can use"
	case len(missing) == len(usefulCapabilities()):
		has = fmt.Sprintf("%d %s, none that lastack can use", len(f.Capabilities), quantity.Plural(len(f.Capabilities), "capability", "capabilities"))
	default:
		has = "lacks " + strings.Join(missing, ", ")
	}
	if f.Seccomp {
		has += "; system calls are filtered (seccomp)"
	}
	return who + ", " + has
}

// usefulCapabilities lists the capabilities that some feature needs.
func usefulCapabilities() []string {
	return []string{"sys_admin", "net_admin", "net_raw", "sys_resource", "bpf", "perfmon"}
}

func missingCapabilities(f *Facts) (missing []string) {
	for _, c := range usefulCapabilities() {
		if !f.Can(c) {
			missing = append(missing, "CAP_"+strings.ToUpper(c))
		}
	}
	return missing
}

// network judges the limits of the network namespace, in the order of a
// connection's life.
func (j *judge) network() {
	f := j.facts
	j.group = "network"
	lasts := sockstate.TimeWaitLasts(f.HZ)
	bySysctl := j.inSandbox(", in a sandbox by --sysctl")

	if lo, hi, free, ok := f.LocalPorts(); ok {
		j.say("local ports", degradedIf(free < fewPorts),
			fmt.Sprintf("%s of %d-%d: the most connections at once from one source address to one target, %s/s sustained if the client keeps TIME_WAIT",
				quantity.Count(int64(free)), lo, hi, sustained(int64(free), lasts)),
			`use more --source addresses, or a wider range: net.ipv4.ip_local_port_range="1024 65535"`+bySysctl)
	}
	if reuse, ok := f.Sysctl("net.ipv4.tcp_tw_reuse"); ok {
		j.say("TIME_WAIT reuse", OK, j.reuse(reuse), "")
	}
	if buckets, ok := f.Sysctl("net.ipv4.tcp_max_tw_buckets"); ok {
		j.say("TIME_WAIT sockets", degradedIf(buckets < fewBuckets),
			fmt.Sprintf("%s of %s in use (tcp_max_tw_buckets): %s closes/s sustained, above that sockets skip TIME_WAIT",
				quantity.Count(f.Usage.TimeWait), quantity.Count(buckets), sustained(buckets, lasts)),
			"raise net.ipv4.tcp_max_tw_buckets"+bySysctl)
	}
	if s, ok := f.Sysctl("net.ipv4.tcp_fin_timeout"); ok {
		j.say("FIN_WAIT_2 timeout", OK,
			fmt.Sprintf("%d s for a closed socket whose peer does not close (tcp_fin_timeout); TIME_WAIT always lasts %v", s, lasts), "")
	}
	if backlog, ok := f.Sysctl("net.core.somaxconn"); ok {
		j.say("accept queue", degradedIf(backlog < fewBacklog), j.acceptQueue(backlog),
			"raise net.core.somaxconn"+bySysctl+": a full queue drops SYNs, and clients retry after a second")
	}
	if limit, ok := f.Sysctl("net.ipv4.tcp_max_orphans"); ok {
		j.say("orphans", degradedIf(limit-f.Usage.Orphans < fewOrphans),
			fmt.Sprintf("%s of %s in use on the whole host (tcp_max_orphans); above that a close becomes a reset", quantity.Count(f.Usage.Orphans), quantity.Count(limit)),
			"raise net.ipv4.tcp_max_orphans on the host: a sandbox does not isolate it")
	}
	if pages, ok := f.TCPMemoryPages(); ok {
		used, limit := f.Usage.TCPPages*f.PageBytes, pages*f.PageBytes
		j.say("TCP buffers", degradedIf(limit-used < littleMemory/8),
			fmt.Sprintf("%s of %s in use on the whole host (tcp_mem)", quantity.Bytes(used), quantity.Bytes(limit)),
			"raise the third value of net.ipv4.tcp_mem on the host: a sandbox does not isolate it")
	}
	if limit, ok := f.Sysctl("net.netfilter.nf_conntrack_max"); ok {
		j.say("connection tracking", degradedIf(limit-f.Usage.Conntrack < fewConntrack),
			fmt.Sprintf("%s of %s entries in use (nf_conntrack_max), including TIME_WAITs, if firewall rules track connections", quantity.Count(f.Usage.Conntrack), quantity.Count(limit)),
			"raise net.netfilter.nf_conntrack_max"+j.inSandbox(", or run in a sandbox, which has no rules"))
	} else {
		j.say("connection tracking", OK, "none in this namespace", "")
	}
}

// sustained is the rate per second at which TIME_WAITs keep so many places occupied.
func sustained(places int64, lasts sockstate.Span) string {
	return quantity.Count(int64(float64(places) / lasts.Mean().Seconds()))
}

func (j *judge) reuse(mode int64) string {
	const off = "connect() never reuses a port in TIME_WAIT"
	if on, ok := j.facts.Sysctl("net.ipv4.tcp_timestamps"); ok && on == 0 {
		return off + " (tcp_timestamps=0)"
	}
	after := "after 1 s"
	if ms, ok := j.facts.Sysctl("net.ipv4.tcp_tw_reuse_delay"); ok {
		after = fmt.Sprintf("after %s ms", quantity.Count(ms))
	}
	switch mode {
	case 0:
		return off + " (tcp_tw_reuse=0)"
	case 1:
		return "connect() reuses a port in TIME_WAIT " + after + " (tcp_tw_reuse=1)"
	default:
		return "connect() reuses a port in TIME_WAIT " + after + " on loopback, never elsewhere (tcp_tw_reuse=2)"
	}
}

func (j *judge) acceptQueue(backlog int64) string {
	s := fmt.Sprintf("backlogs up to %s (somaxconn)", quantity.Count(backlog))
	if n, ok := j.facts.Sysctl("net.ipv4.tcp_max_syn_backlog"); ok {
		s += fmt.Sprintf(", %s pending handshakes (tcp_max_syn_backlog)", quantity.Count(n))
	}
	if n, ok := j.facts.Sysctl("net.ipv4.tcp_syncookies"); ok {
		s += map[int64]string{0: ", no SYN cookies", 2: ", always SYN cookies"}[n]
	}
	if n, _ := j.facts.Sysctl("net.ipv4.tcp_abort_on_overflow"); n == 1 {
		s += ", a full queue resets (tcp_abort_on_overflow=1)"
	}
	return s
}
