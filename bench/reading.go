package bench

import (
	"lastack/sockstate"
	"lastack/sockstate/observe"
)

// reading is what is cumulative, at one instant.
type reading struct {
	counters []sockstate.Counters // by namespace
	psi      *observe.PSI         // nil: this kernel has none
}

func (e *experiment) read() (r reading, err error) {
	if r.counters, err = e.watch.Counters(); err != nil {
		return r, err
	}
	r.psi = e.watch.PSI()
	return r, nil
}

// grown is the counters' growth, of each namespace and of all.
func (r *reading) grown(before *reading) (by []sockstate.Counters, all sockstate.Counters) {
	all = make(sockstate.Counters)
	for i, c := range r.counters {
		d := c.Since(before.counters[i])
		by = append(by, d)
		all.Add(d)
	}
	return by, all
}
