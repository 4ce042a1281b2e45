package arrivals

import "math/rand/v2"

// Chance draws the gaps of a Poisson process, in arrivals of the schedule: their mean is 1. A nil *Chance has an even gap each time.
//
// A worker has every step-th arrival of an even schedule. By chance it has a process of its own, of a step-th of the rate: together they are
// one of the whole rate (superposition).
type Chance struct{ rand *rand.Rand }

// NewChance is that of a worker. Runs of the same seed and number of workers have the same arrivals.
func NewChance(seed uint64, worker int) *Chance {
	return &Chance{rand.New(rand.NewPCG(seed, uint64(worker)))}
}

// Gap is how many arrivals of the schedule the next one is away.
func (c *Chance) Gap() float64 {
	if c == nil {
		return 1
	}
	return c.rand.ExpFloat64()
}
