package loadgen

import (
	"github.com/HdrHistogram/hdrhistogram-go"

	"lastack/sockstate"
	"lastack/sockstate/sockio"
)

// Ledger accounts for lifecycles: once the load is over, Attempted is the sum of Outcomes.
type Ledger struct {
	Attempted int64
	// Opened is the number of connections established.
	Opened   int64
	Outcomes [sockstate.NumOutcomes]int64
	// NoSYN is the number of attempts that failed before a SYN: ActiveOpens misses them.
	NoSYN int64
	// Unexpected is the part of RSTReceived that the policy does not predict.
	Unexpected int64
	// Requests is the number of exchanges completed.
	Requests int64
	// Statuses counts HTTP replies by class, interim ones too.
	Statuses sockstate.Statuses
	// Faults splits the part of the outcome Other that is not an errno's: what came was not a reply.
	Faults [sockstate.NumFaults]int64
}

// Add sums o into l.
func (l *Ledger) Add(o *Ledger) {
	l.Attempted += o.Attempted
	l.Opened += o.Opened
	l.NoSYN += o.NoSYN
	l.Unexpected += o.Unexpected
	l.Requests += o.Requests
	l.Statuses.Add(&o.Statuses)
	for i := range l.Outcomes {
		l.Outcomes[i] += o.Outcomes[i]
	}
	for i := range l.Faults {
		l.Faults[i] += o.Faults[i]
	}
}

// Completed is the number of lifecycles that ended as the policy wants.
func (l *Ledger) Completed() int64 {
	return l.Outcomes[sockstate.OutcomeFIN] + l.Outcomes[sockstate.OutcomeRSTSent] + l.Outcomes[sockstate.OutcomeRSTReceived] - l.Unexpected
}

// Failed is the number of lifecycles that failed.
func (l *Ledger) Failed() int64 {
	n := l.Unexpected
	for o, k := range l.Outcomes {
		if sockstate.Outcome(o).Class() == sockstate.ClassFailure {
			n += k
		}
	}
	return n
}

// Unfinished is the number of lifecycles held or interrupted.
func (l *Ledger) Unfinished() int64 {
	return l.Outcomes[sockstate.OutcomeHeld] + l.Outcomes[sockstate.OutcomeInterrupted]
}

// newHistogram makes a histogram of nanoseconds.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(sockstate.HistogramMin, sockstate.HistogramMax, sockstate.HistogramDigits)
}

// delta is the times since a snapshot: of lifecycles that belong to the result, of those that started in the warm-up, and of connects
// that belong to the result.
type delta struct{ measured, warmup, connects *hdrhistogram.Histogram }

// newDelta has no histogram for the warm-up of a plan without one.
func newDelta(p *Plan) delta {
	t := delta{measured: newHistogram(), connects: newHistogram()}
	if p.Warmup > 0 {
		t.warmup = newHistogram()
	}
	return t
}

// take moves o's times to t.
func (t *delta) take(o delta) {
	t.measured.Merge(o.measured)
	o.measured.Reset()
	t.connects.Merge(o.connects)
	o.connects.Reset()
	if o.warmup != nil {
		t.warmup.Merge(o.warmup)
		o.warmup.Reset()
	}
}

// Latencies holds a histogram for each metric.
type Latencies [sockstate.NumLatencies]*hdrhistogram.Histogram

func newLatencies() (l Latencies) {
	for i := range l {
		l[i] = newHistogram()
	}
	return l
}

// record adds a time, at least 1 ns; what exceeds an hour counts as an hour.
func record(h *hdrhistogram.Histogram, ns int64) {
	_ = h.RecordValue(min(max(ns, sockstate.HistogramMin), sockstate.HistogramMax)) // in range, so it cannot fail
}

func (l *Latencies) merge(o *Latencies) {
	for i := range l {
		l[i].Merge(o[i])
	}
}

// GroupResult is what a group came to.
type GroupResult struct {
	Name string
	// Ledger is the measured part; Warmup what started before it.
	Ledger, Warmup Ledger
	Latency        Latencies
	// Scheduled is the number of arrivals of the open loop's schedule, warm-up not counted.
	Scheduled int64
	// Capped is the number of arrivals that had to wait for a slot, Dropped of those that the end
	// of the run overtook: Scheduled - Dropped = Ledger.Attempted.
	Capped, Dropped int64
	// PeakOpen is the most connections established at once, the workers' peaks summed.
	PeakOpen int64
	// DetourPorts is the number of local ports that connect chose from where it went around the targets' own, each way
	// with an IP_LOCAL_PORT_RANGE of its own; 0 where it did not.
	DetourPorts int
	// CompletedInTime and RequestsInTime are the parts of the ledger that were done before the end of
	// the duration.
	CompletedInTime, RequestsInTime int64
	// Errnos splits the rest of the ledger's outcome Other.
	Errnos map[sockio.Errno]int64
	// FirstFailure is when each failure first happened, in the warm-up too, on the clock of clock.Now; 0: never.
	FirstFailure [sockstate.NumOutcomes]int64
	// Examples has a sentence about the first of each fault, empty where there was none.
	Examples [sockstate.NumFaults]string
	Info     infoSample
}

func newGroupResult(name string) GroupResult {
	return GroupResult{Name: name, Latency: newLatencies(), Info: newInfoSample(), Errnos: make(map[sockio.Errno]int64)}
}

// infoSample sums TCP_INFO of the connections that were sampled just before they closed.
type infoSample struct {
	Sampled           int64
	RTT, MinRTT       *hdrhistogram.Histogram // nanoseconds
	SndMSS, SndCwnd   *hdrhistogram.Histogram
	Retransmits, Lost int64
}

func newInfoSample() infoSample {
	return infoSample{
		RTT: newHistogram(), MinRTT: newHistogram(),
		SndMSS: hdrhistogram.New(1, 1<<20, 3), SndCwnd: hdrhistogram.New(1, 1<<24, 3),
	}
}

func (i *infoSample) merge(o *infoSample) {
	i.Sampled += o.Sampled
	i.Retransmits += o.Retransmits
	i.Lost += o.Lost
	i.RTT.Merge(o.RTT)
	i.MinRTT.Merge(o.MinRTT)
	i.SndMSS.Merge(o.SndMSS)
	i.SndCwnd.Merge(o.SndCwnd)
}
