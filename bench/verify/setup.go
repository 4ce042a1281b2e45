package verify

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"lastack/bench/model"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/bench/setup"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/teardown"
)

// Spec says what to verify.
type Spec struct {
	Plan model.Input
	// Ports is the number of local ports of an experiment; 0 chooses.
	Ports int
	Seed  uint64
	// Rate has one experiment run at that rate, below the first limit, and none above it; 0 chooses both.
	Rate float64
	// Quick leaves out the experiments that run alone: those of CPU, memory and descriptors.
	Quick bool
	// Version is for the records of the experiments.
	Version string
}

// Setup is what runs.
type Setup struct {
	// Ports is the number of local ports of an experiment, Scale their part of the host's.
	Ports int
	Scale float64
	// routed is set if a router with NAT is between both ends. Ports are then the router's.
	routed bool
	// alone are those that run first, one after the other.
	alone []*experiment
	below *experiment // nil if the load has no steady state
	above *experiment
	// skipped says what is not measured, and why.
	skipped []string
}

// experiment is a run and what is predicted of it.
type experiment struct {
	name      string
	rate      float64
	lasts     time.Duration
	setup     setup.Setup
	predicted *record.Capacity
	// settled is when populations are steady, kept how long a connection keeps its port.
	settled time.Duration
	// tracked is when the number of tracked connections is steady, 0 without a router, and scans how long it is then averaged.
	tracked, scans time.Duration
	kept           sockstate.Span
	// ports is how many there are, reuse is set if connect takes them over from TIME_WAIT.
	ports   int64
	reuse   bool
	sources int
	// level is how many connections an experiment has at once that is about its rate; 0 for others.
	level int
	// compare puts what a run measured beside what is predicted; nil if nothing is.
	compare func(*record.Run) []record.CapacityResidual
}

const (
	// somePorts is few enough to run out at a rate that leaves the CPU alone, and enough to measure a population within 1 %.
	somePorts = 2000
	// firstPort begins the range of the experiments.
	firstPort = 20000
	// under and over are the rates of the experiments, as shares of that at which the limit is reached.
	under, over = 0.75, 1.4
	// mostRate is the fastest rate of an experiment, a second, so that the CPU does not bound it.
	mostRate = 2500
	// steadyRate is the fastest rate of one below the limit: populations are proportional to it, and need no more.
	steadyRate = 200
	// calmRate is the rate at which the ports should run out, with fewestPorts at least.
	calmRate    = 40
	fewestPorts = 64
	// mostSources is how many of the plan's source addresses an experiment with a router has.
	mostSources = 64
	// ownFiles is what a run has open besides connections.
	ownFiles = 64
	// fullWithin is within how many seconds a limit should be full that any rate fills.
	fullWithin = 20
	// leastRate keeps a short range from a rate at which nothing happens.
	leastRate = 5
)

