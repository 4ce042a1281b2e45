package record

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Tune is the search for the fewest changes by which a load is sustained. Each of its trials is a load in a sandbox of its own.
type Tune struct {
	// RatePerS is the rate asked for. Allow is the share of connections that may fail.
	RatePerS float64   `json:"rate_per_s"`
	Allow    float64   `json:"allow,omitempty"`
	Base     SweepBase `json:"base"`
	// Keep names the settings that must stay.
	Keep      []string `json:"keep,omitempty"`
	ExpectedS float64  `json:"expected_s"`
	// LastsS is how long a load in full must last to be sustained. FirstSource is the first source address of a load that has several.
	LastsS      float64 `json:"lasts_s,omitempty"`
	FirstSource string  `json:"first_source,omitempty"`
	// Result is one of the Tune constants, empty if the search was interrupted before it came to one.
	Result string `json:"result,omitempty"`
	// LimitedBy is one of the Limit constants: what bound the load without any change.
	LimitedBy string `json:"limited_by,omitempty"`
	// Remedies are what was thought of, each by itself.
	Remedies []TuneRemedy `json:"remedies"`
	// Trials are in the order of their ends. The first are those without any change.
	Trials []TuneTrial `json:"trials"`
	// Answer has the remedies of the smallest set that sustains the load, by their indices. If the result is TuneCannotTell, it is the smallest
	// set that may: its narrowed trial was sustained. It is empty if there is none.
	Answer []int `json:"answer,omitempty"`
	// Takes is what the load takes if nothing that may change sustains it, nil if that is not known.
	Takes *TuneNeed `json:"takes,omitempty"`
}

// The results of a tune.
const (
	// TuneSustained: nothing needs to change.
	TuneSustained = "sustained"
	// TuneChange: the changes of Answer sustain the load.
	TuneChange = "change"
	// TuneNothing: nothing that may change sustains it.
	TuneNothing = "nothing"
	// TuneCannotTell: this machine, and no setting, bound what would decide.
	TuneCannotTell = "cannot_tell"
)

// TuneNeed is what a load takes.
type TuneNeed struct {
	// Ports are the local ports in all, Addresses the source addresses that have so many, with PortsEach each.
	Ports     int64 `json:"ports"`
	PortsEach int64 `json:"ports_each"`
	Addresses int64 `json:"addresses"`
	// TWBuckets is the net.ipv4.tcp_max_tw_buckets that the TIME_WAITs of so many ports take, 0 if there are enough.
	TWBuckets int64 `json:"tw_buckets,omitempty"`
}

// TuneRemedy is a change, or a few that belong together.
type TuneRemedy struct {
	Code    string        `json:"code"`
	Changes []TuneSetting `json:"changes"`
	// Cost orders remedies: of two the one with the lower cost is preferred.
	Cost int `json:"cost"`
	// Costs and Risk say what it costs and what it risks, Why for which reason it does not help, if it does not. Each may be empty.
	Costs string `json:"costs,omitempty"`
	Risk  string `json:"risk,omitempty"`
	Why   string `json:"why,omitempty"`
}

// TuneSetting is a change of a setting: a sysctl by its full name, or what a sweep can vary by that name.
type TuneSetting struct {
	Key string `json:"key"`
	// From is the value before, empty if unknown.
	From string `json:"from,omitempty"`
	To   string `json:"to"`
}

// TuneTrial is a load with the changes of some remedies.
type TuneTrial struct {
	// Remedies are indices, empty for none.
	Remedies []int `json:"remedies,omitempty"`
	// Confirms is set for a trial of a set that others have proposed.
	Confirms bool      `json:"confirms,omitempty"`
	Started  time.Time `json:"started"`
	// Scale is the part, 1/N, to which port range, buckets and rate were narrowed; 0 if they were not. Rates are those of the narrowed load.
	Scale float64 `json:"scale,omitempty"`
	FindTry
	// LoadS is how long connections were started, Attempted how many.
	LoadS     float64 `json:"load_s"`
	Attempted int64   `json:"attempted"`
	// FailedAfterS is when the first failed, in seconds from the start. 0 if none did, or at once.
	FailedAfterS float64 `json:"failed_after_s,omitempty"`
	// Late is set if nothing failed, but this machine was too busy to be on time.
	Late bool `json:"late,omitempty"`
	// CannotTell is set if it was not sustained, and what bound it was this machine and no setting.
	CannotTell bool `json:"cannot_tell,omitempty"`
	// Predicted is what the arithmetic of ports says, nil if ports do not matter.
	Predicted *TunePrediction `json:"predicted,omitempty"`
	// Values has every metric of the registry that the load has, by name.
	Values   map[string]float64 `json:"values,omitempty"`
	Findings []Finding          `json:"findings,omitempty"`
	Outcomes map[string]int64   `json:"outcomes,omitempty"`
	// Error says why there is no result.
	Error string `json:"error,omitempty"`
}

