package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// planDocument is the report of a plan: the answer, what bounds the load, what it needs, what to change, and how sure all that is.
func planDocument(run *record.Run) *document.Document {
	c := run.Capacity
	if c == nil {
		c = &record.Capacity{}
	}
	d := build(title(run), planAsked(&c.Asked), run.Warnings,
		planContext(run, c), planAnswer(run), planLimits(run, c), planChanges(c), planVerified(c, run.Interrupted), warnings(), planPictures(c),
		planNeeds(c), planEffects(c), planAssumed(c), planFiles(c), planCurve(c), planData(run, c))
	d.Table = "plan"
	return d
}

// planAsked says what load the plan is for.
func planAsked(a *record.CapacityAsked) string {
	rate := askedRate(a.RateTo)
	if a.RateFrom != a.RateTo {
		rate = askedRate(a.RateFrom) + " to " + rate
	}
	s := rate + " new connections/s"
	if a.Poisson {
		s += " (Poisson)"
	}
	if a.Hold.MeanS > 0 {
		s += ", held " + lasts(a.Hold)
	}
	return s + ", close " + a.Close + ", exchange " + a.Exchange
}

func lasts(l record.Lasts) string {
	switch mean := askedTime(int64(math.Round(l.MeanS * 1e9))); {
	case l.Exponential:
		return mean + " on average (exponential)"
	case l.MinS != l.MaxS:
		return askedTime(int64(math.Round(l.MinS*1e9))) + " to " + askedTime(int64(math.Round(l.MaxS*1e9)))
	default:
		return mean
	}
}

func planContext(run *record.Run, c *record.Capacity) *section {
	a := &c.Asked
	s := &section{document.Section{ID: "asked", Level: document.First}}
	between := number(a.Sources, "source address", "source addresses") + ", " + number(a.Targets, "target", "targets")
	if m := a.Middle; m != nil {
		switch {
		case m.Addresses > 0:
			between += fmt.Sprintf(", %s %s with %s", m.Kind, m.Name, number(m.Addresses, "address", "addresses"))
			between += " of " + quantity.Count(m.PortsEach) + " ports for each target"
			if m.Gateways > 1 {
				between += fmt.Sprintf(", as %s that share the connections evenly (assumed)", number(m.Gateways, "gateway", "gateways"))
			}
		case m.Conntrack > 0:
			between += ", connection tracking of at most " + number(m.Conntrack, "entry", "entries")
		}
		s.fact(document.Detail, "from", m.Source)
	}
	s.fact(document.First, "between", between)
	s.fact(document.Detail, "times", fmt.Sprintf("round trip %s, service %s, the server accepts at least every %s", lasts(a.RTT), lasts(a.Service), askedTime(int64(a.AcceptPause*1e9))))
	for i := range run.Hosts {
		s.fact(document.Detail, "host", host(&run.Hosts[i]))
		s.fact(document.Detail, "sysctls", sysctls(&run.Hosts[i]))
	}
	if !run.Started.IsZero() {
		s.fact(document.Detail, "computed", moment(run.Started)+given(c.Verified == nil, "; nothing was measured"))
	}
	if cmd := run.Plan.Command; len(cmd) > 0 {
		s.add(document.Fact{Name: "command", Text: shell(cmd), Command: true})
	}
	return s
}

// planAnswer is the answer in two sentences.
func planAnswer(run *record.Run) *section {
	s := begin(document.First, "ANSWER", "none was recorded")
	for i, reason := range run.Verdict.Reasons {
		if i == 0 {
			s.Lead = reason
			continue
		}
		s.say(document.First, reason)
	}
	for _, f := range run.Verdict.Findings {
		switch f.Code {
		case "plan_fits":
			s.Tone = document.Good
		case "plan_leaks":
			s.Tone = document.Bad
		}
	}
	if c := run.Capacity; c != nil && c.Generators.Machines > 0 {
		g := c.Generators
		s.say(document.First, fmt.Sprintf("a test of %s/s takes %s like the client's host, with %s in all",
			askedRate(c.Asked.RateTo), number(g.Machines, "machine", "machines"), number(g.Addresses, "source address", "source addresses")))
	}
	return s
}

// mostRate is where a limit ends that perhaps no rate reaches, see record.CapacityLimit.
const mostRate = 1e9

// whenColumn is where the table of limits says when a rising rate reaches each.
const whenColumn = 6

// noticeable is the use from which on a limit belongs on the first page.
const noticeable = 0.1

