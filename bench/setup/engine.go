package setup

import (
	"cmp"
	"strings"

	"lastack/sockstate"
	"lastack/sockstate/sockio"
)

// The engines, as sockio names them.
const (
	auto  = "auto"
	uring = "uring"
	epoll = "epoll"
)

// chooseEngine chooses io_uring if it works, unless the spec says epoll.
func (r *resolver) chooseEngine() error {
	switch e := cmp.Or(r.spec.Engine, auto); {
	case e == epoll, e == auto && r.facts.NoRing != "":
		r.Engine = epoll
		if e == auto {
			r.EngineReason = r.facts.NoRing
		}
	case e == uring && r.facts.NoRing != "":
		return sockstate.BadValue("engine", e, "%s", r.facts.NoRing)
	case e == uring, e == auto:
		r.Engine = uring
	default:
		return sockstate.BadValue("engine", e, "want %s", strings.Join(sockio.BackendNames(), ", "))
	}
	return nil
}

// shareCPUs pins worker i of the load and worker i of the embedded server to the same CPU. That CPU's
// listener accepts the connections made there, so a connection stays on one CPU, and no wakeup crosses CPUs.
// It does so only in a closed loop with at most one worker, and one listener, per CPU; a load on a schedule
// needs a free CPU to be on time. Measured with two CPUs, 64 connections, echo and RST, medians of seven
// pairs: io_uring 1.10 times as fast (1.03 to 1.25), epoll 0.93. Otherwise the scheduler places the workers.
func (r *resolver) shareCPUs() {
	s := r.Server
	if r.Engine != uring || s == nil || s.Workers != r.Plan.Workers || s.Listeners != s.Workers || len(r.facts.CPUs) < s.Workers {
		return
	}
	for i := range r.Plan.Groups {
		if r.Plan.Groups[i].OnSchedule() {
			return
		}
	}
	r.CPUs = r.facts.CPUs[:s.Workers]
	s.CPUs = r.CPUs
}