// TunePrediction is what a number of local ports bears if each connection keeps one for a time. Nothing of it is scaled.
type TunePrediction struct {
	Ports int64 `json:"ports"`
	// KeptMinS and KeptMaxS bound how long a connection keeps its port.
	KeptMinS float64 `json:"kept_min_s"`
	KeptMaxS float64 `json:"kept_max_s"`
	// LoPerS is a rate that the ports sustain, HiPerS one above which they do not.
	LoPerS float64 `json:"lo_per_s"`
	HiPerS float64 `json:"hi_per_s"`
	// ExhaustedS is when the load would have used all ports, in seconds from the start; 0 if it would not.
	ExhaustedS float64 `json:"exhausted_s,omitempty"`
}

// check finds what would mislead a reader of the search: indices out of range.
func (t *Tune) check() (key string, err error) {
	results := []string{"", TuneSustained, TuneChange, TuneNothing, TuneCannotTell}
	switch {
	case !slices.Contains(results, t.Result):
		return "tune.result", fmt.Errorf("%.60q is no result", t.Result)
	case t.Result == TuneChange && len(t.Answer) == 0:
		return "tune.answer", errors.New("a change has at least one remedy")
	case t.Result != "" && len(t.Trials) == 0:
		return "tune.trials", errors.New("a result has at least one trial")
	case t.Takes != nil && min(t.Takes.Ports, t.Takes.PortsEach, t.Takes.Addresses, t.Takes.TWBuckets) < 0:
		return "tune.takes", fmt.Errorf("%+v is less than nothing", *t.Takes)
	case t.Allow > 1:
		return "tune.allow", fmt.Errorf("%v, which is more than 1", t.Allow)
	}
	if err := t.known(t.Answer); err != nil {
		return "tune.answer", err
	}
	for i := range t.Remedies {
		if len(t.Remedies[i].Changes) == 0 {
			return fmt.Sprintf("tune.remedies[%d].changes", i), errors.New("a remedy has at least one change")
		}
	}
	for i := range t.Trials {
		trial := &t.Trials[i]
		if err := t.known(trial.Remedies); err != nil {
			return fmt.Sprintf("tune.trials[%d].remedies", i), err
		}
		if trial.Scale > 1 {
			return fmt.Sprintf("tune.trials[%d].scale", i), fmt.Errorf("%v, which is more than 1", trial.Scale)
		}
		if p := trial.Predicted; p != nil && (min(float64(p.Ports), p.KeptMinS, p.LoPerS, p.ExhaustedS) < 0 || p.KeptMinS > p.KeptMaxS || p.LoPerS > p.HiPerS) {
			return fmt.Sprintf("tune.trials[%d].predicted", i), fmt.Errorf("%+v is no prediction", *p)
		}
		if trial.Failed > trial.Attempted {
			return fmt.Sprintf("tune.trials[%d].failed", i), fmt.Errorf("%d of %d", trial.Failed, trial.Attempted)
		}
	}
	return "", nil
}

// known checks a set of remedies.
func (t *Tune) known(set []int) error {
	for i, r := range set {
		if r < 0 || r >= len(t.Remedies) {
			return fmt.Errorf("remedy %d of %d", r, len(t.Remedies))
		}
		if slices.Contains(set[:i], r) {
			return fmt.Errorf("remedy %d is there twice", r)
		}
	}
	return nil
}