func planLimits(run *record.Run, c *record.Capacity) *section {
	if len(c.Limits) == 0 {
		return nil
	}
	s := begin(document.First, "LIMITS", "as a growing rate reaches them; needs and used are the most at "+askedRate(c.Asked.RateTo)+"/s")
	columns := []string{"", "needs", "limit", "used", "reached from", "on average", "full after"}
	rises := slices.ContainsFunc(c.Limits, func(l record.CapacityLimit) bool { return l.When(run.Started) != "" })
	if rises {
		columns = slices.Insert(columns, whenColumn, "when")
		columns[len(columns)-1] = "+full after" // a rate that rises is not there at once
	}
	t := s.table(document.First, columns...)
	sure := s.table(document.Detail, "reached", "at least", "at most", "~limit of")
	for i := range c.Limits {
		l := &c.Limits[i]
		cells := []document.Value{amountOf(l.Unit, &l.Peak, l.Peak.Hi), unitValue(l.Unit, l.Max), nil, nil, nil, nil}
		var least, most document.Value
		if !l.Peak.Endless {
			cells[2] = document.Usage(l.Use)
		}
		if r := l.Reached; r != nil {
			cells[3], cells[4], least, most = document.Rate(r.Lo), document.Rate(r.Value), document.Rate(r.Lo), document.Rate(r.Hi)
			if r.Hi >= mostRate {
				most = nil
			}
			if l.Peak.Endless {
				cells[3], cells[4], least, most = document.Text("any rate"), nil, nil, nil
			}
		}
		if l.FullAfterS != nil {
			cells[5] = seconds(l.FullAfterS.Value)
		}
		if rises {
			cells = slices.Insert(cells, whenColumn-1, txt(l.When(run.Started)))
		}
		name := sided(l.Side, record.CapacityWords(l.Name))
		sure.row(name, least, most, txt(l.Source))
		row := t.row(name, cells...)
		row.Level = levelIf(i < 3 || l.Peak.Endless || l.Use >= noticeable)
		row.Main = row.Level == document.First
		if l.Peak.Endless || l.Use > 1 {
			row.Tone = document.Bad
		}
	}
	s.note("a limit is reached from where the upper end of the need meets it, when the first connection may fail; each need is of all connections offered, as if no other limit held them up")
	return s
}

// ofSide is sided, or the name alone if a record does not say whose it is.
func ofSide(side, name string) string {
	if side == "" {
		return name
	}
	return sided(side, name)
}

// sided is a name behind the side that it is of.
func sided(side, name string) string { return side + ": " + name }

// unitValue is a number of a need's unit.
func unitValue(unit string, v float64) document.Value {
	switch v = finite(v); unit {
	case "bytes":
		return document.Bytes(min(v, 1<<62))
	case "cpus":
		return document.Number(math.Round(v*100) / 100)
	case "share":
		return document.Share(min(v, 1))
	case "rate":
		return document.Rate(v)
	}
	return document.Count(int64(math.Ceil(min(v, 1<<62) - 1e-6)))
}

// amountOf is v of an estimate, or how fast it grows.
func amountOf(unit string, e *record.Estimate, v float64) document.Value {
	if e.Endless {
		if unit == "bytes" {
			return document.Text("+" + quantity.Bytes(int64(min(finite(v), 1<<62))) + "/s")
		}
		return document.Text("+" + quantity.PerSecond(finite(v)) + "/s")
	}
	return unitValue(unit, v)
}

func planNeeds(c *record.Capacity) *section {
	if len(c.Needs) == 0 {
		return nil
	}
	at := 0
	for i, r := range c.Rates {
		if r == c.Asked.RateTo {
			at = i
		}
	}
	s := begin(document.Detail, "NEEDS", "in the steady state, of all connections offered; at least and at most are at "+askedRate(c.Rates[at])+"/s")
	columns := []string{""}
	for _, r := range c.Rates {
		columns = append(columns, askedRate(r)+"/s")
	}
	t := s.table(document.First, append(columns, "at least", "at most", "+formula")...)
	for i := range c.Rates {
		t.Columns[1+i].Key = rateKey(c, i)
	}
	for i := range c.Needs {
		n := &c.Needs[i]
		var cells []document.Value
		some := false
		for j := range n.At {
			cells = append(cells, amountOf(n.Unit, &n.At[j], n.At[j].Value))
			some = some || n.At[j].Value > 0 && (n.Name != "carried" || n.At[j].Value < c.Rates[j]*(1-1e-9))
		}
		peak := n.At[min(at, len(n.At)-1)]
		lo, hi := amountOf(n.Unit, &peak, peak.Lo), amountOf(n.Unit, &peak, peak.Hi)
		row := t.row(sided(n.Side, needName(n.Name)), append(cells, lo, hi, txt(n.Formula))...)
		if row.Level = levelIf(some && mainNeed(n.Name) && pressing(c, n)); row.Level == document.First {
			s.Level = document.First
		}
	}
	return s
}