// Resolve prepares the experiments. It is a pure function.
func Resolve(s Spec, f setup.Facts) (*Setup, error) {
	r := &Setup{Ports: cmp.Or(s.Ports, somePorts)}
	r.routed = s.Plan.Middle != nil && s.Plan.Middle.Kind == model.NAT && s.Plan.Middle.Name == "linux"
	all := s.Plan.Client.Ports
	if r.routed {
		all = s.Plan.Middle.Addresses * int(s.Plan.Middle.PortsEach)
	}
	if all > 0 {
		r.Ports = min(r.Ports, all)
		r.Scale = float64(r.Ports) / float64(all)
	}
	if s.Plan.Middle != nil && !r.routed {
		r.skipped = append(r.skipped, "the "+model.KindWords(s.Plan.Middle.Kind)+": the experiments have none")
	}
	if l := &s.Plan.Load; varies(l.Hold) && !holdsVary(l) {
		r.skipped = append(r.skipped, "how the hold varies: the experiments hold each connection for the mean, as their server, which closes first or with the client, has one hold for all")
	}
	if !s.Quick {
		if err := r.addAlone(&s, &f); err != nil {
			return nil, err
		}
	}
	in, box := r.input(&s, &f)
	// The rate at which the first limit is reached does not depend on the rate that is asked for.
	c, err := model.Plan(at(in, leastRate))
	if err != nil {
		return nil, err
	}
	first := stops(c)
	if first == nil {
		return nil, fmt.Errorf("this load reaches no limit that an experiment could show")
	}
	limit := first.Reached.Value
	if limit > calmRate && ofPorts(first) {
		// Fewer ports run out at a rate that leaves the CPU alone.
		r.Ports = max(int(math.Ceil(float64(r.Ports)*calmRate/limit)), fewestPorts)
		if all > 0 {
			r.Scale = float64(r.Ports) / float64(all)
		}
		in, box = r.input(&s, &f)
		if c, err = model.Plan(at(in, leastRate)); err != nil {
			return nil, err
		}
		if first = stops(c); first == nil {
			return nil, fmt.Errorf("this load reaches no limit that an experiment could show")
		}
		limit = first.Reached.Value
	}
	endless := limit == 0
	if endless {
		limit = min(fewest(c), float64(r.Ports)) / fullWithin / over
	}
	if s.Rate > 0 {
		r.below, err = r.experiment("below", in, box, s.Rate, &s, &f)
		return r, err
	}
	if limit*over > mostRate {
		r.skipped = append(r.skipped, fmt.Sprintf("the first limit: with %d ports it is reached at %.0f/s, and experiments are at most at %d/s, so that the CPU does not bound them", r.Ports, limit, mostRate))
	} else if r.above, err = r.experiment("above", in, box, max(limit*over, leastRate), &s, &f); err != nil {
		return nil, err
	}
	if endless {
		r.skipped = append(r.skipped, "the steady state: there is none")
		return r, nil
	}
	r.below, err = r.experiment("below", in, box, max(min(limit*under, steadyRate), 1), &s, &f)
	return r, err
}

// stops is the limit that a growing rate reaches first and at which connections fail, nil if none is: a long search for a port only takes CPU time.
func stops(c *record.Capacity) *record.CapacityLimit {
	for i := range c.Limits {
		if l := &c.Limits[i]; l.Reached != nil && l.Name != record.LimitPortSearch {
			return l
		}
	}
	return nil
}

func ofPorts(l *record.CapacityLimit) bool {
	return l.Name == record.LimitPorts || l.Name == record.LimitNATPorts
}

// fewest is the smallest limit that any rate fills.
func fewest(c *record.Capacity) (most float64) {
	for i := range c.Limits {
		if l := &c.Limits[i]; l.Reached != nil && l.Reached.Value == 0 && (most == 0 || l.Max < most) {
			most = l.Max
		}
	}
	return most
}

