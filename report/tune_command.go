package report

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// command is a run that shows the answer: the load with its changes, or, if nothing that may change sustains it, from as many addresses as it
// takes. It is nil if there is nothing to show, or if that is not one command.
func (v *tuneView) command() []string {
	t := v.tune
	var changes []record.TuneSetting
	switch {
	case len(t.Answer) > 0:
		for _, i := range t.Answer {
			changes = append(changes, t.Remedies[i].Changes...)
		}
	case t.Takes != nil:
		changes = []record.TuneSetting{{Key: "sources", To: strconv.FormatInt(t.Takes.Addresses, 10)}}
		if n := t.Takes.TWBuckets; n > 0 {
			changes = append(changes, record.TuneSetting{Key: buckets, To: strconv.FormatInt(n, 10)})
		}
	default:
		return nil
	}
	return v.runWith(changes)
}

// toTry shows it, in lines that a shell takes for one.
func (v *tuneView) toTry() *section {
	args := v.command()
	if args == nil {
		return nil
	}
	s := begin(document.First, "TRY IT", "")
	s.Lead = "in a sandbox again: the load with these changes"
	if n := v.tune.Takes; n != nil {
		s.Lead = "in a sandbox: the load with " + needWords(n, "")
	}
	const more = " \\"
	var lines []string
	line := ""
	for _, arg := range args {
		word := quantity.Escape(shell([]string{arg}))
		if line != "" && len(line)+1+len(word)+len(more) > fileWidth {
			lines, line = append(lines, line+more), " "
		}
		line += given(line != "", " ") + word
	}
	s.add(document.Quote{Level: document.First, Lines: append(lines, line)})
	return s
}

// runWith is the command line of a run of the load with changes, nil if it is not known.
func (v *tuneView) runWith(changes []record.TuneSetting) []string {
	r, t := v.run, v.tune
	given := r.Plan.Command
	at := slices.Index(given, record.KindTune)
	if at < 0 || t.LastsS <= 0 || r.Sandbox.Mode == "" {
		return nil
	}
	out := slices.Clone(given)
	out[at] = record.KindRun
	out = edited(out, []string{"--base", "--keep", "--allow"}, "")
	out = withFlag(out, "--topology", r.Sandbox.Topology)
	// A range of ports comes last: the kernel wants those that are privileged lowered first (ipv4_local_port_range).
	set := func(key, value string) { out = withFlag(out, "--sysctl", key+"="+value) }
	for _, k := range keys(r.Sandbox.Sysctls) {
		if k != portRange {
			set(k, r.Sandbox.Sysctls[k])
		}
	}
	if value, ok := r.Sandbox.Sysctls[portRange]; ok {
		set(portRange, value)
	}
	// A run chooses as many source addresses as it needs, unless it is told.
	if len(r.Plan.Groups) == 1 && len(r.Plan.Groups[0].Sources) == 0 && t.FirstSource != "" {
		out = withFlag(out, "--source", t.FirstSource)
	}
	for _, c := range changes {
		switch {
		case isSysctl(c.Key):
			set(c.Key, c.To)
		case c.Key == "sources":
			all := addressesFrom(t.FirstSource, c.To)
			if all == "" {
				return nil
			}
			out = withFlag(out, "--source", all)
		default:
			out = withFlag(out, "--"+c.Key, c.To)
		}
	}
	return withFlag(out, "--duration", fmt.Sprintf("%.0fs", math.Ceil(t.LastsS)))
}

const (
	portRange = "net.ipv4.ip_local_port_range"
	buckets   = "net.ipv4.tcp_max_tw_buckets"
)

// addressesFrom is a range of so many addresses, empty if there is none.
func addressesFrom(first, many string) string {
	from, err := netip.ParseAddr(first)
	n, bad := strconv.ParseUint(many, 10, 16)
	if err != nil || bad != nil || n == 0 {
		return ""
	}
	to := from
	for range n - 1 {
		to = to.Next()
	}
	if !to.IsValid() {
		return ""
	}
	return from.String() + "-" + to.String()
}
