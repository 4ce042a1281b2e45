package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/bench/shard"
	"lastack/report/document"
)

// title names the program and the kind of run.
func title(r *record.Run) string {
	return join(" ", "lastack", r.Version, cmp.Or(r.Kind, record.KindRun))
}

// asked says where and how a run took place. interrupted is empty if the run was not. load and brief, the same in a few words, are a
// drain's; a run has its load in the title.
func asked(r *record.Run, load, brief, interrupted string) *section {
	s := &section{document.Section{ID: "asked", Level: document.First}}
	if interrupted != "" {
		s.add(document.Note{Level: document.First, Tone: document.Bad, Doubt: true, Text: interrupted})
	}
	if load != "" {
		s.add(document.Fact{Level: document.First, Name: "load", Text: load, Brief: brief})
	}
	if groups := r.Plan.Groups; len(groups) > 0 {
		s.fact(document.First, "target", target(r))
		for _, resolved := range r.Plan.Resolved {
			s.fact(document.Detail, "resolved", resolved)
		}
		if n := r.Plan.Probed; n > 0 {
			s.fact(document.Detail, "probed", quantity.Plural(n, "by a connection", fmt.Sprintf("by %d connections", n))+" before the load, on which nothing was sent; no count here includes it")
		}
		if r.Kind != record.KindDrain && len(groups) == 1 && groups[0].Exchange == "none" && r.Server == nil && r.Plan.ServerWorkers == 0 {
			s.fact(document.First, "exchange", "nothing is sent: connections are opened and closed only (--exchange http:/path or echo:REQ,RESP asks for more)")
		}
	}
	s.fact(document.First, "where", where(r.Sandbox))
	var set []string
	for _, k := range keys(r.Sandbox.Sysctls) {
		set = append(set, k+"=\""+r.Sandbox.Sysctls[k]+"\"")
	}
	s.fact(document.First, "set", strings.Join(set, ", "))
	said := map[string]bool{} // shards may be on one host, or on hosts alike
	for i := range r.Hosts {
		is, set := host(&r.Hosts[i]), sysctls(&r.Hosts[i])
		if !said[is+set] {
			s.fact(document.Detail, "host", is)
			s.fact(document.Detail, "sysctls", set)
		}
		said[is+set] = true
	}
	if len(r.Shards) > 0 {
		s.fact(document.First, "shards", shardsWords(r))
	}
	s.fact(document.Detail, "run", when(r))
	if why := r.Plan.EngineReason; why != "" {
		s.fact(document.Detail, "engine", r.Plan.Engine+", because "+why)
	}
	if r.Shard != nil {
		s.fact(document.First, "shard", shardWords(r.Shard))
	}
	if r.RunID != "" {
		s.fact(document.Detail, "run id", r.RunID)
	}
	if c := r.Plan.Command; len(c) > 0 {
		s.add(document.Fact{Name: "command", Text: shell(c), Command: true})
	}
	return s
}

// shardWords says which part of a load a record has, and how far its start can be from the others'.
func shardWords(of *record.Shard) string {
	s := fmt.Sprintf("%d of 0 to %d: all counts are of this part of the load", of.I, of.N-1)
	if of.StartAt == nil {
		return s
	}
	us := func(n int64) string { return quantity.Micros(float64(n)) }
	s += "; it started " + us(of.StartSkewUs) + " after the common moment"
	if of.ClockUncertaintyUs > 0 {
		s += fmt.Sprintf(", by a clock known within %s", us(of.ClockUncertaintyUs))
	}
	if len(of.Absent) > 0 {
		s += "; without " + shard.Names(of.Absent) + ", which did not come"
	}
	return s
}

