package bench

import (
	"lastack/bench/host"
	"lastack/sockstate"
	"lastack/sockstate/observe"
)

// reading holds the cumulative counters at one instant.
type reading struct {
	counters []sockstate.Counters // by namespace
	psi      *observe.PSI         // nil: this kernel has none
	cgroup   host.CgroupUse
}

func (e *experiment) read() reading {
	return reading{counters: e.watch.Counters(), psi: e.watch.PSI(), cgroup: host.ReadCgroupUse()}
}

// notRead names a counter that was not read in every namespace at both times, or returns "".
func (r *reading) notRead(before *reading, names ...string) string {
	for _, name := range names {
		for i := range r.counters {
			_, now := r.counters[i][name]
			_, then := before.counters[i][name]
			if !now || !then {
				return "the kernel's counter " + name + " was not read"
			}
		}
	}
	return ""
}

// grown returns the counters' growth by namespace, and their sum.
func (r *reading) grown(before *reading) (by []sockstate.Counters, all sockstate.Counters) {
	all = make(sockstate.Counters)
	for i, c := range r.counters {
		d := c.Since(before.counters[i])
		by = append(by, d)
		all.Add(d)
	}
	return by, all
}
