package metric

import (
	"fmt"
	"math"

	"lastack/bench/record"
)

// Metric is a named number in records. Its getters say what has it: a whole run, each of its groups, an interval of its timeline, each
// try of a drain.
type Metric struct {
	// Name is like connect.p99. In the name of an open family the variable part is in capitals: counters.NAME.
	Name   string
	Unit   Unit
	Better Better
	// Help says what it counts or measures, in a few words.
	Help string

	result   func(scope) Value
	run      func(*record.Run) Value
	interval func(iv *record.Interval, tookS float64) Value
	try      func(*record.DrainTry) Value
	// drained is set if a drain has it over all its tries.
	drained bool
	// open makes the metric of an open family for a variable part; ok is false if there is none.
	open func(part string) (m Metric, ok bool)
	// parts lists the variable parts that a record has, nil for a family of which any part exists.
	parts func(*record.Run) []string
}

// Unit is what a metric is measured in.
type Unit string

// The units.
const (
	Count     Unit = "count"
	PerSecond Unit = "per second"
	Share     Unit = "share" // a fraction
	Micros    Unit = "us"
)

// Better says which values are better.
type Better string

// The directions.
const (
	Higher  Better = "higher"
	Lower   Better = "lower"
	Neither Better = "" // it depends
)

// Value is the value of a metric in a record.
type Value struct {
	// Known is false if there is no value; Reason then says why.
	Known bool
	// V is in the metric's unit.
	V float64
	// Most is above V if the true value may be higher; Doubt says why. It is +Inf if there is no upper bound.
	Most  float64
	Doubt string
	// Reason says why there is no value, or qualifies V.
	Reason string
}

func exactly(v float64) Value { return Value{Known: true, V: v, Most: v} }

func number(n int64) Value { return exactly(float64(n)) }

func none(reason string) Value { return Value{Reason: reason} }

// mostValue and its inverse bound what is measured. Beyond them a record is damaged, and differences and ratios would overflow.
const mostValue = 1e30

// sound is v unless it is no measurement.
func (v Value) sound() Value {
	if a := math.Abs(v.V); v.Known && a != 0 && !(a >= 1/mostValue && a <= mostValue) {
		return none(fmt.Sprintf("the record is damaged: %g is no measurement", v.V))
	}
	return v
}

// atLeast makes v a lower bound if why is not empty.
func (v Value) atLeast(why string) Value {
	if v.Known && why != "" {
		v.Most, v.Doubt = math.Inf(1), why
	}
	return v
}

// scope is the result of a run or of a group, with its part of the plan.
type scope struct {
	run    *record.Run
	result *record.Result
	groups []record.Group
}

// OfRun reads the metric of a whole run.
func (m *Metric) OfRun(r *record.Run) Value {
	switch {
	case r.Kind == record.KindDrain && !m.drained:
		return none("a drain does not measure it")
	case m.result != nil:
		return m.result(scope{r, &r.Result, r.Plan.Groups}).sound()
	case m.run != nil:
		return m.run(r).sound()
	case m.try != nil:
		return none("only a drain has it")
	}
	return none("the metric is empty")
}

// OfGroup reads the metric of group i of several.
func (m *Metric) OfGroup(r *record.Run, i int) Value {
	if m.result == nil || i >= len(r.Groups) || i >= len(r.Plan.Groups) {
		return none("a group does not have it")
	}
	return m.result(scope{r, &r.Groups[i].Result, r.Plan.Groups[i : i+1]}).sound()
}

// OfInterval reads the metric of interval i of the timeline.
func (m *Metric) OfInterval(r *record.Run, i int) Value {
	if m.interval == nil {
		return none("an interval does not have it")
	}
	took := r.Timeline[i].TS
	if i > 0 {
		took -= r.Timeline[i-1].TS
	}
	return m.interval(&r.Timeline[i], took).sound()
}

// OfTry reads the metric of a drain's try.
func (m *Metric) OfTry(t *record.DrainTry) Value {
	if m.try == nil {
		return none("a try does not have it")
	}
	return m.try(t).sound()
}

// In reports whether records of a kind have the metric.
func (m *Metric) In(kind string) bool {
	if kind == record.KindDrain {
		return m.try != nil || m.drained
	}
	return m.result != nil || m.run != nil
}

// Of lists what has the metric: a run, its groups, its intervals, a drain, its tries.
func (m *Metric) Of() (all []string) {
	for _, p := range []struct {
		has  bool
		name string
	}{{m.In(record.KindRun), "run"}, {m.result != nil, "group"}, {m.interval != nil, "interval"}, {m.drained, "drain"}, {m.try != nil, "try"}} {
		if p.has {
			all = append(all, p.name)
		}
	}
	return all
}
