package model

import (
	"fmt"
	"math"
	"slices"
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
func inputs() []input {
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
	return []input{
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
	}
}

// effects says what a bit more of each input does to the limit that is first.
func effects(in *Input, limits []record.CapacityLimit) (all []record.CapacityEffect) {
	if len(limits) == 0 || limits[0].Reached == nil || limits[0].Reached.Value == 0 {
		return nil
	}
	first := &limits[0]
	for _, i := range inputs() {
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
		j := slices.IndexFunc(then, func(l record.CapacityLimit) bool { return l.Name == first.Name && l.Side == first.Side })
		if j < 0 || then[j].Reached == nil {
			continue
		}
		at := then[j].Reached.Value
		e := record.CapacityEffect{
			Input: i.name, From: from, To: i.value(changed), ReachedPerS: at, Change: at/first.Reached.Value - 1, First: then[0].Name,
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
