package verdict

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/sockstate"
)

const (
	// busy is the share of CPU from which a thread, or the machine, counts as full.
	busy = 0.9
	// noisy is the share of the CPUs from which other processes are worth a word.
	noisy = 0.1
	// lateP99 is how late an open loop may start its arrivals before the result says more about the generator.
	lateP99Us = 10_000
	// rateMet is the share of the scheduled rate that counts as met.
	rateMet = 0.99
)

// Judge says what bound a run, and whether it is a statement about the target. It is a pure function of the record.
func Judge(r *record.Run) record.Verdict {
	if r.Drain != nil {
		return judgeDrain(r)
	}
	v := record.Verdict{Valid: true, Reasons: []string{}}
	j := &judgement{r: r, v: &v}
	for _, rule := range []func() bool{
		j.nothing, j.ports, j.descriptors, j.cgroupMemory, j.memory, j.conntrack, j.quota, j.halted, j.lateness, j.capped, j.buckets, j.queues,
		j.failures, j.plateau, j.held, j.portSearch, j.loss, j.stalled, j.cpu, j.rate, j.slots,
	} {
		if rule() {
			break
		}
	}
	j.haltedBriefly()
	j.stalledBriefly()
	j.closes()
	j.replies()
	j.greetings()
	j.noReplies()
	j.outlasts()
	j.fewCompleted()
	j.accounting()
	if r.Interrupted {
		v.LimitedBy = record.LimitInterrupted
		v.Reasons = append([]string{fmt.Sprintf("stopped by a signal after %s: what follows is the part until then", quantity.Seconds(r.ElapsedS))}, v.Reasons...)
	}
	return v
}

type judgement struct {
	r *record.Run
	v *record.Verdict
}

// limit names what bound the run; only the first rule that applies does.
func (j *judgement) limit(by string, valid bool, format string, args ...any) bool {
	j.v.LimitedBy = by
	j.v.Valid = j.v.Valid && valid
	j.because(format, args...)
	return true
}

func (j *judgement) because(format string, args ...any) {
	j.v.Reasons = append(j.v.Reasons, fmt.Sprintf(format, args...))
}

func (j *judgement) advise(format string, args ...any) {
	j.v.Advice = append(j.v.Advice, fmt.Sprintf(format, args...))
}

func (j *judgement) openLoop() bool { return j.r.Rate.TargetPerS > 0 }

// shared reports whether generator and server have the same CPUs.
func (j *judgement) shared() bool { return j.r.Server != nil }

func (j *judgement) nothing() bool {
	if j.r.Connections.Attempted > 0 {
		return false
	}
	return j.limit(record.LimitUnknown, false, "no lifecycle was attempted in the measured time")
}

// asked is the rate of lifecycles that was asked for; in closed loop, which asks for none, the most
// that an interval opened: how fast the load is while it has what it needs.
func (j *judgement) asked() float64 {
	if j.openLoop() {
		return j.r.Rate.TargetPerS
	}
	best, from := j.r.Rate.OpenedPerS, 0.0
	for i := range j.r.Timeline {
		iv := &j.r.Timeline[i]
		// A short interval, as the last one may be, says little.
		if took := iv.TS - from; took > shortestS {
			best = max(best, float64(iv.Opened)/took)
		}
		from = iv.TS
	}
	return best
}

// shortestS is the shortest interval whose rate is looked at, in seconds.
const shortestS = 0.05

func (j *judgement) descriptors() bool {
	n := j.r.Outcomes[sockstate.OutcomeNoFD.String()]
	if s := j.r.Server; n == 0 && s != nil && s.AcceptErrors["EMFILE"]+s.AcceptErrors["ENFILE"] > 0 {
		j.limit(record.LimitFds, false, "the embedded server had no descriptor for a connection %s times (RLIMIT_NOFILE %s): those waited in the accept queue",
			quantity.Count(s.AcceptErrors["EMFILE"]+s.AcceptErrors["ENFILE"]), quantity.Count(j.r.Pressure.Fds.Limit))
		j.advise("raise the limit (ulimit -n), or ask for fewer --connections: each takes a descriptor at both ends")
		return true
	}
	if n == 0 {
		return false
	}
	if g := j.r.Pressure.Files; g.Limit > 0 && g.Peak >= g.Limit/100*99 {
		j.limit(record.LimitFds, false, "%s attempts found no free file, or no memory for one: %s were open on the whole host, which may have %s (fs.file-max)",
			quantity.Count(n+j.r.Outcomes[sockstate.OutcomeNoMemory.String()]), quantity.Count(g.Peak), quantity.Count(g.Limit))
		j.advise("raise fs.file-max, end what else holds files open, or bound the load with --connections: a socket is a file, a direct descriptor too")
		return true
	}
	f := j.r.Pressure.Fds
	j.limit(record.LimitFds, false, "%s attempts found no free descriptor: %s in use of %s (RLIMIT_NOFILE)", quantity.Count(n), quantity.Count(int64(f.Peak)), quantity.Count(f.Limit))
	j.advise("raise the limit: ulimit -n, LimitNOFILE= of systemd, or nofile of the container; or bound the load with --connections")
	return true
}

