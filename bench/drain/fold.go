package drain

import (
	"time"

	"lastack/bench/metric"
	"lastack/bench/record"
)

// fold turns a try's evidence into its record.
func fold(e *evidence) record.DrainTry {
	j := join(e)
	t := record.DrainTry{
		SignalAtS: float64(e.signal-e.begun) / 1e9,
		WatchedS:  float64(max(e.concluded-e.signal, 0)) / 1e9,
		Order:     j.order(),
		Server:    e.serverRecord(),
		Also:      e.beside,
		Listener:  j.listener(),
		Queued:    j.queued(),
		Restart:   e.restart(),
		Reconnect: j.reconnects(),
		Leftover:  j.leftover(),
		Port:      e.server.port,
		Slices:    j.buckets(),
		Counters:  e.after.Since(e.before),
	}
	if e.paused >= pausedFrom {
		t.HaltedS = float64(e.paused) / 1e9
	}
	j.addFates(&t)
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

// pausedFrom is the shortest pause of this program that the record mentions.
const pausedFrom = int64(250e6)

// lagQuantile is the percentile of the loops' lag that bounds the error of a time.
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
