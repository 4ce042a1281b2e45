package verify

import (
	"fmt"
	"math"
	"time"

	"lastack/bench/model"
	"lastack/loadgen"
	"lastack/sockstate/teardown"
)

// A group of a load holds all of its connections for the same time. So a hold that varies is that of several groups, whose arrivals take turns: each
// has an equal part of the distribution, and holds for its mean. The mean of all is then exact.

// parts is how many parts a distribution has.
const parts = 20

// holdsOf are the holds of the groups, rising.
func holdsOf(hold model.Time) (all []time.Duration) {
	if !varies(hold) {
		return []time.Duration{hold.Mean}
	}
	for i := range parts {
		from, to := float64(i)/parts, float64(i+1)/parts
		mean := (from + to) / 2 * (hold.Max - hold.Min).Seconds()
		if hold.Exponential {
			mean = parts * (beyond(from) - beyond(to)) * hold.Mean.Seconds()
		}
		all = append(all, hold.Min+time.Duration(mean*float64(time.Second)))
	}
	return all
}

// beyond is the integral of an exponential distribution's quantiles with the mean 1, from a share to the end.
func beyond(share float64) float64 {
	if share >= 1 {
		return 0
	}
	return (1 - share) * (1 - math.Log(1-share))
}

func varies(hold model.Time) bool { return hold.Exponential || hold.Min != hold.Max }

// holdsVary reports whether an experiment can hold connections for times that vary. The server knows the hold of one group only.
func holdsVary(l *model.Load) bool {
	return l.Close.Who == teardown.ClientFirst && varies(l.Hold)
}

// groups are those of a load at the experiment's rate.
func (e *experiment) groups(l *model.Load, holds []time.Duration, seed uint64) (all []loadgen.Group) {
	n := float64(len(holds))
	for i, hold := range holds {
		g := loadgen.Group{
			Name: "run", RateFrom: e.rate / n, RateTo: e.rate / n, Poisson: l.Poisson, Hold: hold, Close: l.Close, OnEOF: l.OnEOF, Exchange: l.Exchange,
			ConnectTimeout: 5 * time.Second, RequestTimeout: 10 * time.Second, CloseTimeout: 5*time.Second + l.OnEOF.Delay + hold,
		}
		if len(holds) > 1 {
			g.Name = fmt.Sprintf("held %v", hold.Round(time.Millisecond))
		}
		if l.Poisson {
			g.Seed = seed + uint64(i)
		} else {
			g.Phase = float64(i) / n
		}
		if l.Requests > 1 {
			g.Requests = l.Requests
		}
		all = append(all, g)
	}
	return all
}

// longest is the longest hold.
func (e *experiment) longest() (longest time.Duration) {
	for i := range e.setup.Plan.Groups {
		longest = max(longest, e.setup.Plan.Groups[i].Hold)
	}
	return longest
}
