package bench

import (
	"github.com/HdrHistogram/hdrhistogram-go"

	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/sockio"
	"lastack/sockstate/teardown"
)

// Result converts the result of a load or of a group for the record.
func Result(g *loadgen.GroupResult, loading float64, spec []loadgen.Group) (record.Result, error) {
	l := &g.Ledger
	r := record.Result{
		Connections:   connections(l),
		Outcomes:      sockstate.ByName[sockstate.Outcome](l.Outcomes[:]),
		HTTP:          sockstate.ByName[sockstate.StatusClass](l.Statuses[:]),
		Errnos:        errnoNames(g.Errnos),
		Latency:       make(map[string]record.Latency),
		LatencyAbsent: make(map[string]string),

		ExchangeErrors:   sockstate.ByName[sockstate.Fault](l.Faults[:]),
		ExchangeExamples: make(map[string]string),
	}
	r.Connections.Scheduled, r.Connections.Capped, r.Connections.PeakOpen = g.Scheduled, g.Capped, g.PeakOpen
	for f, n := range l.Faults {
		if n > 0 {
			r.ExchangeExamples[sockstate.Fault(f).String()] = g.Examples[f]
		}
	}
	if loading > 0 {
		r.Rate.OpenedPerS = float64(l.Opened) / loading
		r.Rate.CompletedPerS = float64(g.CompletedInTime) / loading
		r.Rate.RequestsPerS = float64(g.RequestsInTime) / loading
	}
	for m, h := range g.Latency {
		name := sockstate.Latency(m).String()
		if h.TotalCount() == 0 {
			r.LatencyAbsent[name] = whyAbsent(sockstate.Latency(m), spec)
			continue
		}
		lat, err := record.NewLatency(h)
		if err != nil {
			return r, err
		}
		r.Latency[name] = lat
	}
	return r, nil
}

// connections converts a ledger for the record.
func connections(l *loadgen.Ledger) record.Connections {
	return record.Connections{
		Attempted: l.Attempted, Opened: l.Opened, Completed: l.Completed(), Failed: l.Failed(), Unfinished: l.Unfinished(), Requests: l.Requests,
	}
}

// errnoNames names the errnos of counts.
func errnoNames(counts map[sockio.Errno]int64) map[string]int64 {
	m := make(map[string]int64)
	for e, n := range counts {
		m[sockio.ErrnoName(e)] += n
	}
	return m
}

// target is a group's scheduled rate over the measured time, 0 in closed loop.
func target(p *loadgen.Plan, g *loadgen.Group, scheduled int64) float64 {
	switch {
	case !g.OpenLoop() || g.Plateau > 0:
		return 0
	case p.Duration == 0 || p.Count > 0:
		// The load may end before the schedule.
		return (g.RateFrom + g.RateTo) / 2
	}
	// Not the elapsed time, which an interrupt shortens.
	return float64(scheduled) / p.Duration.Seconds()
}

// whyAbsent says why a latency has no samples.
func whyAbsent(m sockstate.Latency, spec []loadgen.Group) string {
	const noSample = "no sample: no lifecycle got that far"
	if len(spec) != 1 {
		return noSample
	}
	g := &spec[0]
	switch {
	case m == sockstate.LatencyLag && !g.OpenLoop():
		return "closed loop: a lifecycle starts when a slot is free, so there is no schedule to be late for"
	case m == sockstate.LatencyExchange && g.Exchange.Kind == exchange.None:
		return "no exchange was asked for"
	case m == sockstate.LatencyExchange && g.Close.How.LeavesUnread():
		return "the last exchange is left unread, by policy"
	case m == sockstate.LatencyClose && g.Close.Who == teardown.Nobody, m == sockstate.LatencyLifecycle && g.Close.Who == teardown.Nobody:
		return "nobody closes, by policy"
	case m == sockstate.LatencyClose && g.Close.Active(0) && !g.Close.How.ReadsEnd():
		return "the client closes its descriptor and does not see what follows; only a trace of the kernel would"
	}
	return noSample
}

// summary converts a histogram that the record keeps only as a summary; nil without samples.
func summary(h *hdrhistogram.Histogram) *record.Latency {
	if h.TotalCount() == 0 {
		return nil
	}
	l := record.Summarize(h)
	return &l
}
