package loadgen

import (
	"github.com/HdrHistogram/hdrhistogram-go"

	"lastack/sockstate/exchange"
	"lastack/sockstate/sockio"
)

// Ledger accounts for lifecycles: once the load is over, Attempted is the sum of Outcomes.
type Ledger struct {
	Attempted int64
	// Opened is the number of connections established.
	Opened   int64
	Outcomes [NumOutcomes]int64
	// NoSYN is the number of attempts that failed before a SYN: ActiveOpens misses them.
	NoSYN int64
	// Unexpected is the part of RSTReceived that the policy does not predict.
	Unexpected int64
	// Requests is the number of exchanges completed.
	Requests int64
	// Statuses counts HTTP replies by class, interim ones too.
	Statuses exchange.Statuses
	// Faults splits the part of the outcome Other that is not an errno's: what came was not a reply.
	Faults [exchange.NumFaults]int64
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
	return l.Outcomes[FIN] + l.Outcomes[RSTSent] + l.Outcomes[RSTReceived] - l.Unexpected
}

// Failed is the number of lifecycles that failed.
func (l *Ledger) Failed() int64 {
	n := l.Unexpected
	for o, k := range l.Outcomes {
		if Outcome(o).Failed() {
			n += k
		}
	}
	return n
}

// Unfinished is the number of lifecycles held or interrupted.
func (l *Ledger) Unfinished() int64 { return l.Outcomes[Held] + l.Outcomes[Interrupted] }

// Metric is one of the latencies of a lifecycle.
type Metric uint8

// The latencies. Lag is the generator's own fault; Lifecycle runs from the scheduled start, less the hold.
const (
	Lag Metric = iota
	Connect
	Exchange
	Close
	Lifecycle

	NumMetrics = int(Lifecycle) + 1
)

var metricNames = [NumMetrics]string{"lag", "connect", "exchange", "close", "lifecycle"}

func (m Metric) String() string { return metricNames[m] }

// NewHistogram makes a histogram of nanoseconds from 1 ns to 1 h, with 3 digits.
func NewHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, 3_600_000_000_000, 3)
}

// Latencies holds a histogram for each metric.
type Latencies [NumMetrics]*hdrhistogram.Histogram

func newLatencies() (l Latencies) {
	for i := range l {
		l[i] = NewHistogram()
	}
	return l
}

// record adds a time, at least 1 ns; what exceeds an hour counts as an hour.
func record(h *hdrhistogram.Histogram, ns int64) {
	_ = h.RecordValue(min(max(ns, 1), 3_600_000_000_000)) // in range, so it cannot fail
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
	// Examples has a sentence about the first of each fault, empty where there was none.
	Examples [exchange.NumFaults]string
	Info     InfoSample
}

// InfoSample sums TCP_INFO of the connections that were sampled just before they closed.
type InfoSample struct {
	Sampled           int64
	RTT, MinRTT       *hdrhistogram.Histogram // nanoseconds
	SndMSS, SndCwnd   *hdrhistogram.Histogram
	Retransmits, Lost int64
}

func newInfoSample() InfoSample {
	return InfoSample{
		RTT: NewHistogram(), MinRTT: NewHistogram(),
		SndMSS: hdrhistogram.New(1, 1<<20, 3), SndCwnd: hdrhistogram.New(1, 1<<24, 3),
	}
}

func (i *InfoSample) merge(o *InfoSample) {
	i.Sampled += o.Sampled
	i.Retransmits += o.Retransmits
	i.Lost += o.Lost
	i.RTT.Merge(o.RTT)
	i.MinRTT.Merge(o.MinRTT)
	i.SndMSS.Merge(o.SndMSS)
	i.SndCwnd.Merge(o.SndCwnd)
}
