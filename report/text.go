package report

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"lastack/bench/quantity"
	"lastack/bench/record"
)

// text is one run on its way to a page.
type text struct {
	page
	run *record.Run
	// warned marks the warnings that were shown beside what they concern.
	warned []bool
}

// renderText writes the report that people read. Its order is that of a reader in a hurry: what was asked,
// may I believe it, what came of it, and then why.
func renderText(b *bytes.Buffer, run *record.Run) error {
	if run.Kind == record.KindDrain {
		renderDrain(b, run)
		return nil
	}
	t := &text{run: run, warned: make([]bool, len(run.Warnings))}
	sections := []func(){
		t.connections, t.rates, t.latencies, t.groups,
		t.timeline, t.states, t.timeWait, t.settle,
		t.predicted, t.accounting,
		t.pressure, t.cpu, t.counters, t.tcpInfo, t.server, t.observer,
	}
	// The sections come first, since they take the warnings that belong to them.
	for _, s := range sections {
		s()
	}
	body := t.page
	t.page = page{}
	t.headline()
	t.verdict()
	t.thresholds()
	t.warnings()
	b.Write(t.b.Bytes())
	b.Write(body.b.Bytes())
	return nil
}

// headline says what was asked for, and where.
func (t *text) headline() {
	r := t.run
	kind := r.Kind
	if kind == "" {
		kind = record.KindRun
	}
	t.hang(join(" ", "lastack", r.Version, kind)+":", t.what())
	if r.Interrupted {
		t.line("INTERRUPTED after " + quantity.Seconds(r.ElapsedS) + ": all numbers are of that part")
	}
	if groups := r.Plan.Groups; len(groups) > 0 {
		t.hang("  target    ", t.target(groups))
		t.resolved()
		if len(groups) == 1 && groups[0].Exchange == "none" && r.Server == nil && r.Plan.ServerWorkers == 0 {
			t.hang("  exchange  ", "nothing is sent: connections are opened and closed only (--exchange http:/path or echo:REQ,RESP asks for more)")
		}
	}
	t.hang("  where     ", where(r.Sandbox))
	t.setSysctls()
	for _, h := range r.Hosts {
		t.hang("  host      ", host(h))
		if s := sysctls(h); s != "" {
			t.hang("  sysctls   ", s)
		}
	}
	t.hang("  run       ", t.when())
	if why := r.Plan.EngineReason; why != "" {
		t.hang("  engine    ", r.Plan.Engine+", because "+why)
	}
	if r.Shard != nil {
		t.line(fmt.Sprintf("  shard     %d of %d: all counts are of this part of the load", r.Shard.I, r.Shard.N))
	}
	if len(r.Plan.Command) > 0 {
		t.hang("  command   ", shell(r.Plan.Command))
	}
	t.beside("plan", "hosts", "sandbox", "shard", "started", "elapsed_s")
}