func (j *judgement) memory() bool {
	n := j.r.Outcomes[sockstate.OutcomeNoMemory.String()]
	m := j.r.Pressure.Memory
	full := m.TCPLimitBytes > 0 && m.TCPPeakBytes >= m.TCPLimitBytes
	if n == 0 && !full {
		return false
	}
	if !full && j.r.Plan.Engine == "uring" {
		// A ring's memory counts to the user's locked memory (io_create_region), but for CAP_IPC_LOCK.
		j.limit(record.LimitMemory, false, "%s attempts failed with ENOBUFS or ENOMEM: the kernel had no memory for a socket, or for one more of io_uring's rings, which for anybody but root RLIMIT_MEMLOCK bounds", quantity.Count(n))
		j.advise("raise the limit (ulimit -l), choose --engine epoll, or hold fewer connections")
		return true
	}
	if !full {
		j.limit(record.LimitMemory, false, "%s attempts failed with ENOBUFS or ENOMEM: the kernel had no memory for a socket or for what it sends, or a queue of a network device was full; %s",
			quantity.Count(n), tcpMemory(&m))
		j.advise("hold fewer connections; the control group's memory.events and the kernel's log (dmesg) tell of a lack of memory, ip -s link of a device's dropped packets")
		return true
	}
	j.limit(record.LimitMemory, false, "TCP's buffers held %s of the %s that tcp_mem allows; %s attempts failed with ENOBUFS or ENOMEM",
		quantity.Bytes(m.TCPPeakBytes), quantity.Bytes(m.TCPLimitBytes), quantity.Count(n))
	j.advise("raise net.ipv4.tcp_mem (pages, of the whole host), or hold fewer connections")
	return true
}

// tcpMemory says how much of tcp_mem is used. The sysctl is shown in the first network namespace alone.
func tcpMemory(m *record.Memory) string {
	if m.TCPLimitBytes == 0 {
		return "what tcp_mem allows was not read"
	}
	return fmt.Sprintf("TCP's buffers held %s of the %s that tcp_mem allows", quantity.Bytes(m.TCPPeakBytes), quantity.Bytes(m.TCPLimitBytes))
}

func (j *judgement) conntrack() bool {
	c := j.r.Pressure.Conntrack
	if c == nil || c.Limit == 0 || c.Peak < c.Limit*99/100 {
		return false
	}
	j.limit(record.LimitConntrack, false, "connection tracking was full: %s of %s entries", quantity.Count(c.Peak), quantity.Count(c.Limit))
	j.advise("raise net.netfilter.nf_conntrack_max, or exempt the load with a notrack rule")
	return true
}

// lateness: an open loop that could not keep its own schedule.
func (j *judgement) lateness() bool {
	lag, ok := j.r.Latency["lag"]
	if !j.openLoop() || !ok || lag.P99Us <= lateP99Us {
		return false
	}
	if j.r.Connections.Capped > 0 {
		return false // the cap's doing
	}
	by := record.LimitGeneratorCPU
	if j.idle() < 1-busy {
		by = record.LimitCPU
	}
	if j.generatorBusiest() < busy && j.idle() >= 1-busy {
		by = record.LimitUnknown
	}
	if j.searchBinds() {
		by = record.LimitPortSearch
	}
	j.limit(by, false, "the generator started 1 %% of the arrivals more than %s late (lag p99) at %s/s", quantity.Micros(lag.P99Us), quantity.PerSecond(j.r.Rate.TargetPerS))
	j.cpuReason()
	j.searchReasons()
	j.advise("a lower --rate, more CPUs for the generator, or a --close and --exchange that cost less")
	return true
}

