package metric

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"lastack/bench/record"
	"lastack/sockstate"
)

// counted makes a metric of a count of a result and, if in is not nil, of an interval.
func counted(name string, better Better, help string, of func(*record.Result) int64, in func(*record.Interval) int64) Metric {
	m := Metric{Name: name, Unit: Count, Better: better, Help: help, result: func(s scope) Value { return number(of(s.result)) }}
	if in != nil {
		m.interval = func(iv *record.Interval, _ float64) Value { return number(in(iv)) }
	}
	return m
}

func rates() []Metric {
	rate := func(name string, better Better, help string, of func(*record.Rate) float64, in func(*record.Interval) int64) Metric {
		m := Metric{Name: "rate." + name, Unit: PerSecond, Better: better, Help: help, result: func(s scope) Value { return exactly(of(&s.result.Rate)) }}
		if in != nil {
			m.interval = func(iv *record.Interval, tookS float64) Value {
				if tookS <= 0 {
					return none("the interval has no length")
				}
				return exactly(float64(in(iv)) / tookS)
			}
		}
		return m
	}
	return []Metric{
		rate("opened", Higher, "connections opened", func(r *record.Rate) float64 { return r.OpenedPerS }, func(iv *record.Interval) int64 { return iv.Opened }),
		rate("completed", Higher, "lifecycles completed", func(r *record.Rate) float64 { return r.CompletedPerS }, func(iv *record.Interval) int64 { return iv.Completed }),
		rate("requests", Higher, "exchanges completed", func(r *record.Rate) float64 { return r.RequestsPerS }, func(iv *record.Interval) int64 { return iv.Requests }),
		rate("target", Neither, "the rate asked for; 0 in closed loop", func(r *record.Rate) float64 { return r.TargetPerS }, nil),
	}
}

func connections() []Metric {
	of := func(name string, better Better, help string, of func(*record.Connections) int64, in func(*record.Interval) int64) Metric {
		return counted("connections."+name, better, help, func(r *record.Result) int64 { return of(&r.Connections) }, in)
	}
	return []Metric{
		{
			Name: "failed_ratio", Unit: Share, Better: Lower, Help: "lifecycles failed, of those attempted",
			result: func(s scope) Value {
				c := &s.result.Connections
				if c.Attempted == 0 {
					return none("no connection was attempted")
				}
				return exactly(float64(c.Failed) / float64(c.Attempted))
			},
		},
		of("attempted", Neither, "lifecycles begun", func(c *record.Connections) int64 { return c.Attempted }, func(iv *record.Interval) int64 { return iv.Started }),
		of("opened", Higher, "connections opened", func(c *record.Connections) int64 { return c.Opened }, func(iv *record.Interval) int64 { return iv.Opened }),
		of("completed", Higher, "lifecycles completed", func(c *record.Connections) int64 { return c.Completed }, func(iv *record.Interval) int64 { return iv.Completed }),
		of("failed", Lower, "lifecycles failed", func(c *record.Connections) int64 { return c.Failed }, func(iv *record.Interval) int64 { return iv.Failed }),
		of("unfinished", Neither, "held by policy, or interrupted", func(c *record.Connections) int64 { return c.Unfinished }, nil),
		of("scheduled", Neither, "arrivals scheduled; 0 in closed loop", func(c *record.Connections) int64 { return c.Scheduled }, nil),
		of("capped", Lower, "arrivals that waited for a free slot", func(c *record.Connections) int64 { return c.Capped }, nil),
		of("requests", Higher, "exchanges completed", func(c *record.Connections) int64 { return c.Requests }, func(iv *record.Interval) int64 { return iv.Requests }),
		of("peak_open", Neither, "most connections open at once", func(c *record.Connections) int64 { return c.PeakOpen }, nil),
	}
}

func outcomes() []Metric {
	var list []Metric
	for _, name := range sockstate.LoadOutcomeNames() {
		better, in := Neither, (func(*record.Interval) int64)(nil)
		if slices.Contains(sockstate.OutcomeNames(sockstate.ClassFailure), name) {
			better, in = Lower, func(iv *record.Interval) int64 { return iv.Failures[name] }
		}
		list = append(list, counted("outcomes."+name, better, "lifecycles with this outcome", func(r *record.Result) int64 { return r.Outcomes[name] }, in))
	}
	return list
}

