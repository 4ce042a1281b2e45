package record

import (
	"errors"
	"time"
)

// Capacity is what a load needs, what its hosts and the network between them allow, and what runs out first. Package model computes it,
// and explains the formulas.
type Capacity struct {
	Asked CapacityAsked `json:"asked"`
	// Rates are those at which Needs are computed: the lowest and the highest asked for, then the latter times each growth.
	Rates []float64      `json:"rates_per_s"`
	Needs []CapacityNeed `json:"needs"`
	// Limits are in the order in which a growing rate reaches them. Those that no rate reaches are last.
	Limits  []CapacityLimit  `json:"limits"`
	Effects []CapacityEffect `json:"sensitivity,omitempty"`
	Changes []CapacityChange `json:"changes,omitempty"`
	Curve   CapacityCurve    `json:"curve"`
	// Generators is how many machines like the client's host a test of this load takes.
	Generators CapacityGenerators `json:"generators"`
	// Assumed says in a sentence each what was assumed because nobody said it, or because it could not be read.
	Assumed []string `json:"assumed,omitempty"`
	// Verified is what experiments measured of what the model predicts of them. It is nil if there were none.
	Verified *CapacityVerified `json:"verified,omitempty"`
}

// CapacityVerified is the model's error: what experiments in sandboxes measured, beside what the model predicts of the same experiments.
type CapacityVerified struct {
	// Ports is the number of local ports of an experiment, Scale the part of the host's ports and TIME_WAIT buckets that it had.
	Ports       int                  `json:"ports"`
	Scale       float64              `json:"scale,omitempty"`
	Experiments []CapacityExperiment `json:"experiments"`
	Residuals   []CapacityResidual   `json:"residuals"`
	// Limit is nil if no experiment was above the first limit.
	Limit *CapacityNamed `json:"limit,omitempty"`
	// Scaling is how the rate grows with the connections at once; nil if it was not measured.
	Scaling *Scaling `json:"scaling,omitempty"`
	// Skipped says what was not measured, and why.
	Skipped []string `json:"skipped,omitempty"`
}

// Scaling is a fit of the Universal Scalability Law to lifecycles a second, with both ends on one host.
type Scaling struct {
	Levels []ScalingLevel `json:"levels"`
	// FirstPerS is the rate of one connection, Contention the share of a lifecycle in which only one can be, and Coherency what each pair costs.
	FirstPerS  float64 `json:"first_per_s"`
	Contention float64 `json:"contention"`
	Coherency  float64 `json:"coherency"`
	// Peak is the highest rate with at most twice the connections of the largest level, PeakAt their number. Beyond is set if more
	// connections may have a higher rate.
	Peak   Estimate `json:"peak_per_s"`
	PeakAt int      `json:"peak_at"`
	Beyond bool     `json:"beyond,omitempty"`
}

// ScalingLevel is the rate with so many connections at once.
type ScalingLevel struct {
	Connections int     `json:"connections"`
	PerS        float64 `json:"per_s"`
}

// Disturbed reports whether an experiment lacked CPU time. Others may have had it: then the residuals say little.
func (v *CapacityVerified) Disturbed() bool {
	for i := range v.Experiments {
		if v.Experiments[i].Late {
			return true
		}
	}
	return false
}

// CapacityExperiment is a run below or above the first limit.
type CapacityExperiment struct {
	Name     string  `json:"name"`
	RatePerS float64 `json:"rate_per_s"`
	LastsS   float64 `json:"lasts_s"`
	// SteadyS is from when on populations are averaged.
	SteadyS float64 `json:"steady_s"`
	Valid   bool    `json:"valid"`
	// Late is set if arrivals or closes came much later than scheduled.
	Late      bool   `json:"late,omitempty"`
	LimitedBy string `json:"limited_by"`
	Completed int64  `json:"completed"`
	Failed    int64  `json:"failed"`
}

// CapacityResidual is a quantity, predicted and measured.
type CapacityResidual struct {
	Experiment string   `json:"experiment"`
	Name       string   `json:"name"`
	Side       string   `json:"side"`
	Unit       string   `json:"unit"`
	Predicted  Estimate `json:"predicted"`
	Measured   float64  `json:"measured"`
	// Error is Measured as a share of the prediction, less 1, Tolerance by how much it may be wrong.
	Error     float64 `json:"error"`
	Tolerance float64 `json:"tolerance"`
	Within    bool    `json:"within"`
}

