package verify

import (
	"fmt"
	"math"
	"time"

	"lastack/bench/model"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/bench/setup"
	"lastack/loadgen"
	"lastack/sockstate/teardown"
)

// These experiments run before the others, each alone, as others would change what they measure.

const (
	// heldConnections is how many connections are held at once for their memory and descriptors.
	heldConnections = 4000
	// spareFiles is what a process has open besides connections, at most.
	spareFiles = 500
	// idleFor is how long they are watched after their close.
	idleFor = 2 * time.Second
	// busyFor is how long lifecycles go on as fast as they can, for their CPU time.
	busyFor = 3 * time.Second
	// levelFor is how long they do with fewer connections at once, for how the rate grows with these.
	levelFor = time.Second
)

// levels are numbers of connections at once. The calibration is the last.
var levels = []int{1, 2, 4, 8, 16, 32, 64}

// box is a sandbox with ports enough.
func wide() sandbox.Spec {
	return sandbox.Spec{Topology: sandbox.Veth, Sysctls: []sandbox.Sysctl{{Key: "net.ipv4.ip_local_port_range", Value: "1024 65535"}}}
}

func (r *Setup) addAlone(s *Spec, f *setup.Facts) error {
	l := &s.Plan.Load
	if l.Close.Who == teardown.Nobody {
		r.skipped = append(r.skipped, "the CPU time of a lifecycle: no lifecycle ends")
	} else {
		g := loadgen.Group{Name: "run", Close: l.Close, Exchange: l.Exchange, ConnectTimeout: 5 * time.Second, RequestTimeout: 10 * time.Second, CloseTimeout: 5 * time.Second}
		if l.Requests > 1 {
			g.Requests = l.Requests
		}
		for i, n := range levels {
			name, d := fmt.Sprintf("%d at once", n), levelFor
			if i == len(levels)-1 {
				name, d = "calibration", busyFor
			}
			g.Connections = n
			e, err := newAlone(name, g, loadgen.Plan{Duration: d}, "", s, f)
			if err != nil {
				return err
			}
			e.level = n
			r.alone = append(r.alone, e)
		}
	}
	n := heldConnections
	if most := int(min(f.Host.NoFileSoft, math.MaxInt32)); (most-spareFiles)/2 < n {
		n = max((most-spareFiles)/2, 1)
	}
	g := loadgen.Group{
		Name: "run", Connections: n, Plateau: 2 * time.Second, Close: teardown.Policy{Who: teardown.ClientFirst, How: teardown.FIN}, Exchange: l.Exchange,
		ConnectTimeout: 5 * time.Second, RequestTimeout: 10 * time.Second, CloseTimeout: 5 * time.Second,
	}
	e, err := newAlone("held", g, loadgen.Plan{}, "epoll", s, f)
	if err != nil {
		return err
	}
	// The server may close its ends later. TIME_WAITs keep the run from ending before that was seen.
	e.setup.Settle = idleFor
	e.lasts += idleFor
	var m *model.Memory
	if len(f.Host.Slabs) > 0 {
		m = new(model.MemoryOf(f.Host.Kernel, f.Host.Slabs))
	} else {
		r.skipped = append(r.skipped, "the kernel's memory: only root can read the caches of sockets (/proc/slabinfo), and those of the whole host change by other programs too")
	}
	e.compare = func(run *record.Run) []record.CapacityResidual { return held(run, n, m) }
	r.alone = append(r.alone, e)
	return nil
}

func newAlone(name string, g loadgen.Group, p loadgen.Plan, engine string, s *Spec, f *setup.Facts) (*experiment, error) {
	box := wide()
	p.Groups = []loadgen.Group{g}
	spec := setup.Spec{
		Plan: p, Server: &setup.Server{}, Sandbox: &box, SourceCount: 16, Engine: engine,
		Common: setup.Common{Interval: 500 * time.Millisecond, Version: s.Version}, Given: []string{"sandbox"},
	}
	e := &experiment{name: name, lasts: p.Duration + g.Plateau + time.Second}
	var err error
	e.setup, err = setup.Resolve(spec, *f)
	return e, err
}

// held compares n connections that are open at once: both ends have a descriptor and a socket each. Without m their memory is not compared.
func held(run *record.Run, n int, m *model.Memory) (all []record.CapacityResidual) {
	ends := float64(2 * n)
	if base, ok := idleFds(run); ok {
		p := record.Estimate{Value: ends, Lo: ends, Hi: ends}
		measured := float64(run.Pressure.Fds.Peak - base)
		all = append(all, record.CapacityResidual{
			Experiment: "held", Name: "descriptors", Side: "both", Unit: "sockets", Predicted: p, Measured: measured, Error: measured/ends - 1, Within: measured == ends,
		})
	}
	if measured := float64(run.Pressure.Memory.SlabPeakBytes); m != nil && measured > 0 {
		bytes := ends * float64(m.Socket)
		p := record.Estimate{Value: bytes, Lo: bytes * (1 - m.Margin), Hi: bytes * (1 + m.Margin)}
		const within = 0.1
		all = append(all, record.CapacityResidual{
			Experiment: "held", Name: "kernel_memory", Side: "both", Unit: "bytes", Predicted: p, Measured: measured, Error: measured/bytes - 1, Tolerance: within,
			Within: math.Abs(measured/bytes-1) <= within,
		})
	}
	return all
}
