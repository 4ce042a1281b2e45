package compare

import (
	"slices"

	"lastack/bench/metric"
	"lastack/bench/record"
)

// schema names the format of Comparison.
const schema = "lastack.compare/v1"

// alpha is the chance that a table of comparisons of one and the same thing has any difference in it.
const alpha = 0.05

// Options say how to compare.
type Options struct {
	// NamesA and NamesB are the records' names, for messages: their files. Without them records are numbered.
	NamesA, NamesB []string
	// Force compares what should not be compared.
	Force bool
	// Thresholds are checked on the difference between the sides.
	Thresholds []metric.Relative
}

// Comparison is what Compare found: plain data, which JSON keeps.
type Comparison struct {
	Schema string `json:"schema"`
	// Version is that of the records, if all have the same.
	Version string `json:"version,omitempty"`
	// Kind is that of the records; empty for records of several kinds, see Options.Force.
	Kind string `json:"kind,omitempty"`
	A    Side   `json:"a"`
	B    Side   `json:"b"`
	// Result is one of the Result constants.
	Result string `json:"result"`
	// Why lists what differs in how the sides were measured, the most likely cause first.
	Why []Cause `json:"why"`
	// Findings are doubts about the comparison.
	Findings []record.Finding `json:"findings,omitempty"`
	// Rows has the metrics that a record of either side has, in the order of the registry.
	Rows []Row `json:"rows"`
	// Test says how rows were judged.
	Test Test `json:"test"`
	// Shifts compares the latencies of all records of a side together.
	Shifts   []Shift   `json:"shifts,omitempty"`
	Timeline *Timeline `json:"timeline,omitempty"`
	// IntervalsDiffer says that there is none, since the records' intervals differ in length.
	IntervalsDiffer bool `json:"intervals_differ,omitempty"`

	Thresholds []record.ThresholdResult `json:"thresholds,omitempty"`
}

// The results of a comparison.
const (
	// Differs: at least one metric differs, at the level alpha for the whole table.
	Differs = "differs"
	// NoDifference: no metric does. There may be a difference that is too small for the number of runs.
	NoDifference = "no_difference"
	// TooFew: there are too few runs for any metric to be told from noise.
	TooFew = "too_few_runs"
	// SpreadUnknown: a side has a single run, so that nothing is known about noise.
	SpreadUnknown = "spread_unknown"
)

// Side is a set of records.
type Side struct {
	Names []string `json:"names"`
	// Records is their number, Samples that of the tries of drains, or the same.
	Records int `json:"records"`
	Samples int `json:"samples"`
	// Limits counts the records by verdict: "valid, target_rate_met".
	Limits map[string]int `json:"limits"`
}

// Compare compares two sets of records of at least one record each. It refuses records of different kinds of experiment, whose differences mean nothing.
func Compare(a, b []*record.Run, o Options) (*Comparison, error) {
	sides := [2]side{newSide(a, o.NamesA), newSide(b, o.NamesB)}
	if err := refuse(&sides, o.Force); err != nil {
		return nil, err
	}
	c := &Comparison{Schema: schema, A: sides[0].summary(), B: sides[1].summary()}
	all := slices.Concat(sides[0].runs, sides[1].runs)
	c.Version, c.Kind = all[0].Version, all[0].Kind
	for _, r := range all {
		if r.Version != c.Version {
			c.Version = ""
		}
		if r.Kind != c.Kind {
			c.Kind = ""
		}
	}
	var mixed []Cause
	c.Why, mixed = causes(&sides)
	c.Findings = findings(&sides, mixed)
	c.Rows = rows(&sides)
	c.Test = judge(c.Rows, c.A.Samples, c.B.Samples)
	c.Result = c.Test.result(c.Rows)
	c.Shifts = shifts(&sides)
	c.Timeline, c.IntervalsDiffer = timeline(&sides)
	c.Thresholds, c.Test.Thresholds = evaluate(o.Thresholds, &sides)
	return c, nil
}