func (j *judgement) capped() bool {
	c := j.r.Connections
	if c.Capped == 0 {
		return false
	}
	by, what := record.LimitConnections, "the cap of --connections"
	if !j.hasCap() {
		by, what = record.LimitFds, fmt.Sprintf("the %s descriptors that this process may have (RLIMIT_NOFILE)", quantity.Count(j.r.Pressure.Fds.Limit))
	}
	j.limit(by, false, "%s of %s arrivals had to wait for a free slot, %s were never started: %s bound the rate",
		quantity.Count(c.Capped), quantity.Count(c.Scheduled), quantity.Count(max(c.Scheduled-c.Attempted, 0)), what)
	if j.idle() < 1-busy || j.cpuUnread() != "" {
		j.cpuReason()
	}
	more := "--connections"
	if by == record.LimitFds {
		more = "the limit (ulimit -n)"
	}
	j.advise("raise %s above rate x lifecycle (%s were open at once), or shorten --hold", more, quantity.Count(c.PeakOpen))
	return true
}

// hasCap reports whether --connections capped an open loop.
func (j *judgement) hasCap() bool {
	for i := range j.r.Plan.Groups {
		if j.r.Plan.Groups[i].Connections > 0 {
			return true
		}
	}
	return false
}

func (j *judgement) buckets() bool {
	n := j.r.TimeWait.Overflow
	if n == 0 {
		return false
	}
	j.limit(record.LimitTWBuckets, true, "%s closed connections skipped TIME_WAIT: tcp_max_tw_buckets is %s, which lasts for %s closes/s",
		quantity.Count(n), quantity.Count(int64(j.r.TimeWait.MaxBuckets)), quantity.PerSecond(float64(j.r.TimeWait.MaxBuckets)/j.timeWait().Mean().Seconds()))
	j.advise("raise net.ipv4.tcp_max_tw_buckets (256 to 768 B each), or accept it: TIME_WAIT's protection is lost for those")
	return true
}

func (j *judgement) queues() bool {
	c := j.r.Counters
	p := j.r.Pressure
	if j.r.Sandbox.Mode == "off" && (p.Backlog == 0 || p.AcceptQueuePeak < p.Backlog) {
		// These counters are of a namespace that others listen in too, and the target's queue was not full.
		return false
	}
	overflow, drops := c["TcpExtListenOverflows"], c["TcpExtListenDrops"]
	syn := c["TcpExtTCPReqQFullDrop"] + c["TcpExtTCPReqQFullDoCookies"]
	switch {
	case overflow > 0:
		j.limit(record.LimitAcceptQueue, true, "the accept queue overflowed %s times (%s): clients that were dropped retry their SYN after 1 s", quantity.Count(overflow), j.backlog())
		j.advise("a larger --backlog (net.core.somaxconn caps it), more --listeners, or a server that accepts faster")
	case syn > 0:
		j.limit(record.LimitSYNDrops, true, "the SYN queue was full %s times", quantity.Count(syn))
		j.advise("raise net.ipv4.tcp_max_syn_backlog and the listener's backlog")
	case drops > 0:
		j.limit(record.LimitSYNDrops, true, "the listeners dropped %s SYNs%s", quantity.Count(drops), j.synQueue())
		j.advise("raise net.ipv4.tcp_max_syn_backlog and the listener's backlog, or switch SYN cookies on (net.ipv4.tcp_syncookies=1)")
	default:
		return false
	}
	return true
}

// synQueue is why a listener without SYN cookies drops SYNs before its queue is full: it keeps a quarter of
// tcp_max_syn_backlog for peers that it knows (tcp_conn_request).
func (j *judgement) synQueue() string {
	if j.sysctl("net.ipv4.tcp_syncookies") != "0" {
		return ""
	}
	return fmt.Sprintf(": without SYN cookies (tcp_syncookies=0) three quarters of tcp_max_syn_backlog (%s) may wait for their handshake's last ACK", j.sysctl("net.ipv4.tcp_max_syn_backlog"))
}