func replies() []Metric {
	var list []Metric
	for _, class := range sockstate.StatusClassNames() {
		better, help := Lower, "replies with a status of "+class
		switch class {
		case "invalid":
			help = "replies with an invalid status"
		case "1xx", "2xx", "3xx":
			better = Neither
		}
		list = append(list, Metric{Name: "http_" + class, Unit: Count, Better: better, Help: help, result: func(s scope) Value {
			asked := slices.ContainsFunc(s.groups, func(g record.Group) bool { return strings.HasPrefix(g.Exchange, "http:") })
			v := number(s.result.HTTP[class])
			switch all, _ := s.result.Replies(); {
			case !asked && len(s.result.HTTP) == 0:
				return none("no HTTP was asked for")
			case all == 0:
				v.Reason = "no reply came"
			}
			return v
		}})
	}
	for _, kind := range sockstate.FaultNames() {
		list = append(list, counted("exchange_errors."+kind, Lower, "invalid replies of this kind", func(r *record.Result) int64 { return r.ExchangeErrors[kind] }, nil))
	}
	return list
}

func timeWaits() []Metric {
	census := func(name, help string, of func(*record.TimeWait) int, in func(*record.Interval) int) Metric {
		return Metric{
			Name: "time_wait." + name, Unit: Count, Better: Lower, Help: help,
			run: func(r *record.Run) Value {
				if r.States.Source == "" {
					return none(because("no census was taken", r.Observer.CensusReason))
				}
				return exactly(float64(of(&r.TimeWait)))
			},
			interval: func(iv *record.Interval, _ float64) Value {
				if !iv.Census() {
					return none("no census was taken")
				}
				return exactly(float64(in(iv)))
			},
		}
	}
	kernel := func(name string, better Better, help string, of func(*record.TimeWait) int64) Metric {
		return Metric{Name: "time_wait." + name, Unit: Count, Better: better, Help: help, run: func(r *record.Run) Value {
			switch {
			case len(r.Counters) == 0:
				return none(noCounters)
			case r.TimeWait.NotRead != "":
				return none(r.TimeWait.NotRead)
			}
			return number(of(&r.TimeWait))
		}}
	}
	waiting := sockstate.TimeWait.String()
	return []Metric{
		census("peak", "most sockets in TIME_WAIT at once", func(t *record.TimeWait) int { return t.Peak }, func(iv *record.Interval) int { return iv.Client[waiting] + iv.Server[waiting] }),
		kernel("entered", Lower, "entries into TIME_WAIT (TcpExtTW)", func(t *record.TimeWait) int64 { return t.Entered }),
		kernel("entered_short", Lower, "entries for 4 s or less (TcpExtTWKilled)", func(t *record.TimeWait) int64 { return t.EnteredShort }),
		kernel("overflow", Lower, "closes that skipped it: buckets full", func(t *record.TimeWait) int64 { return t.Overflow }),
		kernel("reused_by_connect", Neither, "ports reused (TcpExtTWRecycled)", func(t *record.TimeWait) int64 { return t.ReusedByConnect }),
		census("fin_wait2_mini_peak", "most FIN_WAIT_2 minisockets at once", func(t *record.TimeWait) int { return t.FinWait2MiniPeak }, func(iv *record.Interval) int { return iv.FinWait2Mini }),
		census("orphan_peak", "most orphans at once", func(t *record.TimeWait) int { return t.OrphanPeak }, func(iv *record.Interval) int { return iv.Orphans }),
	}
}

const noCounters = "the kernel's counters were not read"

// because joins a fact and its reason, if there is one.
func because(what, why string) string {
	if why == "" {
		return what
	}
	return what + ": " + why
}

