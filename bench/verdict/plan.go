package verdict

import (
	"fmt"
	"slices"

	"lastack/bench/model"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/sockstate"
)

// plan says in two sentences what a plan found: what runs out first, and what the load takes.
func (j *judgement) plan() {
	c := j.r.Capacity
	if len(c.Limits) == 0 || c.Limits[0].Reached == nil {
		j.because("no_limit_known", nil)
	} else {
		j.firstLimit(&c.Limits[0])
	}
	takes, leaks := planTakes(c.Changes)
	switch a := (args{"to_per_s": c.Asked.RateTo, "headroom": c.Asked.Headroom}); {
	case leaks:
		j.because("plan_leaks", a)
	case len(takes) > 0:
		a["takes"] = takes
		j.because("plan_takes", a)
	default:
		j.because("plan_fits", a)
	}
	j.overlapping(c)
	j.freedPorts(c)
	j.carried(c)
}

// overlapping names the limits that may be reached before the first, as the intervals of both overlap.
func (j *judgement) overlapping(c *record.Capacity) {
	if len(c.Limits) == 0 || c.Limits[0].Reached == nil || c.Limits[0].Reached.Value == 0 {
		return
	}
	var others []string
	for _, l := range c.Limits[1:] {
		if l.Reached != nil && l.Reached.Lo <= c.Limits[0].Reached.Hi {
			others = append(others, fmt.Sprintf("%s (%s, from %s/s on)", record.CapacityWords(l.Name), l.Side, quantity.PerSecond(l.Reached.Lo)))
		}
	}
	if len(others) > 0 {
		j.because("limits_overlap", args{"others": others})
	}
}

// freedPorts says what full TIME_WAIT buckets do to the ports of the client.
func (j *judgement) freedPorts(c *record.Capacity) {
	reached := func(name string) *record.Estimate {
		for i := range c.Limits {
			if l := &c.Limits[i]; l.Name == name && l.Side == sockstate.Client.String() {
				return l.Reached
			}
		}
		return nil
	}
	buckets, ports := reached(record.LimitTWBuckets), reached(record.LimitPorts)
	if buckets != nil && ports != nil && buckets.Value < ports.Value && ports.Value > 0 {
		j.because("buckets_free_ports", args{"buckets_per_s": buckets.Value, "ports_per_s": ports.Value})
	}
}

// carried is what local ports let through of the highest rate, if that is not all.
func (j *judgement) carried(c *record.Capacity) {
	at := slices.Index(c.Rates, c.Asked.RateTo)
	for i := range c.Needs {
		n := &c.Needs[i]
		if n.Name != "carried" || at < 0 || at >= len(n.At) {
			continue
		}
		const noticed = 1e-4 // of the connections
		if carried := n.At[at].Value; carried < c.Asked.RateTo*(1-noticed) {
			j.because("ports_carry", args{"carried_per_s": carried, "to_per_s": c.Asked.RateTo, "share": 1 - carried/c.Asked.RateTo})
		}
	}
}

func (j *judgement) firstLimit(l *record.CapacityLimit) {
	asked := &j.r.Capacity.Asked
	j.v.LimitedBy = l.Name
	a := args{
		"limit": record.CapacityWords(l.Name), "at": l.Side, "reached_per_s": l.Reached.Value, "least_per_s": l.Reached.Lo,
		"from_per_s": asked.RateFrom, "to_per_s": asked.RateTo,
	}
	if l.Reached.Hi < model.MostRate {
		a["most_per_s"] = l.Reached.Hi
	}
	if l.FullAfterS != nil && l.Reached.Value <= asked.RateTo {
		a["full_after_s"] = l.FullAfterS.Value
	}
	switch {
	case l.Reached.Value == 0:
		if l.FullAfterS != nil {
			a["full_after_s"] = l.FullAfterS.Value
		}
		j.because("any_rate_fills", a)
		return
	case l.Reached.Value < asked.RateFrom:
		a["below"] = true
	case l.Reached.Value > asked.RateTo && l.Reached.Lo <= asked.RateTo:
		a["peaks"] = true
	case l.Reached.Value > asked.RateTo:
		a["above"] = true
	}
	if l.WhenS != nil && *l.WhenS > 0 {
		a["days"] = *l.WhenS / (24 * 3600)
		if date := l.When(j.r.Started); date != "" {
			a["date"] = date
		}
	}
	j.because("first_limit", a)
}