// backlog is "backlog 4,096", of each listener where their number is known.
func (j *judgement) backlog() string {
	sum := j.r.Pressure.Backlog
	if s := j.r.Server; s != nil && s.Listeners > 1 && sum > 0 {
		return fmt.Sprintf("backlog %s of each of %s listeners", quantity.Count(int64(sum/s.Listeners)), quantity.Count(int64(s.Listeners)))
	}
	if sum == 0 {
		return "backlog unknown"
	}
	return "backlog " + quantity.Count(int64(sum))
}

// fewCompleted: rates and latencies of the few that did not fail say little of the others.
func (j *judgement) fewCompleted() {
	c := j.r.Connections
	if c.Attempted == 0 || c.Failed*10 < c.Attempted*9 || !j.v.Valid {
		return
	}
	j.v.Valid = false
	j.because("rates and latencies are of the %s of %s lifecycles that did not fail: too few to speak for the target", quantity.Count(c.Attempted-c.Failed), quantity.Count(c.Attempted))
}

// failures: most of the load failed at the target. Its own closes are no limit: see closes.
func (j *judgement) failures() bool {
	c := j.r.Connections
	if (c.Failed-j.failedAstray())*2 < c.Attempted {
		return false
	}
	worst, n := sockstate.OutcomeRSTReceived.String(), unexpectedResets(&j.r.Result)
	for _, o := range sockstate.OutcomeNames(sockstate.ClassFailure) {
		if k := j.r.Outcomes[o]; k > n {
			worst, n = o, k
		}
	}
	by := record.LimitServer
	what := quantity.Count(n)
	switch errno, k := j.errno(); {
	case worst == sockstate.OutcomeUnreachable.String():
		by = record.LimitNetwork
		j.advise("check the route to the target (ip route get ADDRESS) and the routers on the way")
	case worst == sockstate.OutcomeOther.String() && 2*k > n: // not what came in place of a reply
		by, what = record.LimitUnknown, fmt.Sprintf("%s %s of %s", errno, quantity.Count(k), what)
		if errno == "EPERM" || errno == "EACCES" {
			j.advise("look into what this host forbids: firewall rules for what it sends (nft list ruleset), a security module (dmesg), a seccomp filter")
		}
	}
	if j.r.Sandbox.Loss != "" && j.waitsForLoss() {
		by = record.LimitNetwork
		defer func() { j.because("%s", j.lossWords()) }()
	}
	j.limit(by, c.Completed > 0, "%s of %s lifecycles failed, most as %s (%s)", quantity.Count(c.Failed), quantity.Count(c.Attempted), worst, what)
	if worst == sockstate.OutcomeCutInRequest.String() && j.r.Latency["exchange"].Count == 0 && len(j.r.HTTP) == 0 && len(j.r.ExchangeErrors) == 0 {
		j.advise("check what the target speaks: it ended each connection without a reply, as some servers do that await TLS or another protocol (curl -kv https://HOST:PORT/ tells TLS); then look into its log")
	} else if worst == sockstate.OutcomeCutInRequest.String() && j.severalRequests() {
		j.advise("fewer --requests, if the target takes no more on a connection: it ended connections between its replies")
	}
	return true
}

// severalRequests reports whether a connection was to carry more than one.
func (j *judgement) severalRequests() bool {
	return slices.ContainsFunc(j.r.Plan.Groups, func(g record.Group) bool { return g.Requests > 1 })
}

// errno is the most frequent one behind the outcome "other".
func (j *judgement) errno() (name string, n int64) {
	for _, e := range slices.Sorted(maps.Keys(j.r.Errnos)) {
		if k := j.r.Errnos[e]; k > n {
			name, n = e, k
		}
	}
	return name, n
}

func (j *judgement) plateau() bool {
	for i := range j.r.Plan.Groups {
		if g := &j.r.Plan.Groups[i]; g.PlateauNs > 0 {
			return j.limit(record.LimitConnections, true, "%s connections were open at once, of %s asked for%s", quantity.Count(j.r.Connections.PeakOpen), quantity.Count(int64(g.Connections)), j.seenOpen())
		}
	}
	return false
}

// seenOpen says when a sample first found the most connections open; empty if none did.
func (j *judgement) seenOpen() string {
	for i := range j.r.Timeline {
		if iv := &j.r.Timeline[i]; iv.InFlight > 0 && iv.InFlight >= j.r.Connections.PeakOpen {
			return "; a sample found them after " + quantity.Seconds(iv.TS)
		}
	}
	return ""
}