// counters is an open family, since each kernel version has a different set.
func counters() []Metric {
	wellFormed := regexp.MustCompile(`^(Tcp|Ip|Icmp|Udp|MPTcp)[A-Za-z0-9]+$`)
	return []Metric{{
		Name: "counters.NAME", Unit: Count, Help: "growth of a kernel counter, as nstat prints it",
		run:      func(*record.Run) Value { return none("the metric is empty") },
		interval: func(*record.Interval, float64) Value { return none("the metric is empty") },
		parts:    func(r *record.Run) []string { return slices.Collect(maps.Keys(r.Counters)) },
		open: func(name string) (Metric, bool) {
			if !wellFormed.MatchString(name) {
				return Metric{}, false
			}
			return Metric{
				Unit: Count, Help: "growth of the kernel's counter " + name,
				run: func(r *record.Run) Value { return counter(r, name) },
				interval: func(iv *record.Interval, _ float64) Value {
					if n, ok := iv.Counters[name]; ok {
						return number(n)
					}
					return none("it did not grow, or intervals do not keep it")
				},
			}, true
		},
	}}
}

// states is an open family of the sides and states of a census.
func states() []Metric {
	peak := func(r *record.Run, side, state string) Value {
		if r.States.Source == "" {
			return none(because("no census was taken", r.Observer.CensusReason))
		}
		return exactly(float64(r.States.Peak[side][state]))
	}
	at := func(iv *record.Interval, side, state string) Value {
		in := iv.Client
		if side == sockstate.Server.String() {
			in = iv.Server
		}
		if in == nil {
			return none("no census was taken, or it found nothing")
		}
		return exactly(float64(in[state]))
	}
	return []Metric{{
		Name: "states.SIDE.STATE", Unit: Count, Help: "most sockets of a side in a state at once",
		run:      func(*record.Run) Value { return none("the metric is empty") },
		interval: func(*record.Interval, float64) Value { return none("the metric is empty") },
		parts: func(r *record.Run) (parts []string) {
			for side, states := range r.States.Peak {
				for state := range states {
					parts = append(parts, side+"."+state)
				}
			}
			return parts
		},
		open: func(part string) (Metric, bool) {
			side, state, _ := strings.Cut(part, ".")
			known := slices.Contains([]string{sockstate.Client.String(), sockstate.Server.String()}, side)
			if !known || !slices.Contains(stateNames(), state) {
				return Metric{}, false
			}
			return Metric{
				Unit: Count, Help: "most sockets of the " + side + " at once in " + state,
				run:      func(r *record.Run) Value { return peak(r, side, state) },
				interval: func(iv *record.Interval, _ float64) Value { return at(iv, side, state) },
			}, true
		},
	}}
}

func stateNames() (names []string) {
	for s := range sockstate.NumStates {
		names = append(names, sockstate.State(s).String())
	}
	return names
}

func counter(r *record.Run, name string) Value {
	if len(r.Counters) == 0 {
		return none(noCounters)
	}
	if why := r.Unread(name); why != "" {
		return none(why)
	}
	n, ok := r.Counters[name]
	if ok {
		return number(n)
	}
	// A record has every counter of the kernel; one of an older version has only those that grew.
	known, complete := make([]string, 0, len(r.Counters)), false
	for k, v := range r.Counters {
		known = append(known, k)
		complete = complete || v == 0
	}
	if complete {
		return none(unknownCounter(name, known))
	}
	v := number(0)
	v.Reason = "it did not grow, or this kernel has no counter of that name"
	return v
}

// unknownCounter says that the kernel has no counter of that name, and lists similar names if there are any.
func unknownCounter(name string, known []string) string {
	s := "this kernel has no TCP counter " + name
	slices.Sort(known)
	if near := Nearest(name, known); len(near) > 0 {
		return s + "; the nearest: " + strings.Join(near, ", ")
	}
	return s + "; nstat -asz lists them all"
}

func checks() []Metric {
	return []Metric{{
		Name: "accounting.mismatches", Unit: Count, Better: Lower, Help: "checks that do not hold",
		run: func(r *record.Run) Value {
			return mismatches(r.Accounting, "nothing could be checked against the kernel's counters")
		},
	}}
}

// mismatches counts the checks that do not hold. without is the reason if there are none.
func mismatches(checks []record.Check, without string) Value {
	if len(checks) == 0 {
		return none(without)
	}
	n := int64(0)
	for _, c := range checks {
		if !c.OK && c.NotRead == "" {
			n++
		}
	}
	return number(n)
}
