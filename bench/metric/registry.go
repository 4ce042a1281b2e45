package metric

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"lastack/bench/record"
)

// All lists the metrics: of a run in the order of its page, then what only a drain has. Of an open family it has one entry.
// To add one, add it to the list of its subject.
func All() []Metric { return slices.Clone(all()) }

var all = sync.OnceValue(func() []Metric {
	list := slices.Concat(rates(), connections(), latencies(), outcomes(), replies(), timeWaits(), states(), counters(), checks())
	for _, d := range drainMetrics() {
		// A metric of that name that a run has too.
		if i := slices.IndexFunc(list, func(m Metric) bool { return m.Name == d.Name }); i >= 0 {
			list[i].try = d.try
			continue
		}
		list = append(list, d)
	}
	return list
})

// Names lists the metrics of a kind of record, without open families.
func Names(kind string) (names []string) {
	for _, m := range all() {
		if m.In(kind) && m.open == nil {
			names = append(names, m.Name)
		}
	}
	return names
}

// Primary names the few metrics of a kind of record that comparisons decide first: what came of it for the clients. The minimum is among them
// since a busy host only adds to a time: of all numbers it is disturbed the least.
func Primary(kind string) []string {
	if kind == record.KindDrain {
		return []string{"failed", "lost", "refused_window", "slowest", "exit_time", "last_gone"}
	}
	return []string{"failed_ratio", "rate.completed", "connect.p99", "lifecycle.min", "lifecycle.p50", "lifecycle.p99"}
}

// Of lists the metrics of records of one kind in the order of All. An open family is there with each part that one of the records has.
func Of(kind string, runs []*record.Run) (list []Metric) {
	for _, m := range all() {
		switch {
		case !m.In(kind):
		case m.open == nil:
			list = append(list, m)
		case m.parts != nil:
			parts := make(map[string]bool)
			for _, r := range runs {
				for _, p := range m.parts(r) {
					parts[p] = true
				}
			}
			for _, p := range slices.Sorted(maps.Keys(parts)) {
				if found, ok := m.open(p); ok {
					found.Name = familyOf(m.Name) + "." + p
					list = append(list, found)
				}
			}
		}
	}
	return list
}

func familyOf(name string) string {
	family, _, _ := strings.Cut(name, ".")
	return family
}

// Lookup finds a metric of a kind of record by name. The error lists similar names.
func Lookup(kind, name string) (Metric, error) {
	for _, m := range all() {
		if m.In(kind) && m.open == nil && m.Name == name {
			return m, nil
		}
	}
	for _, m := range all() {
		if !m.In(kind) || m.open == nil {
			continue
		}
		if part, ok := strings.CutPrefix(name, familyOf(m.Name)+"."); ok {
			if found, ok := m.open(part); ok {
				found.Name = name
				return found, nil
			}
		}
	}
	return Metric{}, fmt.Errorf("unknown metric %q, %s", name, likely(kind, name))
}

// likely says what an unknown name may have meant: the metrics of its family, if they are few, or similar names.
func likely(kind, name string) string {
	const few = 12
	family, _, _ := strings.Cut(name, ".")
	var of []string
	for _, m := range all() {
		if !m.In(kind) || !strings.HasPrefix(m.Name, family+".") {
			continue
		}
		if m.open != nil {
			m.Name += " (" + m.Help + ")"
		}
		of = append(of, m.Name)
	}
	near := Nearest(name, Names(kind))
	switch {
	case len(of) > 0 && (len(of) <= few || len(near) == 0):
		return "accepted are " + strings.Join(of, ", ")
	case len(near) > 0:
		return "did you mean " + strings.Join(near, " or ") + "? All are in lastack help metrics"
	}
	return "accepted are those of lastack help metrics, such as " + examples(kind)
}

func examples(kind string) string {
	if kind == record.KindDrain {
		return "failed, lost, refused_window, exit_time, connect.p99"
	}
	return "failed_ratio, connect.p99, rate.completed, outcomes.refused, counters.TcpExtTCPSynRetrans"
}
