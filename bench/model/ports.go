package model

import (
	"math"

	"lastack/bench/record"
	"lastack/sockstate"
)

// Parities is the number of passes that connect() makes over the ports of an address: first those of one parity, then the others
// (__inet_hash_connect). The first pass is cheap. The second begins by walking past every port that the first has used.
const Parities = 2

// WalkS and LongWalkS bound the time of a walk past one port in use, in seconds: 0.1 to 0.25 µs were measured, 0.28 on a busy machine. A connect that
// found all of 28,232 ports in use took 0.11 to 0.13 µs for each of them.
const (
	WalkS     = 100e-9
	LongWalkS = 400e-9

	usualWalkS = 150e-9
)

// FirstPassBears is the rate a second at which the ports that connect tries first can be reused, each of them after it was open for openS
// and then in TIME_WAIT for reuseS.
func FirstPassBears(first, pairs int, openS, reuseS float64) float64 {
	return float64(first) * float64(pairs) / (openS + reuseS)
}

// InUse is how many ports are in use with tcp_tw_reuse, if kept of them cannot be reused yet, and unused of them would be in use without
// reuse: connect goes round and round the first ones that it tries, so that they are all in use.
func InUse(kept, unused, first float64) float64 { return max(kept, min(first, unused)) }

// RunsOut is when connect first finds no free port, if each is kept for that long, so many a second are taken, and at is when all are. It is nil if
// enough come back.
//
// TIME_WAITs end in bursts, at the ends of the timer wheel's buckets. Where those lie is not known. So from the shortest life on, ports
// may have come back: one bucket's at most, because a load whose ports all come back never runs out.
func RunsOut(ports, rate float64, keep sockstate.Span, at float64) *record.Onset {
	if rate*keep.Max.Seconds() <= ports {
		return nil
	}
	o := &record.Onset{EarliestS: at, LatestS: at}
	if at >= keep.Min.Seconds() {
		o.LatestS += (keep.Max - keep.Min).Seconds()
	}
	return o
}

// admitted is how many of rate paced connections a second get one of n ports, if each keeps it for openS seconds and then until a timer ends that lasts
// for so long, as in TIME_WAIT. Ports come back together, at the end of a bucket of the timer wheel, so that one that is taken again at once is away for a whole number of
// buckets.
func admitted(n, rate, openS float64, timer sockstate.Span) span {
	w, s := (timer.Max - timer.Min).Seconds(), openS+timer.Min.Seconds()
	if rate*(s+w) <= n {
		return exactly(rate)
	}
	k := math.Floor(s / w)
	v := (k+1)*w - s
	even := (n + rate*v) / (k + 2) // of each bucket, of which the first rate*v are away for k+1 buckets, and the others for k+2
	least, most := n/(s+w), n/(s+v)
	return span{least, min(max(even/w, least), most), most}.most(rate)
}

// walked is the share of connects that walk past the first pass, with that many ports in use.
func walked(first, inUse float64) float64 {
	if inUse <= first || first <= 0 {
		return 0
	}
	return 1 - first/inUse
}