// planTakes lists what to change in a few words each.
func planTakes(changes []record.CapacityChange) (takes []string, leaks bool) {
	sysctls := 0
	for _, c := range changes {
		switch c.Where {
		case model.PlaceApplication:
			leaks = true
		case model.PlaceAddresses:
			takes = append(takes, c.To+" source addresses")
		case model.PlaceMiddle:
			if c.Key == model.KeyGateways && slices.ContainsFunc(changes, func(o record.CapacityChange) bool { return o.Where == c.Where && o.Key == model.KeyAddresses }) {
				continue // which follow from the addresses
			}
			takes = append(takes, fmt.Sprintf("%s %s of the %s", c.To, c.Key, model.KindWords(c.Side)))
		case model.PlaceHosts:
			as := c.Side
			if c.Side == model.Balancer {
				as = model.KindWords(c.Side)
			}
			takes = append(takes, c.To+" hosts as "+as)
		case model.PlaceLimits:
			at := func(side string) string { return fmt.Sprintf("%s %s at %s", c.Key, c.To, side) }
			if i := slices.Index(takes, at("the client")); i >= 0 && c.Side == sockstate.Server.String() {
				takes[i] = at("both ends")
			} else {
				takes = append(takes, at("the "+c.Side))
			}
		case model.PlaceSysctl:
			sysctls++
		}
	}
	if sysctls > 0 {
		takes = append(takes, fmt.Sprintf("%d %s", sysctls, quantity.Plural(sysctls, "sysctl", "sysctls")))
	}
	return takes, leaks
}

func planCodes() []Code {
	const see = "see the plan's changes"
	return []Code{
		found("first_limit", "what a growing rate reaches first", see,
			"the first limit is {limit} ({at}), at {reached_per_s} connections/s [(between {least_per_s} and {most_per_s})|(at least {least_per_s})]"+
				"[, below the {from_per_s}/s asked for{?below}|, above the {to_per_s}/s asked for, whose peaks reach it all the same{?peaks}|, above the {to_per_s}/s asked for{?above}|, on the way from {from_per_s}/s to {to_per_s}/s]"+
				"[, after {days} days, on {date}|, after {days} days]"+
				"[; at {to_per_s}/s it is reached after {full_after_s}]"),
		found("any_rate_fills", "a number only grows, so that any rate reaches its limit", "close connections",
			"the first limit is {limit} ({at}), at any rate, as connections that nobody closes add up[; at {to_per_s}/s it is reached after {full_after_s}]"),
		found("no_limit_known", "no limit is known, or none that a rate could reach", "give the limits of a host", "no limit is known that a rate could reach"),
		found("plan_takes", "what the highest rate takes, with the headroom", see,
			"{to_per_s}/s with {headroom:%.0f} of each limit free takes {takes}"),
		found("plan_fits", "the highest rate fits as everything is", "nothing", "{to_per_s}/s fits as it is, with {headroom:%.0f} of each limit free"),
		found("limits_overlap", "intervals overlap", see, "which limit is first is not sure: its interval overlaps with that of {others}"),
		found("buckets_free_ports", "TIME_WAIT buckets are full before the local ports are", "raise both",
			"above {buckets_per_s}/s the TIME_WAIT buckets are full, and a close skips TIME_WAIT and frees its port at once: local ports last beyond {ports_per_s}/s"),
		found("ports_carry", "local ports let through less than is offered", see,
			"of {to_per_s}/s offered the local ports carry {carried_per_s}/s: {share:%.2f} of the connects find none"),
		found("plan_leaks", "sockets that nobody closes use up any limit", "let one side close them", "{to_per_s}/s does not fit, whatever the limits: sockets that nobody closes add up"),
	}
}