// CapacityNamed is the first limit, as the model and as the verdict of a run above it name it.
type CapacityNamed struct {
	Predicted string `json:"predicted"`
	Measured  string `json:"measured"`
	Right     bool   `json:"right"`
}

// Estimate is a number and the interval that it stays in: TIME_WAITs end in bursts, arrivals come by chance, and some inputs are known
// only roughly.
type Estimate struct {
	Value float64 `json:"value"`
	Lo    float64 `json:"lo"`
	Hi    float64 `json:"hi"`
	// Endless is set if the number grows as long as the load goes on. Value is then what it grows by per second.
	Endless bool `json:"endless,omitempty"`
}

// Lasts is a duration that varies between Min and Max.
type Lasts struct {
	MinS  float64 `json:"min_s"`
	MeanS float64 `json:"mean_s"`
	MaxS  float64 `json:"max_s"`
	// Exponential is set for an exponential distribution, for which Min and Max say nothing; otherwise it is uniform.
	Exponential bool `json:"exponential,omitempty"`
}

// CapacityAsked is the load, as asked for.
type CapacityAsked struct {
	RateFrom float64   `json:"rate_from"`
	RateTo   float64   `json:"rate_to"`
	Growth   []float64 `json:"growth,omitempty"`
	// OverS is the time in seconds in which the rate rises from RateFrom to RateTo, 0 if it was not given.
	OverS    float64 `json:"over_s,omitempty"`
	Poisson  bool    `json:"poisson,omitempty"`
	Hold     Lasts   `json:"hold"`
	Close    string  `json:"close"`
	OnEOF    string  `json:"on_eof"`
	Exchange string  `json:"exchange"`
	Requests int     `json:"requests"`
	RTT      Lasts   `json:"rtt"`
	// Service is the server's time for a reply, AcceptPause the longest time in which it does not accept.
	Service     Lasts   `json:"service"`
	AcceptPause float64 `json:"accept_pause_s"`
	Sources     int     `json:"sources"`
	Targets     int     `json:"targets"`
	Headroom    float64 `json:"headroom"`
	// Middle is what stands between client and server.
	Middle *CapacityMiddle `json:"middle,omitempty"`
}

// CapacityMiddle is a NAT or a load balancer.
type CapacityMiddle struct {
	// Kind is nat, lb or conntrack, Name what the table of package model calls it.
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Addresses int    `json:"addresses,omitempty"`
	// Gateways is how many have these addresses, and share the connections evenly; 0 in records that do not say, and then 1.
	Gateways int `json:"gateways,omitempty"`
	// PortsEach is the ports of an address for each destination, KeptMinS and KeptMaxS how long it keeps one after the close.
	PortsEach int64   `json:"ports_each,omitempty"`
	KeptMinS  float64 `json:"kept_min_s,omitempty"`
	KeptMaxS  float64 `json:"kept_max_s,omitempty"`
	Conntrack int64   `json:"conntrack_max,omitempty"`
	Source    string  `json:"source,omitempty"`
}

// CapacityNeed is a quantity at each of the rates.
type CapacityNeed struct {
	Name string `json:"name"`
	// Side is client, server, or the kind of the middle.
	Side string     `json:"side"`
	Unit string     `json:"unit"`
	At   []Estimate `json:"at"`
	// Formula is its name in the documentation of package model.
	Formula string `json:"formula"`
}

// CapacityLimit is a limit and the need that it bounds.
type CapacityLimit struct {
	// Name is one of the Limit constants.
	Name string  `json:"name"`
	Side string  `json:"side"`
	Need string  `json:"need"`
	Unit string  `json:"unit"`
	Max  float64 `json:"max"`
	// Source says where Max comes from: a sysctl, or the table of package model.
	Source string `json:"source"`
	// Peak is the need at RateTo, as it is offered: what is carried is at most Max. Use is its upper end as a share of Max, 0 if it is endless:
	// it is above 1 if RateTo is above Reached.Lo.
	Peak Estimate `json:"peak"`
	Use  float64  `json:"use"`
	// Reached is the rate at which the need reaches Max, nil if no rate does: Value is where the mean does, Lo where the upper end does and the first
	// connection may fail, and Hi where the lower end does, or 1e9 if perhaps no rate does.
	Reached *Estimate `json:"reached_per_s,omitempty"`
	// FullAfterS is how long the load runs at RateTo until Max is reached, nil if it is not.
	FullAfterS *Estimate `json:"full_after_s,omitempty"`
	// WhenS is when a rate that rises from RateFrom to RateTo in OverS gets there, nil if it does not or if OverS is 0.
	WhenS *float64 `json:"when_s,omitempty"`
}

