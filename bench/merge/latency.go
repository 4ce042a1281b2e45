package merge

import (
	"fmt"
	"maps"
	"slices"

	"lastack/bench/record"
)

// group is one group's latencies.
type group struct {
	name    string
	latency map[string]*record.LatencySum
}

func (m *Merger) addLatency(r *record.Run) error {
	if m.latency == nil {
		m.latency = map[string]*record.LatencySum{}
		for i := range r.Groups {
			m.groups = append(m.groups, group{r.Groups[i].Name, map[string]*record.LatencySum{}})
		}
	}
	if err := add(m.latency, r.Latency); err != nil {
		return err
	}
	if len(r.Groups) != len(m.groups) {
		return fmt.Errorf("it has %d groups, and others have %d", len(r.Groups), len(m.groups))
	}
	for i := range r.Groups {
		if err := add(m.groups[i].latency, r.Groups[i].Latency); err != nil {
			return err
		}
	}
	return nil
}

func add(sums map[string]*record.LatencySum, latency map[string]record.Latency) error {
	for key, l := range latency {
		if sums[key] == nil {
			sums[key] = new(record.LatencySum)
		}
		if err := sums[key].Add(&l); err != nil {
			return fmt.Errorf("latency.%s: %w", key, err)
		}
	}
	return nil
}

func latencies(sums map[string]*record.LatencySum) (map[string]record.Latency, error) {
	all := make(map[string]record.Latency, len(sums))
	for _, key := range slices.Sorted(maps.Keys(sums)) {
		l, err := sums[key].Latency()
		if err != nil {
			return nil, fmt.Errorf("latency.%s: %w", key, err)
		}
		all[key] = l
	}
	return all, nil
}
