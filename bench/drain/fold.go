package drain

import (
	"time"

	"lastack/bench/metric"
	"lastack/bench/record"
)

// fold makes of a try's evidence what the record says of it.
func fold(e *evidence) record.DrainTry {
	j := join(e)
	a := j.answers()
	t := record.DrainTry{
		SignalAtS: float64(e.signal-e.begun) / 1e9,
		WatchedS:  float64(max(e.concluded-e.signal, 0)) / 1e9,
		Order:     j.order(),
		Server:    e.serverRecord(),
		Also:      e.beside,
		Listener:  j.listener(&a),
		Groups:    j.groupFates(),
		Queued:    j.queued(),
		Restart:   e.restart(),
		Reconnect: j.reconnects(),
		Leftover:  j.leftover(),
		Port:      e.server.port,
		Slices:    j.buckets(&a),
		Counters:  e.after.Since(e.before),
	}
	if e.paused >= pausedFrom {
		t.HaltedS = float64(e.paused) / 1e9
	}
	for i := range t.Groups {
		addConnections(&t.Connections, &t.Groups[i].Connections)
		addRequests(&t.Requests, &t.Groups[i].Requests)
	}
	if t.Requests.Sent > 0 {
		t.Requests.GapS, t.Requests.GapOpen = j.gap()
	}
	t.Before = j.before(t.Requests.Total - t.Requests.Sent)
	at, all := j.lastGone()
	if all {
		t.LastGoneS = j.since(at)
	}
	t.Moments = j.timeline(&t)
	t.Accounting = j.accounting(&t)
	t.Unknown = e.unknown(!all)
	t.Warnings = append(e.warnings, j.doubts(&t)...)
	t.Score = metric.ScoreLine(&t)
	return t
}

// pausedFrom is the shortest pause of this program that is told of.
const pausedFrom = int64(250e6)

// lagQuantile is the share of the load's loops that was no later than what is called their lag.
const lagQuantile = 99

// order says how well events before and after the signal are told apart.
func (j *joined) order() record.DrainOrder {
	if j.packets != nil {
		return record.DrainOrder{Source: "packets", UncertaintyUs: micros(j.packets.ClockError + j.sending), Dropped: j.packets.Dropped}
	}
	lag := time.Duration(record.Percentile(j.journal.LoopLag, lagQuantile))
	o := record.DrainOrder{Source: "clients", UncertaintyUs: micros(lag + j.sending)}
	if j.noPackets != nil {
		o.Reason = j.noPackets.Error()
	}
	return o
}

func micros(d time.Duration) float64 { return float64(d) / 1e3 }