// resolved says which address of a name the load went to.
func (t *text) resolved() {
	for _, s := range t.run.Plan.Resolved {
		t.hang("  resolved  ", s)
	}
	if n := t.run.Plan.Probed; n > 0 {
		t.hang("  probed    ", quantity.Plural(n, "by a connection", fmt.Sprintf("by %d connections", n))+" before the load, in no count here, on which nothing was asked")
	}
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

func (t *text) what() string {
	plan := t.run.Plan
	var parts []string
	switch len(plan.Groups) {
	case 0:
		parts = append(parts, "the plan was not recorded")
	case 1:
		parts = append(parts, describe(plan.Groups[0], plan.DurationNs, plan.Count))
	default:
		parts = append(parts, fmt.Sprintf("%d groups of connections", len(plan.Groups)))
		if s := extent(plan.DurationNs, plan.Count); s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, " ")
}

// extent is how long a load goes on.
func extent(durationNs, count int64) string {
	switch {
	case durationNs > 0 && count > 0:
		return "for " + asked(durationNs) + " or " + quantity.Count(count) + quantity.Plural(count, " lifecycle", " lifecycles")
	case durationNs > 0:
		return "for " + asked(durationNs)
	case count > 0:
		return "for " + quantity.Count(count) + quantity.Plural(count, " lifecycle", " lifecycles")
	}
	return ""
}

// describe puts one group of a plan in words.
func describe(g record.Group, durationNs, count int64) string {
	n := quantity.Count(int64(g.Connections))
	var s string
	switch {
	case g.PlateauNs > 0 && g.Close == "never":
		s = "open " + n + " connections, hold all for " + asked(g.PlateauNs)
	case g.PlateauNs > 0:
		s = "open " + n + " connections, hold all for " + asked(g.PlateauNs) + ", close them"
		if g.CloseRate > 0 {
			s += " " + askedRate(g.CloseRate) + "/s"
		} else {
			s += " as fast as possible"
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
		s += ", " + asked(g.ThinkNs) + " apart"
	}
	if g.HoldNs > 0 {
		s += ", each held " + asked(g.HoldNs)
	}
	return s
}

func (t *text) target(groups []record.Group) string {
	var targets, sources []string
	add := func(list []string, seen map[string]bool, more []string) []string {
		for _, m := range more {
			if !seen[m] {
				seen[m] = true
				list = append(list, m)
			}
		}
		return list
	}
	seenTargets, seenSources := make(map[string]bool), make(map[string]bool)
	for _, g := range groups {
		targets, sources = add(targets, seenTargets, g.Targets), add(sources, seenSources, g.Sources)
	}
	s := some(targets, 4)
	if t.run.Server != nil || t.run.Plan.ServerWorkers > 0 {
		s = "embedded server, " + s
	}
	if len(sources) > 0 {
		s += " from " + some(sources, 2)
		if n := groups[0].SourcesChosen; n > 0 {
			s += fmt.Sprintf(" (%s addresses, for their ports)", quantity.Count(int64(n)))
		}
	}
	if len(groups) == 1 && groups[0].SourcePorts != "" && groups[0].SourcePorts != "0-0" {
		s += ", source ports " + groups[0].SourcePorts
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
		out = "sandbox of its own network namespace"
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
	if s.Reason != "" {
		out += ": " + s.Reason
	}
	return out
}

func (t *text) setSysctls() {
	var set []string
	for _, k := range keys(t.run.Sandbox.Sysctls) {
		set = append(set, k+"=\""+t.run.Sandbox.Sysctls[k]+"\"")
	}
	if len(set) > 0 {
		t.hang("  set       ", strings.Join(set, ", "))
	}
}

// sysctlsShown lists those that decide what a run of connections can bear.
func sysctlsShown() []string {
	return []string{
		"net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_tw_reuse", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_max_tw_buckets",
		"net.core.somaxconn", "net.ipv4.tcp_max_syn_backlog",
	}
}

func sysctls(h record.Host) string {
	var out []string
	for _, k := range sysctlsShown() {
		if v := strings.Join(strings.Fields(h.Sysctls[k]), "-"); v != "" {
			out = append(out, k[strings.LastIndex(k, ".")+1:]+"="+v)
		}
	}
	return strings.Join(out, ", ")
}

func host(h record.Host) string {
	var parts []string
	if h.Kernel != "" {
		k := h.Kernel
		if !strings.HasPrefix(k, "Linux") {
			k = "Linux " + k
		}
		parts = append(parts, k)
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

func (t *text) when() string {
	r := t.run
	var parts []string
	if !r.Started.IsZero() {
		parts = append(parts, moment(r.Started))
	}
	s := quantity.Seconds(r.ElapsedS) + " measured"
	if r.Plan.WarmupNs > 0 {
		s += " after " + asked(r.Plan.WarmupNs) + " of warm-up"
		if r.Warmup != nil {
			s += " (" + quantity.Count(r.Warmup.Attempted) + quantity.Plural(r.Warmup.Attempted, " lifecycle", " lifecycles") + ", not in the result)"
		}
	}
	if r.Plan.RampNs > 0 {
		s += ", ramp of " + asked(r.Plan.RampNs)
	}
	parts = append(parts, s)
	if r.Plan.Workers > 0 {
		w := fmt.Sprintf("%d load", r.Plan.Workers)
		if r.Plan.ServerWorkers > 0 {
			w += fmt.Sprintf(" and %d server", r.Plan.ServerWorkers)
		}
		parts = append(parts, w+" "+quantity.Plural(r.Plan.Workers+r.Plan.ServerWorkers, "worker", "workers"))
	}
	if r.Plan.Engine != "" {
		parts = append(parts, r.Plan.Engine)
	}
	return strings.Join(parts, ", ")
}

func (t *text) verdict() {
	v := t.run.Verdict
	if v.LimitedBy == "" && len(v.Reasons) == 0 && !v.Valid {
		t.section("VERDICT", "none was recorded")
		t.beside("verdict")
		return
	}
	word := "NOT VALID as a statement about the target"
	if v.Valid {
		word = "valid"
	}
	if v.LimitedBy != "" {
		word += "; " + limitWords(v.LimitedBy) + " (" + v.LimitedBy + ")"
	}
	t.section("VERDICT", word)
	t.items("  because  - ", v.Reasons)
	t.items("  try      - ", v.Advice)
	if n := t.mismatches(); n > 0 {
		t.hang("  ! ", fmt.Sprintf("%d %s of the accounting %s not hold: see ACCOUNTING", n, quantity.Plural(n, "statement", "statements"), quantity.Plural(n, "does", "do")))
	}
	t.beside("verdict")
}

func (t *text) thresholds() {
	all := t.run.Thresholds
	if len(all) == 0 {
		return
	}
	met := 0
	for _, th := range all {
		if th.OK {
			met++
		}
	}
	aside := fmt.Sprintf("%d of %d met", met, len(all))
	if met == len(all) {
		aside = fmt.Sprintf("met, all %d", met)
		if met == 1 {
			aside = "met"
		}
	}
	t.section("THRESHOLDS", aside)
	wide := 0
	for _, th := range all {
		wide = min(max(wide, utf8.RuneCountInString(th.Expr)), nameWidth)
	}
	for _, th := range all {
		word, got := "met", "it is "+th.GotText
		if !th.OK {
			word = "MISSED"
		}
		if th.GotText == "" {
			got = "no value"
		}
		t.hangAt("  "+pad(word, 9)+pad(clean(th.Expr), wide)+"  ", join(": ", got, th.Reason))
	}
	t.beside("thresholds")
}

// warnings lists those that no section took.
func (t *text) warnings() {
	var rest []string
	for i, w := range t.run.Warnings {
		if !t.warned[i] {
			rest = append(rest, w)
		}
	}
	if len(rest) == 0 {
		return
	}
	t.section("WARNINGS", "")
	for _, w := range rest {
		t.hang("  ! ", w)
	}
}

// beside shows the warnings about these parts of the record.
func (t *text) beside(parts ...string) {
	for i, w := range t.run.Warnings {
		key, warning := record.SplitWarning(w)
		if key == "" || t.warned[i] {
			continue
		}
		for _, p := range parts {
			if !under(key, p) {
				continue
			}
			if rest := strings.TrimPrefix(strings.TrimPrefix(key, p), "."); rest != "" {
				warning = rest + ": " + warning
			}
			t.warned[i] = true
			t.hang("  ! ", warning)
			break
		}
	}
}

// concerns reports whether a warning waits to stand beside one of these parts.
func (t *text) concerns(parts ...string) bool {
	for i, w := range t.run.Warnings {
		key, _ := record.SplitWarning(w)
		for _, p := range parts {
			if !t.warned[i] && under(key, p) {
				return true
			}
		}
	}
	return false
}

// under reports whether a warning's key names a part of the record or something in it: "latency.connect"
// is under "latency".
func under(key, part string) bool { return key == part || strings.HasPrefix(key, part+".") }

// finite keeps sums of absurd records printable.
func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}
