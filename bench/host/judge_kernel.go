package host

import (
	"fmt"

	"lastack/sockstate"
)

// kernel judges what the kernel allows this process.
func (j *judge) kernel() {
	k := j.features
	j.group = "features"
	j.sandbox()

	j.feature("sock_diag", k.SockDiag, Degraded, "censuses of TCP states over netlink",
		"--census falls back to /proc/net/tcp, several times slower",
		needs{denied: "a security policy forbids it", unsupported: "build or load the kernel modules inet_diag and tcp_diag"})

	j.ofSandbox("SOCK_DESTROY", k.SockDestroy, Degraded, "a sandbox can end its remaining sockets at once",
		"sockets that still retransmit outlive a sandbox by up to minutes", "a kernel with CONFIG_INET_DIAG_DESTROY")
	j.ofSandbox("nf_tables", k.NFTables, Blocked, "--loss can drop packets in a sandbox", "no --loss", "build or load the kernel module nf_tables")

	j.feature("IP_LOCAL_PORT_RANGE", k.LocalPortRange, Blocked, "--source-ports limits the local ports of a load", "no --source-ports",
		needs{unsupported: "Linux 6.3 or newer" + j.inSandbox("; in a sandbox --sysctl net.ipv4.ip_local_port_range does the same")})
	j.feature("IP_BIND_ADDRESS_NO_PORT", k.BindNoPort, Degraded, "with --source, connect() chooses the port",
		"--source uses each local port for one target at a time", needs{unsupported: "Linux 4.2 or newer"})
	info := fmt.Sprintf("round-trip times and retransmissions of sampled connections (%d bytes)", k.TCPInfo.N)
	j.feature("TCP_INFO", k.TCPInfo, Degraded, info, "no round-trip times and retransmissions", needs{})
	j.feature("epoll_pwait2", k.EpollPwait2, Degraded, "timeouts in nanoseconds",
		"timeouts in whole milliseconds: pacing is coarser", needs{unsupported: "Linux 5.11 or newer"})
	j.feature("pressure figures", k.PSI, Degraded, "/proc/pressure: stalls for CPU, memory and I/O",
		"stalls for CPU and memory are not seen", needs{unsupported: "a kernel with CONFIG_PSI, booted with psi=1", denied: "run as root"})
	j.feature("slab figures", k.Slabinfo, Degraded, "/proc/slabinfo: the memory of the socket structures",
		"the memory of the socket structures is not seen", needs{denied: "run as root", unsupported: "a kernel with CONFIG_SLUB_DEBUG"})

	const fallback = "epoll drives the sockets, which is slower, and each takes a descriptor"
	if ring := k.IOUring; ring.Answer == sockstate.AnswerSupported && !j.hasRings() {
		j.say("io_uring", Degraded, fmt.Sprintf("too old (its last operation is %d, want %d): %s", ring.N, opBind, fallback), "Linux 6.11 or newer")
	} else {
		j.feature("io_uring", ring, Degraded, fmt.Sprintf("drives the sockets (operations up to %d)", ring.N), fallback,
			needs{denied: j.ringRemedy(), unsupported: "a kernel with CONFIG_IO_URING, Linux 6.11 or newer"})
	}
	j.feature("eBPF", k.BPF, Degraded, "--trace follows every change of state, --census bpf counts sockets in the kernel",
		"no trace of state changes; --census copies the sockets out of the kernel to count them",
		needs{denied: j.bpfRemedy(), unsupported: "a kernel with CONFIG_BPF_SYSCALL and CONFIG_BPF_EVENTS"})
	j.feature("packet sockets", k.Packet, Degraded, "drain orders events by the kernel's packet timestamps",
		"drain orders events by when its clients saw them; the clients' loop lag is the uncertainty",
		needs{denied: j.privilege("CAP_NET_RAW"), unsupported: "build or load the kernel module af_packet"})
}

// ofSandbox is feature for what needs CAP_NET_ADMIN: inside a sandbox the process is root of its network namespace, and has it. Without a
// sandbox it says nothing, since sandbox has said it.
func (j *judge) ofSandbox(subject string, f Feature, otherwise Status, works, without, unsupported string) {
	switch {
	case !j.hasSandbox():
	case f.Answer == sockstate.AnswerDenied:
		j.say(subject, OK, "needs CAP_NET_ADMIN, which a sandbox gives", "")
	default:
		j.feature(subject, f, otherwise, works, without, needs{denied: j.privilege("CAP_NET_ADMIN"), unsupported: unsupported})
	}
}