// cpuKnown reports whether CPU times were read, over long enough to judge shares.
func (j *judgement) cpuKnown() bool {
	return j.cpuUnread() == "" && j.r.Pressure.CPU.SharesTell()
}

// cpuUnread says which CPU times were not read, empty if all were.
func (j *judgement) cpuUnread() string {
	switch c := &j.r.Pressure.CPU; {
	case c.NotRead != "":
		return "the CPUs were not read (/proc/stat)"
	case c.WorkersNotRead != "":
		return "the CPU time of this program's workers was not read (/proc/self/task/TID/schedstat)"
	}
	return ""
}

// generatorBusiest is the share of a CPU that the busiest load worker used, 0 if unknown.
func (j *judgement) generatorBusiest() float64 {
	if !j.cpuKnown() {
		return 0
	}
	return j.r.Pressure.CPU.GeneratorBusiest
}

// idle is the share of the machine's CPU time that was idle, 1 if unknown.
func (j *judgement) idle() float64 {
	c := j.r.Pressure.CPU
	if !j.cpuKnown() || c.CPUs == 0 {
		return 1
	}
	return c.IdleS / (c.ElapsedS * float64(c.CPUs))
}

func (j *judgement) cpu() bool {
	c := j.r.Pressure.CPU
	full := j.idle() < 1-busy
	if j.openLoop() && j.met() || !j.cpuKnown() {
		return false
	}
	switch {
	case c.GeneratorBusiest >= busy && !full:
		j.limit(record.LimitGeneratorCPU, j.shared(), "a load worker used %.0f %% of a CPU", 100*c.GeneratorBusiest)
		j.advise("more --workers")
	case c.ServerBusiest >= busy && !full:
		j.limit(record.LimitServerCPU, true, "a server worker used %.0f %% of a CPU", 100*c.ServerBusiest)
	case full && c.SoftirqS > 0.5*(c.SystemS+c.UserS):
		j.limit(record.LimitSoftirq, j.shared(), "the machine was full, mostly of softirq work")
	case full && j.others() > ours(c):
		j.limit(record.LimitCPU, !j.shared() && c.GeneratorS < 0.5*c.ElapsedS*float64(c.CPUs), "the machine's %d CPUs were full (%.0f %% idle), and more of it with other processes than with this run", c.CPUs, 100*j.idle())
		j.cpuReason()
		j.advise("run it again on a quiet machine")
		return true
	case full:
		valid := j.shared() || c.GeneratorS < 0.5*c.ElapsedS*float64(c.CPUs)
		j.limit(record.LimitCPU, valid, "the machine's %d CPUs were full (%.0f %% idle)", c.CPUs, 100*j.idle())
	default:
		return false
	}
	j.cpuReason()
	j.searchReasons()
	if j.shared() {
		j.because("client and server share these CPUs: this is what the host can do with both ends on it")
	}
	return true
}

func (j *judgement) cpuReason() {
	c := j.r.Pressure.CPU
	if c.ElapsedS <= 0 {
		return
	}
	if why := j.cpuUnread(); why != "" {
		j.because("%s", why)
		return
	}
	if !j.cpuKnown() {
		j.because("%s", j.tooShort())
		return
	}
	all := c.ElapsedS * float64(c.CPUs)
	server := ""
	if c.ServerS > 0 {
		server = fmt.Sprintf("server %.0f %%, ", 100*c.ServerS/all)
	}
	j.because("CPU of %d: generator %.0f %%, %srest %.0f %%, idle %.0f %%",
		c.CPUs, 100*c.GeneratorS/all, server,
		100*max(all-c.GeneratorS-c.ServerS-c.IdleS, 0)/all, 100*c.IdleS/all)
	if share := j.others() / all; share >= noisy {
		target := ""
		if !j.shared() {
			target = " (the target among them, if it is here)"
		}
		j.because("other processes of this host%s used at least %.0f %% of the CPUs: without them there may be more", target, 100*share)
	}
}

// ours is the CPU time of this run, in seconds, with all softirq work.
func ours(c record.CPU) float64 {
	return c.GeneratorS + c.ServerS + c.ObserverS + c.SoftirqS
}