// shell quotes a command line, so that it can be pasted.
func shell(args []string) string {
	var out []string
	for _, a := range args {
		if a == "" || strings.Trim(a, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-") != "" {
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

// given is text if a condition holds, or else empty.
func given(holds bool, text string) string {
	if holds {
		return text
	}
	return ""
}

// extent says how long a load lasts.
func extent(durationNs, count int64) string {
	long := join(" or ", given(durationNs > 0, askedTime(durationNs)), given(count > 0, number(count, "lifecycle", "lifecycles")))
	return given(long != "", "for "+long)
}

// describe describes a group of a plan.
func describe(g *record.Group, durationNs, count int64) string {
	n := quantity.Count(int64(g.Connections))
	long := " " + extent(durationNs, count)
	var s string
	switch {
	case g.PlateauNs > 0:
		s, long = "open "+n+" connections, hold all for "+askedTime(g.PlateauNs), ""
		switch {
		case g.Close == "never":
		case g.CloseRate > 0:
			s += ", close them " + askedRate(g.CloseRate) + "/s"
		default:
			s += ", close them as fast as possible"
		}
	case g.RateFrom > 0 || g.RateTo > 0:
		s = askedRate(g.RateFrom) + given(g.RateTo != g.RateFrom && g.RateTo > 0, " to "+askedRate(g.RateTo)) +
			" new connections/s (open loop" + given(g.Poisson, ", arrivals by chance") + given(g.Connections > 0, ", at most "+n+" at once") + ")"
	default:
		s = n + " connections at a time (closed loop)"
	}
	return join(", ", strings.TrimRight(s+long, " "),
		given(g.Close != "", "close "+g.Close),
		given(g.OnEOF != "" && g.OnEOF != "close", "on-eof "+g.OnEOF),
		given(g.Exchange != "", "exchange "+g.Exchange)+given(g.Requests > 1, " x "+quantity.Count(int64(g.Requests))),
		given(g.ThinkNs > 0, askedTime(g.ThinkNs)+" apart"),
		given(g.HoldNs > 0, "each held "+askedTime(g.HoldNs)))
}

// target says where the load went and where it came from.
func target(r *record.Run) string {
	var targets, sources []string
	for i := range r.Plan.Groups {
		targets, sources = append(targets, r.Plan.Groups[i].Targets...), append(sources, r.Plan.Groups[i].Sources...)
	}
	s := given(r.Server != nil || r.Plan.ServerWorkers > 0, "embedded server, ") + some(unique(targets), 4)
	g := &r.Plan.Groups[0]
	if len(sources) > 0 {
		s += " from " + some(unique(sources), 2) + given(g.SourcesChosen > 0, " ("+quantity.Count(int64(g.SourcesChosen))+" addresses, for their ports)")
	}
	return s + given(len(r.Plan.Groups) == 1 && g.SourcePorts != "" && g.SourcePorts != "0-0", ", source ports "+g.SourcePorts)
}

// unique drops repeated values.
func unique[T comparable](all []T) []T {
	seen := make(map[T]bool)
	return slices.DeleteFunc(all, func(v T) bool {
		was := seen[v]
		seen[v] = true
		return was
	})
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
	out := "not recorded"
	switch s.Mode {
	case "root", "user":
		out = "sandbox with its own network namespace"
		switch s.Topology {
		case "veth":
			out = "sandbox of two network namespaces joined by a veth pair"
		case "nat":
			out = "sandbox of three network namespaces: client, a router"
			if n := s.NAT; n != nil {
				out += " that translates to " + number(n.Addresses, "address", "addresses") + " with ports " + n.Ports
			}
			out += ", server"
		}
		out += given(s.Topology == "lo", ", both ends on lo") + map[string]string{"root": " (root)", "user": " (without root)"}[s.Mode]
	case "off":
		out = "this host's network namespace, no sandbox"
	}
	if s.EhashEntries > 0 {
		out += fmt.Sprintf(", a connection hash of %s entries", quantity.Count(int64(s.EhashEntries))) + given(s.Split(), " each")
	}
	out += given(s.Loss != "" && s.Loss != "0" && s.Loss != "0%", ", "+s.Loss+" of packets dropped on purpose")
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
	cpus := number(h.CPUs, "CPU", "CPUs") + given(h.CPUQuota > 0 && h.CPUQuota < float64(h.CPUs), fmt.Sprintf(", %.3g by cgroup quota", h.CPUQuota)) +
		given(h.GoMaxProcs > 0, fmt.Sprintf(" (GOMAXPROCS %d)", h.GoMaxProcs))
	memory := quantity.Bytes(h.MemoryBytes) + " memory" +
		given(h.CgroupMemoryBytes > 0 && h.CgroupMemoryBytes < h.MemoryBytes, ", "+quantity.Bytes(h.CgroupMemoryBytes)+" by cgroup limit")
	return cmp.Or(join(", ", given(h.Kernel != "", "Linux "+strings.TrimPrefix(h.Kernel, "Linux ")), given(h.CPUs > 0, cpus), given(h.MemoryBytes > 0, memory),
		given(h.NoFile > 0, "at most "+quantity.Count(h.NoFile)+" descriptors")), "not recorded")
}

// when says when a run took place, how long it was, and how many workers it had.
func when(r *record.Run) string {
	p := &r.Plan
	warmup := given(p.WarmupNs > 0, " after "+askedTime(p.WarmupNs)+" of warm-up")
	if warmup != "" && r.Warmup != nil {
		warmup += " (" + number(r.Warmup.Attempted, "lifecycle", "lifecycles") + ", not in the result)"
	}
	workers := fmt.Sprintf("%d load", p.Workers) + given(p.ServerWorkers > 0, fmt.Sprintf(" and %d server", p.ServerWorkers)) +
		" " + quantity.Plural(p.Workers+p.ServerWorkers, "worker", "workers")
	return join(", ", given(!r.Started.IsZero(), moment(r.Started)), quantity.Seconds(r.ElapsedS)+" measured"+warmup,
		given(p.RampNs > 0, "ramp of "+askedTime(p.RampNs)), given(p.Workers > 0, workers), p.Engine)
}

// moment prints a point in time, always in UTC.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