// needs holds the remedies.
type needs struct{ denied, unsupported string }

// feature says that a feature works, or what its absence means.
func (j *judge) feature(subject string, f Feature, otherwise Status, works, without string, n needs) {
	switch f.Answer {
	case sockstate.AnswerSupported:
		j.say(subject, OK, works, "")
		return
	case sockstate.AnswerDenied:
		j.say(subject, otherwise, fmt.Sprintf("denied (%s): %s", f.Why, without), j.withSeccomp(n.denied))
	case sockstate.AnswerUnsupported:
		j.say(subject, otherwise, fmt.Sprintf("not in this kernel (%s): %s", f.Why, without), j.withSeccomp(n.unsupported))
	default:
		j.say(subject, otherwise, fmt.Sprintf("could not be tried (%s): %s", f.Why, without), "")
	}
}

// privilege is the remedy for a missing capability over the network namespace.
func (j *judge) privilege(capability string) string {
	if !j.facts.InitialUserNS {
		return "run outside this user namespace, as root or with " + capability
	}
	return "run as root or with " + capability
}

// withSeccomp adds another possible cause to a remedy: a filter may answer EPERM or ENOSYS.
func (j *judge) withSeccomp(remedy string) string {
	if !j.facts.Seccomp {
		return remedy
	}
	const filter = "allow it in the container's seccomp profile"
	if remedy == "" {
		return filter
	}
	return remedy + "; or " + filter
}

// sandboxTrial is the trial of the kind of sandbox that run would make.
func (j *judge) sandboxTrial() Feature {
	if j.facts.RootSandbox() {
		return j.features.NetNS
	}
	return j.features.UserNS
}

func (j *judge) hasSandbox() bool { return j.sandboxTrial().Answer == sockstate.AnswerSupported }

// inSandbox is a remedy that a sandbox gives, if there can be one.
func (j *judge) inSandbox(remedy string) string {
	if j.hasSandbox() {
		return remedy
	}
	return ""
}

func (j *judge) sandbox() {
	if !j.hasSandbox() {
		j.say("sandbox", Blocked, fmt.Sprintf("no network namespace (%s): runs use the host's ports, sysctls and counters; no --sysctl, --loss, --topology veth", j.sandboxTrial().Why),
			j.sandboxRemedy())
		return
	}
	how := "user and network namespaces, no privilege needed"
	if j.facts.RootSandbox() {
		how = "network namespaces, as root"
	}
	j.say("sandbox", OK, how+": lo came up, a sysctl was written, a socket listened", "")
}

// sandboxRemedy names the setting that forbids sandboxes, as far as it is known.
func (j *judge) sandboxRemedy() string {
	f := j.facts
	switch {
	case f.Sysctls["kernel.apparmor_restrict_unprivileged_userns"] == "1" && !f.RootSandbox():
		return "AppArmor restricts user namespaces: run as root, give lastack a profile with userns, or set kernel.apparmor_restrict_unprivileged_userns=0"
	case f.Sysctls["kernel.unprivileged_userns_clone"] == "0" && !f.RootSandbox():
		return "run as root, or set kernel.unprivileged_userns_clone=1"
	case f.Sysctls["user.max_user_namespaces"] == "0" && !f.RootSandbox():
		return "run as root, or raise user.max_user_namespaces, which is 0"
	case f.Sysctls["user.max_net_namespaces"] == "0":
		return "raise user.max_net_namespaces, which is 0"
	case f.Seccomp || f.Can("sys_admin"):
		return "in a container: --privileged, or CAP_SYS_ADMIN with a seccomp profile that allows unshare, and a writable /proc/sys"
	}
	return "run as root"
}

func (j *judge) ringRemedy() string {
	switch j.facts.Sysctls["kernel.io_uring_disabled"] {
	case "1":
		return "run as root, or set kernel.io_uring_disabled=0"
	case "2":
		return "set kernel.io_uring_disabled=0"
	}
	return "a security policy forbids it"
}

func (j *judge) bpfRemedy() string {
	if j.facts.InitialUserNS && j.facts.Can("bpf") && j.facts.Can("perfmon") {
		return "the kernel is locked down, or a security policy forbids it"
	}
	return "run as root of the host, or with CAP_BPF and CAP_PERFMON"
}