// others is the CPU time that the machine spent on other processes, in seconds: at least. Whether softirq
// work is charged to whom it interrupts is the kernel's choice (CONFIG_IRQ_TIME_ACCOUNTING), so all of
// it is taken for the load's.
func (j *judgement) others() float64 {
	c := j.r.Pressure.CPU
	return max(c.SystemS-c.SoftirqS+c.UserS-c.GeneratorS-c.ServerS-c.ObserverS, 0)
}

// met reports whether an open loop's rate was reached.
func (j *judgement) met() bool {
	r := j.r
	return r.Connections.Scheduled > 0 && float64(r.Connections.Attempted) >= rateMet*float64(r.Connections.Scheduled)
}

func (j *judgement) rate() bool {
	if !j.openLoop() {
		return false
	}
	c := j.r.Connections
	if j.met() {
		all := "all " + quantity.Count(c.Attempted)
		if c.Attempted != c.Scheduled {
			all = quantity.Count(c.Attempted) + " of " + quantity.Count(c.Scheduled)
		}
		return j.limit(record.LimitTarget, true, "%s arrivals of the schedule were started, lag p99 %s", all, quantity.Micros(j.r.Latency["lag"].P99Us))
	}
	return j.limit(record.LimitUnknown, false, "%s of %s arrivals of the schedule were started", quantity.Count(c.Attempted), quantity.Count(c.Scheduled))
}

func (j *judgement) held() bool {
	c := j.r.Connections
	if c.Unfinished == 0 || c.Completed > 0 || j.r.Interrupted {
		return false
	}
	return j.limit(record.LimitConnections, true, "%s connections were opened and held", quantity.Count(c.Unfinished))
}

// slots is what is left when nothing else was found, and says so only of what was looked at.
func (j *judgement) slots() bool {
	if unread := j.unread(); len(unread) > 0 {
		j.limit(record.LimitUnknown, true, "what bound the %s connections is not known: %s", quantity.Count(j.r.Connections.PeakOpen), strings.Join(unread, "; "))
		j.searchReasons()
		j.advise("let this user read these files of /proc and /sys (a container or a security module may hide them), and run it again")
		return true
	}
	if c := j.r.Pressure.CPU; c.ElapsedS > 0 && !j.cpuKnown() {
		return j.limit(record.LimitUnknown, true, "%s", j.tooShort())
	}
	return j.limit(record.LimitConnections, true, "%s connections at once, each waiting for the other side most of the time: %s", quantity.Count(j.r.Connections.PeakOpen), j.waiting())
}

// unread says what was not read of that which may have bound a closed loop.
func (j *judgement) unread() (all []string) {
	if why := j.cpuUnread(); why != "" {
		all = append(all, why)
	}
	for _, u := range []struct{ name, why string }{
		{record.UnreadPorts, "the local ports in use were not read (sock_diag, /proc/net/tcp)"},
		{record.UnreadCounters, "the counters of lost segments and full queues were not read (/proc/net/snmp, /proc/net/netstat)"},
		{record.UnreadMemory, "the memory of TCP's buffers was not read (/proc/net/sockstat)"},
		{record.UnreadQuota, "whether the CPU quota of this process's control group was used up was not read (cpu.stat)"},
	} {
		// What leaves no TIME_WAIT at the client has few ports in use.
		if slices.Contains(j.r.Pressure.Unread, u.name) && (u.name != record.UnreadPorts || j.clientWaits()) {
			all = append(all, u.why)
		}
	}
	return all
}

func (j *judgement) tooShort() string {
	return fmt.Sprintf("%s are too short to judge the CPUs by, whose time the kernel counts in ticks of 10 ms: a longer run would tell", quantity.Seconds(j.r.Pressure.CPU.ElapsedS))
}

func (j *judgement) waiting() string {
	l, ok := j.r.Latency["lifecycle"]
	if !ok {
		return "more would give more"
	}
	return fmt.Sprintf("a lifecycle took %s on average; more connections would give more", quantity.Micros(l.MeanUs))
}

// accounting: a ledger that does not close makes every number doubtful.
func (j *judgement) accounting() {
	for _, c := range j.r.Accounting {
		if !c.OK && c.Exact {
			j.v.Valid = false
			j.because("the accounting does not close: %s should be %s, and is %s", c.Name, quantity.Range(c.Want.Min, c.Want.Max), quantity.Count(c.Got))
		}
	}
}