// input is the plan of an experiment, and its sandbox.
func (r *Setup) input(s *Spec, f *setup.Facts) (model.Input, sandbox.Spec) {
	box := sandbox.Spec{Topology: sandbox.Veth}
	set := func(key, value string) { box.Sysctls = append(box.Sysctls, sandbox.Sysctl{Key: key, Value: value}) }
	if r.routed {
		set("net.ipv4.ip_local_port_range", "1024 65535")
		box.Topology = sandbox.Routed
		n := s.Plan.Middle.Addresses
		each := min(max(r.Ports/n, 1), math.MaxUint16-firstPort)
		box.NAT = sandbox.NAT{Addresses: n, Ports: sockstate.PortRange{Lo: firstPort, Hi: uint16(firstPort + each - 1)}}
	} else {
		set("net.ipv4.ip_local_port_range", fmt.Sprintf("%d %d", firstPort, firstPort+r.Ports-1))
	}
	client := &s.Plan.Client
	if client.Reuse {
		set("net.ipv4.tcp_tw_reuse", "1")
	}
	if client.FinTimeout > 0 {
		set("net.ipv4.tcp_fin_timeout", strconv.Itoa(int(client.FinTimeout.Seconds())))
	}
	if client.Buckets > 0 && r.Scale > 0 && !r.routed { // the client's ports are all there
		set("net.ipv4.tcp_max_tw_buckets", strconv.FormatInt(max(int64(math.Round(float64(client.Buckets)*r.Scale)), 1), 10))
	}
	if r.routed {
		for key, d := range map[string]time.Duration{
			"time_wait": s.Plan.Middle.Router.TrackedTimeWait, "close_wait": s.Plan.Middle.Router.TrackedCloseWait, "close": s.Plan.Middle.Router.TrackedClose,
		} {
			if d > 0 {
				set("net.netfilter.nf_conntrack_tcp_timeout_"+key, strconv.Itoa(int(d.Seconds())))
			}
		}
	}
	h := f.Inside(&box).Limits()
	h.NoFile = max(int64(min(f.Host.NoFileSoft, math.MaxInt32))-ownFiles, 2) / 2 // both ends are of one process
	h.ReuseDelay, h.FinTimeout = client.ReuseDelay, client.FinTimeout
	in := s.Plan
	in.Client, in.Server, in.ServerSame, in.Middle = h, h, false, nil
	if r.routed {
		m := *s.Plan.Middle
		m.PortsEach = int64(box.NAT.Ports.Hi-box.NAT.Ports.Lo) + 1
		in.Middle = &m
	}
	l := &in.Load
	if l.Targets, l.Growth, l.Over = 1, nil, 0; !r.routed {
		l.Sources = 1
	}
	l.Sources = min(l.Sources, mostSources)
	// Across a veth pair a round trip and a reply take no time, and the server always accepts.
	l.RTT, l.Service = model.Time{Max: time.Millisecond, Mean: 200 * time.Microsecond}, model.Time{Max: time.Millisecond, Mean: 200 * time.Microsecond}
	l.AcceptPause = 5 * time.Millisecond
	if !holdsVary(l) {
		l.Hold = model.Time{Min: l.Hold.Mean, Mean: l.Hold.Mean, Max: l.Hold.Mean}
	}
	return in, box
}

func at(in model.Input, rate float64) model.Input {
	in.Load.RateFrom, in.Load.RateTo = rate, rate
	return in
}

func (r *Setup) experiment(name string, in model.Input, box sandbox.Spec, rate float64, s *Spec, f *setup.Facts) (*experiment, error) {
	e := &experiment{name: name, rate: math.Round(rate*100) / 100, ports: int64(in.Client.Ports), reuse: in.Client.Reuse, sources: in.Load.Sources}
	var err error
	if e.predicted, err = model.Plan(at(in, e.rate)); err != nil {
		return nil, err
	}
	paced := at(in, e.rate)
	paced.Load.Poisson = false
	c, err := model.Plan(paced)
	if err != nil {
		return nil, err
	}
	holds := holdsOf(in.Load.Hold)
	e.times(c, in.Client.HZ, in.Load.OnEOF)
	e.settled += holds[len(holds)-1] - in.Load.Hold.Mean
	if in.Middle != nil {
		e.ports = int64(in.Middle.Addresses) * in.Middle.PortsEach
		e.tracked, e.scans = e.trackedFrom(c)
	}
	longest := e.settled
	switch {
	case name == "below" && in.Load.Poisson:
		e.lasts = longest + max(longest*2, 20*time.Second)
	case name == "below":
		e.lasts = max(longest+max(longest/2, 10*time.Second), e.tracked+e.scans)
	case in.Load.Poisson:
		e.lasts = longest + max(longest*2, 30*time.Second)
	default:
		e.lasts = max(2*e.kept.Max+5*time.Second, 15*time.Second)
		if e.kept.Max == 0 { // nobody closes
			e.lasts = 30 * time.Second
		}
	}
	if first := e.first(); name == "above" && first != nil {
		e.lasts = max(e.lasts, time.Duration(1.1*first.FullAfterS.Hi*float64(time.Second))+5*time.Second)
	}
	spec := setup.Spec{
		Plan: loadgen.Plan{Groups: e.groups(&in.Load, holds, s.Seed), Duration: e.lasts}, Server: &setup.Server{}, Sandbox: &box, SharedHash: true, SourceCount: in.Load.Sources,
		Engine: "epoll", // its sockets have descriptors that can be counted
		Common: setup.Common{Interval: interval(r.Ports), Version: s.Version}, Given: []string{"sandbox"},
	}
	if e.compare = e.exhausted; name == "below" {
		e.compare = e.steady
	}
	e.setup, err = setup.Resolve(spec, *f)
	return e, err
}

