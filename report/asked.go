package report

import (
	"fmt"
	"strings"
	"time"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// title names the program and the kind of run.
func title(r *record.Run) string {
	kind := r.Kind
	if kind == "" {
		kind = record.KindRun
	}
	return join(" ", "lastack", r.Version, kind)
}

// asked says where and how a run took place. interrupted is empty if it came to its end, load for a run, whose title has it.
func asked(r *record.Run, load, interrupted string) *document.Section {
	s := &document.Section{ID: "asked", Level: document.First}
	if interrupted != "" {
		s.Blocks = append(s.Blocks, document.Note{Level: document.First, Tone: document.Bad, Doubt: true, Text: interrupted})
	}
	f := document.Facts{Level: document.First}
	add := func(level document.Level, name, text string) {
		if text != "" {
			f.Facts = append(f.Facts, document.Fact{Level: level, Name: name, Text: text})
		}
	}
	add(document.First, "load", load)
	if groups := r.Plan.Groups; len(groups) > 0 {
		add(document.First, "target", target(r))
		for _, s := range r.Plan.Resolved {
			add(document.Detail, "resolved", s)
		}
		if n := r.Plan.Probed; n > 0 {
			add(document.Detail, "probed", quantity.Plural(n, "by a connection", fmt.Sprintf("by %d connections", n))+" before the load, on which nothing was sent; no count here includes it")
		}
		if r.Kind != record.KindDrain && len(groups) == 1 && groups[0].Exchange == "none" && r.Server == nil && r.Plan.ServerWorkers == 0 {
			add(document.First, "exchange", "nothing is sent: connections are opened and closed only (--exchange http:/path or echo:REQ,RESP asks for more)")
		}
	}
	add(document.First, "where", where(r.Sandbox))
	var set []string
	for _, k := range keys(r.Sandbox.Sysctls) {
		set = append(set, k+"=\""+r.Sandbox.Sysctls[k]+"\"")
	}
	add(document.First, "set", strings.Join(set, ", "))
	for i := range r.Hosts {
		add(document.Detail, "host", host(&r.Hosts[i]))
		add(document.Detail, "sysctls", sysctls(&r.Hosts[i]))
	}
	add(document.Detail, "run", when(r))
	if why := r.Plan.EngineReason; why != "" {
		add(document.Detail, "engine", r.Plan.Engine+", because "+why)
	}
	if r.Shard != nil {
		add(document.First, "shard", fmt.Sprintf("%d of %d: all counts are of this part of the load", r.Shard.I, r.Shard.N))
	}
	if len(r.Plan.Command) > 0 {
		add(document.Detail, "command", shell(r.Plan.Command))
	}
	s.Blocks = append(s.Blocks, f)
	return s
}

// shell quotes a command line, so that it can be pasted.
func shell(args []string) string {
	var out []string
	for _, a := range args {
		plain := !strings.ContainsFunc(a, func(r rune) bool {
			return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-", r)
		})
		if !plain || a == "" {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		out = append(out, a)
	}
	return strings.Join(out, " ")
}

// what describes a plan.
func what(plan *record.Plan) string {
	switch len(plan.Groups) {
	case 0:
		return "the plan was not recorded"
	case 1:
		return describe(&plan.Groups[0], plan.DurationNs, plan.Count)
	default:
		return join(" ", fmt.Sprintf("%d groups of connections", len(plan.Groups)), extent(plan.DurationNs, plan.Count))
	}
}

// extent says how long a load lasts.
func extent(durationNs, count int64) string {
	var parts []string
	if durationNs > 0 {
		parts = append(parts, askedTime(durationNs))
	}
	if count > 0 {
		parts = append(parts, number(count, "lifecycle", "lifecycles"))
	}
	if len(parts) == 0 {
		return ""
	}
	return "for " + strings.Join(parts, " or ")
}

// describe describes a group of a plan.
func describe(g *record.Group, durationNs, count int64) string {
	n := quantity.Count(int64(g.Connections))
	var s string
	switch {
	case g.PlateauNs > 0:
		s = "open " + n + " connections, hold all for " + askedTime(g.PlateauNs)
		switch {
		case g.Close == "never":
		case g.CloseRate > 0:
			s += ", close them " + askedRate(g.CloseRate) + "/s"
		default:
			s += ", close them as fast as possible"
		}
	case g.RateFrom > 0 || g.RateTo > 0:
		s = askedRate(g.RateFrom)
		if g.RateTo != g.RateFrom && g.RateTo > 0 {
			s += " to " + askedRate(g.RateTo)
		}
		s += " new connections/s (open loop"
		if g.Connections > 0 {
			s += ", at most " + n + " at once"
		}
		s += ")"
	default:
		s = n + " connections at a time (closed loop)"
	}
	if e := extent(durationNs, count); e != "" && g.PlateauNs == 0 {
		s += " " + e
	}
	if g.Close != "" {
		s += ", close " + g.Close
	}
	if g.OnEOF != "" && g.OnEOF != "close" {
		s += ", on-eof " + g.OnEOF
	}
	if g.Exchange != "" {
		s += ", exchange " + g.Exchange
	}
	if g.Requests > 1 {
		s += " x " + quantity.Count(int64(g.Requests))
	}
	if g.ThinkNs > 0 {
		s += ", " + askedTime(g.ThinkNs) + " apart"
	}
	if g.HoldNs > 0 {
		s += ", each held " + askedTime(g.HoldNs)
	}
	return s
}

// target says where the load went and where it came from.
func target(r *record.Run) string {
	var targets, sources []string
	seen := make(map[string]bool)
	add := func(list *[]string, kind string, more []string) {
		for _, m := range more {
			if !seen[kind+m] {
				seen[kind+m] = true
				*list = append(*list, m)
			}
		}
	}
	for i := range r.Plan.Groups {
		add(&targets, "to ", r.Plan.Groups[i].Targets)
		add(&sources, "from ", r.Plan.Groups[i].Sources)
	}
	s := some(targets, 4)
	if r.Server != nil || r.Plan.ServerWorkers > 0 {
		s = "embedded server, " + s
	}
	if len(sources) > 0 {
		s += " from " + some(sources, 2)
		if n := r.Plan.Groups[0].SourcesChosen; n > 0 {
			s += fmt.Sprintf(" (%s addresses, for their ports)", quantity.Count(int64(n)))
		}
	}
	if g := &r.Plan.Groups[0]; len(r.Plan.Groups) == 1 && g.SourcePorts != "" && g.SourcePorts != "0-0" {
		s += ", source ports " + g.SourcePorts
	}
	return s
}

// some lists the first few.
func some(list []string, n int) string {
	if len(list) == 0 {
		return "not recorded"
	}
	if len(list) > n+1 {
		return strings.Join(list[:n], ", ") + fmt.Sprintf(" and %d more", len(list)-n)
	}
	return strings.Join(list, ", ")
}

func where(s record.Sandbox) string {
	var out string
	switch s.Mode {
	case "root", "user":
		out = "sandbox with its own network namespace"
		if s.Topology == "veth" {
			out = "sandbox of two network namespaces joined by a veth pair"
		}
		if s.Topology == "lo" {
			out += ", both ends on lo"
		}
		if s.Mode == "user" {
			out += " (without root)"
		} else {
			out += " (root)"
		}
	case "off":
		out = "this host's network namespace, no sandbox"
	default:
		out = "not recorded"
	}
	if s.EhashEntries > 0 {
		out += fmt.Sprintf(", a connection hash of %s entries", quantity.Count(int64(s.EhashEntries)))
		if s.Topology == "veth" {
			out += " each"
		}
	}
	if s.Loss != "" && s.Loss != "0" && s.Loss != "0%" {
		out += ", " + s.Loss + " of packets dropped on purpose"
	}
	return join(": ", out, s.Reason)
}

// sysctls lists the sysctls that limit a load of connections.
func sysctls(h *record.Host) string {
	var out []string
	for _, k := range []string{
		"net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_tw_reuse", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_max_tw_buckets",
		"net.core.somaxconn", "net.ipv4.tcp_max_syn_backlog",
	} {
		if v := strings.Join(strings.Fields(h.Sysctls[k]), "-"); v != "" {
			out = append(out, k[strings.LastIndex(k, ".")+1:]+"="+v)
		}
	}
	return strings.Join(out, ", ")
}

func host(h *record.Host) string {
	var parts []string
	if k := h.Kernel; k != "" {
		parts = append(parts, "Linux "+strings.TrimPrefix(k, "Linux "))
	}
	if h.CPUs > 0 {
		s := fmt.Sprintf("%d %s", h.CPUs, quantity.Plural(h.CPUs, "CPU", "CPUs"))
		if h.CPUQuota > 0 && h.CPUQuota < float64(h.CPUs) {
			s += fmt.Sprintf(", %.3g by cgroup quota", h.CPUQuota)
		}
		if h.GoMaxProcs > 0 {
			s += fmt.Sprintf(" (GOMAXPROCS %d)", h.GoMaxProcs)
		}
		parts = append(parts, s)
	}
	if h.MemoryBytes > 0 {
		s := quantity.Bytes(h.MemoryBytes) + " memory"
		if c := h.CgroupMemoryBytes; c > 0 && c < h.MemoryBytes {
			s += ", " + quantity.Bytes(c) + " by cgroup limit"
		}
		parts = append(parts, s)
	}
	if h.NoFile > 0 {
		parts = append(parts, "at most "+quantity.Count(h.NoFile)+" descriptors")
	}
	if len(parts) == 0 {
		return "not recorded"
	}
	return strings.Join(parts, ", ")
}

// when says when a run took place, how long it was, and how many workers it had.
func when(r *record.Run) string {
	var parts []string
	if !r.Started.IsZero() {
		parts = append(parts, moment(r.Started))
	}
	s := quantity.Seconds(r.ElapsedS) + " measured"
	if r.Plan.WarmupNs > 0 {
		s += " after " + askedTime(r.Plan.WarmupNs) + " of warm-up"
		if r.Warmup != nil {
			s += " (" + number(r.Warmup.Attempted, "lifecycle", "lifecycles") + ", not in the result)"
		}
	}
	if r.Plan.RampNs > 0 {
		s += ", ramp of " + askedTime(r.Plan.RampNs)
	}
	parts = append(parts, s)
	if r.Plan.Workers > 0 {
		w := fmt.Sprintf("%d load", r.Plan.Workers)
		if r.Plan.ServerWorkers > 0 {
			w += fmt.Sprintf(" and %d server", r.Plan.ServerWorkers)
		}
		parts = append(parts, w+" "+quantity.Plural(r.Plan.Workers+r.Plan.ServerWorkers, "worker", "workers"))
	}
	return join(", ", append(parts, r.Plan.Engine)...)
}

// moment prints a point in time, always in UTC.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