// rateKey is what a file calls the column of a rate, whatever that is.
func rateKey(c *record.Capacity, i int) string {
	grown := len(c.Rates) - len(c.Asked.Growth)
	switch {
	case i >= grown:
		return fmt.Sprintf("growth_%d", i-grown+1)
	case i == grown-1:
		return "rate_to"
	}
	return "rate_from"
}

// pressing reports whether a limit of a need is near. One without a limit is worth a line where no residuals take its place.
func pressing(c *record.Capacity, n *record.CapacityNeed) bool {
	bounded := false
	for i := range c.Limits {
		if l := &c.Limits[i]; l.Need == n.Name && l.Side == n.Side {
			if bounded = true; l.Peak.Endless || l.Use >= noticeable {
				return true
			}
		}
	}
	return !bounded && c.Verified == nil
}

// mainNeed reports whether a need belongs on the first page.
func mainNeed(name string) bool {
	switch name {
	case "orphans", "minisockets", "socket_buffers", "syn_backlog", "accept_queue", "first_pass", "descriptors", "FIN_WAIT_2":
		return false
	}
	return !strings.HasPrefix(name, "slab_")
}

func needName(name string) string {
	switch name {
	case "blocked":
		return "blocked share"
	case "carried":
		return "carried by ports"
	case "minisockets":
		return "TIME_WAIT buckets"
	case "nat_ports":
		return "NAT ports"
	case "lb_ports":
		return "LB ports"
	case "tracked":
		return "conntrack entries"
	case "cpu":
		return "CPUs"
	case "syn_backlog":
		return "SYN backlog"
	}
	if slab, ok := strings.CutPrefix(name, "slab_"); ok {
		return "slab " + slab
	}
	if name != strings.ToLower(name) {
		return name // a state
	}
	return strings.ReplaceAll(name, "_", " ")
}

func planChanges(c *record.Capacity) *section {
	s := begin(document.First, "CHANGE", "nothing")
	if len(c.Changes) == 0 {
		return s
	}
	s.Lead = fmt.Sprintf("so that %s/s leave %s of each limit free, in this order", askedRate(c.Asked.RateTo), fmt.Sprintf("%.0f %%", 100*finite(c.Asked.Headroom)))
	t := s.table(document.First, "", "where", "change", "~+why")
	for i := range c.Changes {
		ch := &c.Changes[i]
		row := t.row(sided(ch.Side, ch.Key), txt(ch.Where), txt(becomes(ch.From, ch.To)), txt(ch.Why))
		row.Level, row.Main = document.First, true
	}
	return s
}

// becomes is a change from one text to another.
func becomes(from, to string) string {
	if from == "" || to == "" {
		return from + to
	}
	return from + " -> " + to
}

func planEffects(c *record.Capacity) *section {
	if len(c.Effects) == 0 || len(c.Limits) == 0 {
		return nil
	}
	s := begin(document.Detail, "SENSITIVITY", "what a bit more of an input, or a wider limit, does to the rate at which something runs out first")
	t := s.table(document.Detail, "", "change", "then reached at", "by", "then first")
	for i := range c.Effects {
		e := &c.Effects[i]
		t.row(e.Input, txt(becomes(e.From, e.To)), document.Rate(e.ReachedPerS), txt(percent(e.Change)), txt(ofSide(e.Side, record.CapacityWords(e.First))))
	}
	return s
}

func planAssumed(c *record.Capacity) *section {
	if len(c.Assumed) == 0 {
		return nil
	}
	s := begin(document.First, "ASSUMED", number(len(c.Assumed), "thing", "things")+" that nobody said or that could not be read: see -v"+
		given(c.Verified == nil, "; --verify tests the plan"))
	l := document.List{Level: document.Detail, Name: "assumed"}
	for _, a := range c.Assumed {
		l.Findings = append(l.Findings, document.Finding{Sentence: a})
	}
	s.add(l)
	return s
}

// planFiles has the changes as files to copy.
func planFiles(c *record.Capacity) *section {
	s := begin(document.Detail, "FILES", "to copy")
	for _, side := range []string{"client", "server", "nat", "lb", "conntrack"} {
		for _, f := range []struct{ where, path, format string }{
			{"sysctl.d", "/etc/sysctl.d/90-lastack.conf", "%s = %s"}, {"limits.d", "/etc/security/limits.d/90-lastack.conf", "* - %s %s"},
		} {
			q := document.Quote{Who: side, Lines: []string{"# " + f.path}}
			for i := range c.Changes {
				if ch := &c.Changes[i]; ch.Where == f.where && ch.Side == side {
					q.Lines = append(q.Lines, fmt.Sprintf(f.format, ch.Key, ch.To))
				}
			}
			if len(q.Lines) > 1 {
				s.add(q)
			}
		}
	}
	if len(s.Blocks) == 0 {
		return nil
	}
	return s
}
