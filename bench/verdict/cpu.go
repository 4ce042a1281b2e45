package verdict

import "lastack/bench/record"

const (
	// busy is the share of CPU from which a thread, or the machine, counts as full.
	busy = 0.9
	// noisy is the share of the CPUs from which other processes are reported.
	noisy = 0.1
)

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
	all := c.ElapsedS * float64(c.CPUs)
	few := j.shared() || c.GeneratorS < 0.5*all // the generator did not use the target's share
	machine := args{"cpus": c.CPUs, "idle": j.idle()}
	less := false // less of a load would leave CPU time
	switch {
	case c.GeneratorBusiest >= busy && !full:
		j.limit(record.LimitGeneratorCPU, j.shared(), "generator_busy", args{"busiest": c.GeneratorBusiest}, "more_workers")
	case c.ServerBusiest >= busy && !full:
		j.limit(record.LimitServerCPU, true, "server_busy", args{"busiest": c.ServerBusiest})
		less = true
	case full && c.SoftirqS > 0.5*(c.SystemS+c.UserS):
		j.limit(record.LimitSoftirq, j.shared(), "softirq_full", nil)
		less = true
	case full && j.others() > ours(c):
		j.limit(record.LimitCPU, !j.shared() && few, "cpus_full_of_others", machine)
		j.cpuReason()
		return true
	case full:
		j.limit(record.LimitCPU, few, "cpus_full", machine)
		less = true
	default:
		return false
	}
	j.cpuReason()
	j.searchReasons()
	if j.shared() {
		j.because("cpus_shared", nil)
	}
	if less {
		j.askLess()
	}
	return true
}

// askLess advises a load at which no part waits for a CPU: of a closed loop half of the connections, or else 70 % of the rate that completed.
func (j *judgement) askLess() {
	const part = 0.7
	a := args{}
	if len(j.r.Plan.Groups) == 1 {
		if n := j.r.Plan.Groups[0].Connections; n > 1 && !j.openLoop() {
			a["connections"] = n / 2
		} else if rate := twoDigits(part * j.r.Rate.CompletedPerS); rate >= 1 {
			a["rate_per_s"] = rate
		}
	}
	j.advise("ask_less", a)
}

func (j *judgement) cpuReason() {
	c := j.r.Pressure.CPU
	if c.ElapsedS <= 0 {
		return
	}
	if why := j.cpuUnread(); why != "" {
		j.because("cpu_not_read", args{"why": why})
		return
	}
	if !j.cpuKnown() {
		j.because("too_short_for_cpu", args{"measured_s": c.ElapsedS})
		return
	}
	all := c.ElapsedS * float64(c.CPUs)
	a := args{"cpus": c.CPUs, "generator": c.GeneratorS / all, "rest": max(all-c.GeneratorS-c.ServerS-c.IdleS, 0) / all, "idle": c.IdleS / all}
	if c.ServerS > 0 {
		a["server"] = c.ServerS / all
	}
	j.because("cpu_shares", a)
	if share := j.others() / all; share >= noisy {
		a := args{"share": share, "target_may_be_among_them": !j.shared()}
		j.because("others_on_cpus", a)
		j.advise("quiet_machine", a)
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

// throttledShare is the share of a quota's periods that must have ended with threads waiting for it to bind a run.
const throttledShare = 0.25

// throttled reports whether the control group's CPU quota kept threads of this process from running.
func (j *judgement) throttled() bool {
	c := j.r.Pressure.CPU
	return c.QuotaPeriods > 0 && float64(c.Throttled) >= throttledShare*float64(c.QuotaPeriods)
}

// quota judges the control group's CPU quota.
func (j *judgement) quota() bool {
	if j.plateaus() {
		return false // it took longer, and holds what was asked for
	}
	if !j.throttled() || j.openLoop() && j.met() && j.r.Latency["lag"].P99Us <= lateP99Us {
		return false
	}
	c := j.r.Pressure.CPU
	a := args{"throttled": c.Throttled, "periods": c.QuotaPeriods, "waited_s": c.ThrottledS}
	if c.Quota > 0 {
		a["cpus"] = c.Quota
	}
	return j.limit(record.LimitCPUQuota, j.shared() && !j.openLoop(), "cpu_quota", a, "raise_cpu_quota")
}

func cpuCodes() []Code {
	const full = "the machine's {cpus} CPUs were full ({idle:%.0f} idle)"
	return []Code{
		found("cpu_quota", "the CPU quota of this process's control group kept it from running", "raise the quota, or run outside of it",
			"the CPU quota of this process's control group limited it: [{cpus} CPUs, and ]in {throttled} of {periods} periods threads waited for the next, {waited_s} in all"),
		found("generator_busy", "one worker of the load had no CPU time left, though the machine had", "more --workers",
			"a load worker used {busiest:%.0f} of a CPU"),
		found("server_busy", "one worker of the server had no CPU time left, though the machine had", "this is the server's limit; more workers there help, or ask for less",
			"a server worker used {busiest:%.0f} of a CPU"),
		found("softirq_full", "the machine's CPUs were full of the kernel's packet work", "spread it (RSS, RPS), use more CPUs, or ask for less",
			"the machine was full, mostly of softirq work"),
		found("cpus_full_of_others", "the machine's CPUs were full, mostly of processes outside this run", "run it again on a quiet machine",
			full+", more with other processes than with this run"),
		found("cpus_full", "the machine's CPUs were full", "this is what the host can do; fewer processes beside it, or more CPUs, help, or ask for less", full),
		found("cpus_shared", "client and server ran on the same CPUs", "put the server on another host to measure it alone",
			"client and server share these CPUs: this is what the host can do with both ends on it"),
		found("cpu_shares", "who used the CPUs", "nothing: it goes with another finding",
			"CPU of {cpus}: generator {generator:%.0f}, [server {server:%.0f}, ]rest {rest:%.0f}, idle {idle:%.0f}"),
		found("others_on_cpus", "processes outside this run used a tenth of the CPUs or more", "run it again on a quiet machine",
			"other processes of this host[ (the target among them, if it is here){?target_may_be_among_them}] used at least {share:%.0f} of the CPUs: without them there may be more"),
		found("cpu_not_read", "CPU times could not be read", "let this user read /proc/stat and its own /proc/self/task", "{why}"),
		found("too_short_for_cpu", "the run was too short to tell CPU shares", "run for longer",
			"{measured_s} are too short to judge the CPUs by, whose time the kernel counts in ticks of 10 ms: a longer run would tell"),
		remedy("more_workers", "more workers for the load", "more --workers"),
		remedy("quiet_machine", "repeat it without other processes", "run it again on a quiet machine[, with the target on another{?target_may_be_among_them}]"),
		remedy("ask_less", "ask for less, so that latency is not the wait for a CPU",
			"ask for less, so that latency is not the wait for a CPU: [half of the connections, {connections}|"+
				"a --rate of {rate_per_s}/s, 70 % of what completed|a lower --rate, or fewer --connections]"),
		remedy("raise_cpu_quota", "raise the control group's CPU quota",
			"raise the quota (cpu.max, cpu.cfs_quota_us; --cpus of docker, limits.cpu of a pod, CPUQuota= of systemd), or run outside of it"),
	}
}
