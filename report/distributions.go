package report

import (
	"fmt"

	"lastack/bench/record"
	"lastack/report/document"
	"lastack/sockstate"
)

// distributions lists the histograms of a result, that of the lifecycles with its intervals. group is empty for the whole run's.
func distributions(run *record.Run, group string, r *record.Result) []document.Block {
	var out []document.Block
	for _, name := range ordered(r.Latency, sockstate.LatencyNames()) {
		l := r.Latency[name]
		if l.Hdr == "" {
			continue
		}
		d := document.Distribution{Name: join(".", group, name), Histogram: histogram(0, run.ElapsedS, &l)}
		if name == sockstate.LatencyLifecycle.String() && group == "" {
			d.Intervals = lifecycles(run.Timeline, l.Count)
		}
		out = append(out, d)
	}
	return out
}

func histogram(from, to float64, l *record.Latency) document.Histogram {
	return document.Histogram{From: from, To: to, Max: l.MaxUs * 1e3, Encoded: l.Hdr}
}

// lifecycles lists the histograms of a timeline, nil unless they add up to so many lifecycles: older records have none.
func lifecycles(timeline []record.Interval, all int64) []document.Histogram {
	var out []document.Histogram
	from := 0.0
	for i := range timeline {
		iv := &timeline[i]
		if l := iv.Lifecycle; l != nil && l.Hdr != "" {
			out = append(out, histogram(from, iv.TS, l))
			all -= l.Count
		}
		from = iv.TS
	}
	if all != 0 {
		return nil
	}
	return out
}

// checkHistograms decodes the histograms of groups and intervals. record.Read checks those of the whole run only, as a long timeline
// has many.
func checkHistograms(run *record.Run) error {
	check := func(l *record.Latency, where string, args ...any) error {
		if l == nil || l.Hdr == "" {
			return nil
		}
		if _, err := l.Histogram(); err != nil {
			return fmt.Errorf("%s: %w: take another copy of the record, or another format", fmt.Sprintf(where, args...), err)
		}
		return nil
	}
	for i := range run.Groups {
		for _, name := range keys(run.Groups[i].Latency) {
			l := run.Groups[i].Latency[name]
			if err := check(&l, "groups[%d].latency.%s", i, name); err != nil {
				return err
			}
		}
	}
	for i := range run.Timeline {
		if err := check(run.Timeline[i].Lifecycle, "timeline[%d].lifecycle", i); err != nil {
			return err
		}
	}
	return nil
}
