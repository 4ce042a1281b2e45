package sockstate

import (
	"slices"
	"time"
)

// Latency is one of the durations of a lifecycle that a load measures.
type Latency uint8

// The latencies. LatencyLag is the generator's own delay; LatencyLifecycle runs from the scheduled start, without the hold.
const (
	LatencyLag Latency = iota
	LatencyConnect
	LatencyExchange
	LatencyClose
	LatencyLifecycle

	// NumLatencies is the length of an array indexed by Latency.
	NumLatencies = int(LatencyLifecycle) + 1
)

var (
	latencyNames = [NumLatencies]string{"lag", "connect", "exchange", "close", "lifecycle"}
	latencyMeans = [NumLatencies]string{
		"scheduled start to start", "connect call to connected", "request to whole reply", "close to the peer's FIN or RST",
		"scheduled start to end, less --hold",
	}
)

// String is the latency's name in a record.
func (l Latency) String() string { return latencyNames[l] }

// Means says from when to when it is.
func (l Latency) Means() string { return latencyMeans[l] }

// LatencyNames lists the names in the order of a connection's life.
func LatencyNames() []string { return slices.Clone(latencyNames[:]) }

// The range, in nanoseconds, and the precision of every histogram of a run. They are all alike, so any two merge without loss.
const (
	HistogramMin    int64 = 1
	HistogramMax          = int64(time.Hour)
	HistogramDigits       = 3
)
