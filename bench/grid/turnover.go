package grid

import (
	"math"

	"lastack/bench/record"
	"lastack/sockstate"
)

// Turnover is the rate at which local ports come back from TIME_WAIT.
type Turnover struct {
	// PerS is the rate over one cycle: ports divided by the time until they were all there again.
	PerS float64
	// ports is how many completions the cycle has, cycleS how long it is.
	ports  int64
	cycleS float64
}

// TurnoverOf measures it in the timeline of a load that is much faster: whenever ports come back, it uses them all within a part of the life of
// a TIME_WAIT, and then fails until the next come back. So its completions come in bursts, a life apart:
//
//	completed |##            ###           ####
//	          |##            ###           ####
//	          +-------------------------------------> t
//	           first         second        third
//	                         |<-- cycle -->|
//
// A rate over any other window is wrong by up to a burst. The first burst is left out: it begins when the load does, and a TIME_WAIT lasts until
// the kernel's timer wheel has turned, see sockstate.TimeWaitLasts. The others begin with a turn. Life is how long a connection keeps its port,
// rate that of the load, ports how many there are. ok is false if there are no three bursts, or if the second has not used the ports once: a
// load that others keep from the CPU makes two bursts of one.
func TurnoverOf(timeline []record.Interval, life sockstate.Span, rate float64, ports int64) (t Turnover, ok bool) {
	const share = 0.02 // of the ports; a few are late

	// A gap between bursts is at least this long; one inside of a burst is a turn of the wheel at most.
	gap := (life.Max - life.Min).Seconds() * 2
	var begins []float64
	var counts []int64
	last := -2 * gap // the end of the last interval with a completion
	from := 0.0
	for _, iv := range timeline {
		if iv.Completed > 0 {
			// The interval has begun before the burst.
			if begin := max(from, iv.TS-float64(iv.Completed)/rate); begin-last > gap {
				begins, counts = append(begins, begin), append(counts, 0)
			}
			counts[len(counts)-1] += iv.Completed
			last = iv.TS
		}
		from = iv.TS
	}
	if len(begins) < 3 {
		return t, false
	}
	t.ports, t.cycleS = counts[1], begins[2]-begins[1]
	t.PerS = float64(t.ports) / t.cycleS
	once := t.ports > 0 && math.Abs(float64(t.ports-ports)) <= share*float64(ports)
	return t, once && t.cycleS >= life.Min.Seconds()
}

// starved reports whether a load had no CPU for so long that ports which came back waited for it.
func starved(timeline []record.Interval) bool {
	const longest = 0.5
	last := 0.0
	for i, iv := range timeline {
		// The last interval is from the end of the load on.
		if iv.Started > 0 || i == len(timeline)-1 {
			last = iv.TS
		} else if iv.TS-last > longest && iv.Phase == "load" {
			return true
		}
	}
	return false
}