// When is the day on which a rate that rises from began on reaches the limit, "already" if it does from the start, and empty if nobody said
// in what time it rises.
func (l *CapacityLimit) When(began time.Time) string {
	switch {
	case l.WhenS == nil || began.IsZero():
		return ""
	case *l.WhenS <= 0:
		return "already"
	}
	return began.UTC().Add(time.Duration(min(*l.WhenS, maxNumber/1e9) * 1e9)).Format("2 Jan 2006")
}

// CapacityWords is what the limit of a plan is called in a sentence.
func CapacityWords(limit string) string {
	switch limit {
	case LimitPorts:
		return "local ports"
	case LimitPortSearch:
		return "first-pass ports"
	case LimitNATPorts:
		return "NAT ports"
	case LimitBalancerPorts:
		return "LB ports"
	case LimitMiddleConnections:
		return "NAT connections"
	case LimitConntrack:
		return "conntrack entries"
	case LimitFds:
		return "descriptors"
	case LimitFiles:
		return "open files"
	case LimitTWBuckets:
		return "TIME_WAIT buckets"
	case LimitOrphans:
		return "orphans"
	case LimitMemory:
		return "kernel memory"
	case LimitTCPMemory:
		return "TCP buffers"
	case LimitCPU:
		return "CPUs"
	case LimitAcceptQueue:
		return "accept queue"
	case LimitSYNDrops:
		return "SYN backlog"
	}
	return limit
}

// CapacityEffect is what a change of one input does to the rate at which something runs out first.
type CapacityEffect struct {
	Input string `json:"input"`
	From  string `json:"from"`
	To    string `json:"to"`
	// ReachedPerS is the rate at which something runs out first then, Change its growth as a share.
	ReachedPerS float64 `json:"reached_per_s"`
	Change      float64 `json:"change"`
	// First is the limit that is first then, Side whose it is.
	First string `json:"first"`
	Side  string `json:"side,omitempty"`
}

// CapacityChange is something to change, so that the load at RateTo fits with the headroom.
type CapacityChange struct {
	// Limits are those that it is for.
	Limits []string `json:"limits"`
	Side   string   `json:"side"`
	// Where is sysctl.d, limits.d, addresses, nat, hosts or application.
	Where string `json:"where"`
	Key   string `json:"key"`
	From  string `json:"from,omitempty"`
	To    string `json:"to"`
	Why   string `json:"why"`
}

// CapacityCurve has the use of each limit over the rate.
type CapacityCurve struct {
	Rates []float64 `json:"rates_per_s"`
	// Needs has the upper end of each limit's need, in the order of Limits. It is nil for an endless one.
	Needs [][]float64 `json:"needs"`
}

// CapacityGenerators is what generates the load at RateTo.
type CapacityGenerators struct {
	Machines int `json:"machines"`
	// Addresses is the number of source addresses that have local ports enough, of all machines together.
	Addresses int `json:"addresses"`
	// By is the limit that asks for the most machines.
	By string `json:"by"`
}

// checkPlan finds a part of a plan that lacks values, or has too many. key is its path.
func (r *Run) checkPlan() (key string, err error) {
	c := r.Capacity
	switch {
	case r.Kind == KindPlan && c == nil:
		return "capacity", errors.New("a plan has this key")
	case c == nil:
		return "", nil
	case len(c.Rates) == 0:
		return "capacity.rates_per_s", errors.New("it has no rate")
	case len(c.Curve.Needs) != len(c.Limits):
		return "capacity.curve.needs", errors.New("it has one for each limit")
	}
	for i := range c.Needs {
		if len(c.Needs[i].At) != len(c.Rates) {
			return "capacity.needs", errors.New("each has a value for each rate")
		}
	}
	for _, at := range c.Curve.Needs {
		if at != nil && len(at) != len(c.Curve.Rates) {
			return "capacity.curve.needs", errors.New("each has a value for each rate")
		}
	}
	return "", nil
}
