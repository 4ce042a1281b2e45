package host

import (
	"fmt"
	"math"

	"lastack/bench/model"
	"lastack/bench/quantity"
	"lastack/sockstate"
)

// expect says what rate and how many connections to expect here, with both ends on this host.
func (j *judge) expect() {
	f := j.facts
	j.group = "expect here"
	least, most := model.LifecyclesPerS(f.UsableCPUs())
	rate := fmt.Sprintf("%s to %s new connections/s with both ends here, by the CPUs, as measured on other hosts", quantity.Count(twoDigits(int64(least))), quantity.Count(twoDigits(int64(most))))
	if _, _, free, ok := f.LocalPorts(); ok {
		rate += fmt.Sprintf("; %s/s for minutes from one source address to one target if the client keeps TIME_WAIT", sustained(int64(free), sockstate.TimeWaitLasts(f.HZ)))
	}
	j.say("rate", OK, rate+". lastack run -d 5s measures it", "")
	if n, by := j.mostConnections(); n > 0 {
		j.say("connections", OK, fmt.Sprintf("about %s at once with both ends here, by %s", quantity.Count(twoDigits(n)), by), "")
	}
}

// mostConnections is how many connections this host holds with both ends here, and by what. It is 0 if nothing is known that bounds them.
func (j *judge) mostConnections() (n int64, by string) {
	f := j.facts
	n = math.MaxInt64
	take := func(v int64, of string) {
		if v < n {
			n, by = max(v, 0), of
		}
	}
	if memory, _ := f.UsableMemory(); memory > 0 {
		take(memory/(2*model.MemoryOf(f.Kernel, f.Slabs).Socket), "memory")
	}
	_, both := j.loops()
	if memory, bound := f.LockableMemory(); !j.hasRings() {
		take(int64(max(both.FreeFds(int64(min(f.NoFileHard, 1<<62))), 0)/2), "descriptors (RLIMIT_NOFILE)")
	} else if bound {
		take(int64(both.MostInRings(1<<24, int(min(f.NoFileHard, math.MaxInt32)), memory)), "the memory of rings (RLIMIT_MEMLOCK)")
	}
	if n == math.MaxInt64 {
		return 0, ""
	}
	return n, by
}
