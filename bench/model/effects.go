package model

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"lastack/bench/quantity"
	"lastack/bench/record"
)

// input is one that a plan is sensitive to.
type input struct {
	name string
	// value is what it is, change what a bit more of it is; it is not ok if it cannot be more, or says nothing.
	value  func(in *Input) string
	change func(in *Input) (ok bool)
}

// more is how much more an input is for its effect.
const more = 1.1

// inputs lists the inputs of a plan. Counts grow by one, everything else by a tenth.
func inputs(in *Input) []input {
	duration := func(name string, t func(*Input) *Time) input {
		return input{name, func(in *Input) string { return t(in).Mean.Round(time.Microsecond).String() }, func(in *Input) bool {
			if t(in).Mean == 0 {
				return false
			}
			*t(in) = t(in).scaled(more)
			return true
		}}
	}
	number := func(name string, n func(*Input) *int) input {
		return input{name, func(in *Input) string { return quantity.Count(int64(*n(in))) }, func(in *Input) bool { *n(in)++; return true }}
	}
	all := []input{
		duration("hold", func(in *Input) *Time { return &in.Load.Hold }),
		duration("rtt", func(in *Input) *Time { return &in.Load.RTT }),
		duration("service", func(in *Input) *Time { return &in.Load.Service }),
		{"delay of the passive side", func(in *Input) string { return in.Load.OnEOF.Delay.String() }, func(in *Input) bool {
			in.Load.OnEOF.Delay = time.Duration(float64(in.Load.OnEOF.Delay) * more)
			return in.Load.OnEOF.Delay > 0
		}},
		number("sources", func(in *Input) *int { return &in.Load.Sources }),
		number("targets", func(in *Input) *int { return &in.Load.Targets }),
		{"local ports", func(in *Input) string { return quantity.Count(int64(in.Client.Ports)) }, func(in *Input) bool {
			in.Client.Ports = int(float64(in.Client.Ports) * more)
			in.Client.FirstPass = int(float64(in.Client.FirstPass) * more)
			return in.Client.Ports > 0
		}},
		{"addresses of the middle", func(in *Input) string { return quantity.Count(int64(in.Middle.Addresses)) }, func(in *Input) bool {
			in.Middle.Addresses++
			return in.Middle.PortsEach > 0
		}},
		{"tcp_tw_reuse", func(in *Input) string { return map[bool]string{true: "1", false: "0"}[in.Client.Reuse] }, func(in *Input) bool {
			if in.Client.Reuse || in.Client.ReuseDelay == 0 {
				return false
			}
			in.Client.Reuse = true
			return true
		}},
		{"CPU of a lifecycle", func(in *Input) string { return fmt.Sprintf("%.0f µs", 1e6*in.CPU.client.mean) }, func(in *Input) bool {
			in.CPU.client, in.CPU.server = in.CPU.client.scale(more), in.CPU.server.scale(more)
			return true
		}},
		{"HZ", func(in *Input) string { return strconv.Itoa(in.Client.HZ) }, func(in *Input) bool {
			from := in.Client.HZ
			in.Client.HZ = otherHZ
			if from == otherHZ {
				in.Client.HZ = usualHZ
			}
			in.Server.HZ = in.Client.HZ
			return from > 0
		}},
	}
	if in.Middle != nil {
		all = append(all, wider(in.Middle.Kind+": nf_conntrack_max", quantity.Count, func(in *Input) *int64 { return &in.Middle.Conntrack }))
	}
	for i, p := range in.places() {
		host := func(in *Input) *Host { return in.places()[i].host }
		limit := func(name string, of func(*Host) *int64) input {
			return wider(p.name+": "+name, quantity.Count, func(in *Input) *int64 { return of(host(in)) })
		}
		all = append(all,
			limit("nofile", func(h *Host) *int64 { return &h.NoFile }),
			limit("tcp_max_tw_buckets", func(h *Host) *int64 { return &h.Buckets }),
			limit("nf_conntrack_max", func(h *Host) *int64 { return &h.Conntrack }),
			wider(p.name+": memory", quantity.Bytes, func(in *Input) *int64 { return &host(in).MemoryBytes }),
			input{p.name + ": CPUs", func(in *Input) string { return strconv.FormatFloat(host(in).CPUs, 'g', 3, 64) }, func(in *Input) bool {
				host(in).CPUs *= more
				return host(in).CPUs > 0
			}},
		)
		if p.accepts() {
			all = append(all, input{p.name + ": somaxconn", func(in *Input) string { return quantity.Count(host(in).Backlog) }, func(in *Input) bool {
				h := host(in)
				if h.SYNBacklog == h.Backlog { // otherwise tcp_max_syn_backlog bounds it
					h.SYNBacklog = int64(float64(h.SYNBacklog) * more)
				}
				h.Backlog = int64(float64(h.Backlog) * more)
				return h.Backlog > 0
			}})
		}
	}
	return all
}

// wider is a limit that is a tenth wider. One that is 0 is not known.
func wider(name string, words func(int64) string, n func(*Input) *int64) input {
	return input{name, func(in *Input) string { return words(*n(in)) }, func(in *Input) bool {
		*n(in) = int64(float64(*n(in)) * more)
		return *n(in) > 0
	}}
}

// The frequencies of kernels' timers: Debian's and Ubuntu's are built with 250, and since 2024 Ubuntu's with 1000.
const (
	usualHZ = 250
	otherHZ = 1000
)

// effects says what a bit more of each input does to the rate at which something runs out first.
func effects(in *Input, limits []record.CapacityLimit) (all []record.CapacityEffect) {
	if len(limits) == 0 || limits[0].Reached == nil || limits[0].Reached.Value == 0 {
		return nil
	}
	first := &limits[0]
	for _, i := range inputs(in) {
		changed := in.clone()
		if i.name == "addresses of the middle" && in.Middle == nil {
			continue
		}
		from := i.value(changed)
		if !i.change(changed) {
			continue
		}
		needs := needsOf(changed)
		then := judged(changed, limitsOf(changed, needs))
		if len(then) == 0 || then[0].Reached == nil {
			continue
		}
		at := then[0].Reached.Value
		e := record.CapacityEffect{
			Input: i.name, From: from, To: i.value(changed), ReachedPerS: at, Change: at/first.Reached.Value - 1, First: then[0].Name, Side: then[0].Side,
		}
		if math.Abs(e.Change) < 1e-9 {
			e.Change = 0
		}
		all = append(all, e)
	}
	slices.SortStableFunc(all, func(a, b record.CapacityEffect) int {
		switch x, y := math.Abs(a.Change), math.Abs(b.Change); {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	return all
}

// clone is a copy of in that can be changed.
func (in *Input) clone() *Input {
	c := *in
	if in.Middle != nil {
		m := *in.Middle
		c.Middle = &m
	}
	cpu := assumedCPU
	if in.CPU != nil {
		cpu = *in.CPU
	}
	c.CPU = &cpu
	return &c
}