// interval is the time between two samples, short enough to see when ports come back from TIME_WAIT. The few ports that come back otherwise do not
// need that, and a sample takes CPU time: it walks the connection hash of the host.
func interval(ports int) time.Duration {
	if ports < 500 {
		return 250 * time.Millisecond
	}
	return min(max(time.Duration(ports)*100*time.Microsecond, 100*time.Millisecond), time.Second)
}

// times sets how long a connection keeps its port, and when all populations are steady, by the plan of paced arrivals.
func (e *experiment) times(c *record.Capacity, hz int, eof teardown.Reaction) {
	span := func(a record.Estimate) sockstate.Span {
		if a.Endless {
			return sockstate.Span{}
		}
		d := func(v float64) time.Duration { return time.Duration(v / e.rate * float64(time.Second)) }
		return sockstate.Span{Min: d(a.Lo), Max: d(a.Hi)}
	}
	var by [sockstate.NumSides]time.Duration
	for i := range c.Needs {
		n := &c.Needs[i]
		switch n.Name {
		case "local_ports":
			if e.kept.Max == 0 {
				e.kept = span(n.At[0])
			}
		case "nat_ports":
			e.kept = span(n.At[0])
		case sockstate.TimeWait.String():
			by[sideOf(n.Side)] += sockstate.TimeWaitLasts(hz).Max
		case sockstate.Established.String(), sockstate.FinWait2.String(), sockstate.CloseWait.String():
			by[sideOf(n.Side)] += span(n.At[0]).Max
		}
	}
	e.settled = slices.Max(by[:]) + eof.Delay + time.Second
}

// trackedFrom is when the number of entries of the router is steady, and how long it takes to see its mean: some scans of the collector.
func (e *experiment) trackedFrom(c *record.Capacity) (from, scans time.Duration) {
	const enough = 60 // s
	for i := range c.Needs {
		n := &c.Needs[i]
		if n.Name != "tracked" || n.Side != model.NAT {
			continue
		}
		a := n.At[0]
		// Between two scans as many come as are over at the second, which the mean has half of.
		scan := max(2*(a.Value-a.Lo)/e.rate, 1)
		return max(time.Duration((a.Lo/e.rate+scan)*float64(time.Second)), e.settled), time.Duration(math.Ceil(enough/scan) * scan * float64(time.Second))
	}
	return 0, 0
}

func sideOf(name string) sockstate.Side {
	if name == sockstate.Server.String() {
		return sockstate.Server
	}
	return sockstate.Client
}

// together are the experiments that run side by side.
func (r *Setup) together() (all []*experiment) {
	for _, e := range []*experiment{r.below, r.above} {
		if e != nil {
			all = append(all, e)
		}
	}
	return all
}

// Expected is how long the experiments take.
func (r *Setup) Expected() (longest time.Duration) {
	for _, e := range r.together() {
		longest = max(longest, e.lasts+e.longest()+2*time.Second)
	}
	for _, e := range r.alone {
		longest += e.lasts + 2*time.Second
	}
	return longest
}

// Describe says in a line what runs.
func (r *Setup) Describe() string {
	s := ""
	for _, e := range r.together() {
		s += fmt.Sprintf("%s the first limit at %.1f/s for %.0f s, ", e.name, e.rate, e.lasts.Seconds())
	}
	return s + fmt.Sprintf("with %d local ports", r.Ports)
}
