package metric

import (
	"math"
	"slices"
	"strings"
	"testing"

	"lastack/bench/record"
)

func relative(expr string) (Relative, error) {
	return ParseRelative(func(name string) (Metric, error) { return Lookup(record.KindRun, name) }, expr)
}

func TestParseRelative(t *testing.T) {
	for _, tt := range []struct{ expr, want string }{
		{"lifecycle.p99<5%", `"5%" is not a value for lifecycle.p99, accepted is a sign and a percentage of A's value (+5%), or a sign and a difference (+2ms)`},
		{"lifecycle.p99<5ms", "a sign and a percentage"},
		{"lifecycle.p99<++5ms", "a sign and a percentage"},
		{"lifecycle.p99<+-5%", "a sign and a percentage"},
		{"lifecycle.p99<+1e3%", "a sign and a percentage"},
		{"failed_ratio<+2", "a sign and a difference (+0.001, which is 0.1 points)"},
		{"rate.completed>", "there is no value after >"},
		{"rate.completed", "(as in 'lifecycle.p99<+5%')"},
		{"rate.complete>-5%", "accepted are rate.opened, rate.completed"},
	} {
		if _, err := relative(tt.expr); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.expr, err, tt.want)
		}
	}
	// A run's own thresholds take no percentages of anything else.
	if _, err := ParseThreshold(record.KindRun, "lifecycle.p99<+5%"); err == nil {
		t.Error("a run takes a threshold on a difference")
	}
}

func TestEvaluateRelative(t *testing.T) {
	values := func(all ...float64) (list []Value) {
		for _, v := range all {
			list = append(list, exactly(v))
		}
		return list
	}
	late := []Value{exactly(10), exactly(10).atLeast("1 request had no reply in time"), exactly(10).atLeast("1 request had no reply in time")}
	for _, tt := range []struct {
		expr   string
		a, b   []Value
		ok     bool
		got    string
		reason string
	}{
		{"lifecycle.p99<+5%", values(100, 100, 90), values(104, 104, 200), true, "+4.00%", "median of A 100µs, of B 104µs"},
		{"lifecycle.p99<+5%", values(100), values(105), false, "+5.00%", "A 100µs, B 105µs"},
		{"lifecycle.p99<=+5us", values(100), values(105), true, "+5µs", "A 100µs, B 105µs"},
		{"lifecycle.p99<=-5us", values(105), values(100), true, "-5µs", "A 105µs, B 100µs"},
		{"rate.completed>-5%", values(100), values(96), true, "-4.00%", "A 100.0/s, B 96.0/s"},
		{"connections.failed<=+0", values(0, 0, 0), values(0, 0, 1), false, "+0.333", "mean of A 0, of B 0.333"},
		{"failed_ratio<=+0.001", values(0), values(0.0029), false, "+0.29 points", "A 0%, B 0.29%"},
		{"failed_ratio<=+0.001", values(0.5), values(0.25), true, "-25 points", "A 50%, B 25%"},
		{"connections.failed<+5%", values(0), values(1), false, "", "A 0, B 1: no percentage of 0, so give a difference, as in 'connections.failed<+0'"},
		{"connections.failed<+5%", values(0), values(0), true, "+0.00%", "A 0, B 0"},
		{"lifecycle.p99<+5%", values(10, 10, 10), late, false, "+0.00%", "median of A 10µs, of B 10µs; not certain, because 1 request had no reply in time"},
		{"lifecycle.p99>-5%", late, values(10, 10, 10), false, "+0.00%", "median of A 10µs, of B 10µs; not certain, because 1 request had no reply in time"},
		{"lifecycle.p99<+5%", []Value{none("it was off")}, values(1), false, "", "A has no value: it was off"},
	} {
		r, err := relative(tt.expr)
		if err != nil {
			t.Fatal(err)
		}
		got := r.Evaluate(tt.a, tt.b)
		if got.OK != tt.ok || got.GotText != tt.got || got.Reason != tt.reason || math.IsInf(got.Got, 0) || math.IsNaN(got.Got) {
			t.Errorf("%s: %+v, want %v %s (%s)", tt.expr, got, tt.ok, tt.got, tt.reason)
		}
	}
}

// A family of which the kernel or a census decides the parts is there with those that a record has.
func TestOf(t *testing.T) {
	r := &record.Run{Kind: record.KindRun, Counters: map[string]int64{"TcpActiveOpens": 1, "nonsense": 2}}
	r.States = record.States{Source: "diag", Peak: map[string]map[string]int{"client": {"TIME_WAIT": 7}, "elsewhere": {"LISTEN": 1}}}
	var open []string
	for _, m := range Of(record.KindRun, []*record.Run{r, {}}) {
		if strings.HasPrefix(m.Name, "counters.") || strings.HasPrefix(m.Name, "states.") {
			open = append(open, m.Name)
		}
		if m.Name == "states.client.TIME_WAIT" {
			if v := m.OfRun(r); v.V != 7 || !v.Known {
				t.Errorf("states.client.TIME_WAIT is %+v, want 7", v)
			}
		}
	}
	if want := []string{"states.client.TIME_WAIT", "counters.TcpActiveOpens"}; !slices.Equal(open, want) {
		t.Errorf("%v, want %v", open, want)
	}
	if _, err := Lookup(record.KindRun, "states.client.NOWHERE"); err == nil {
		t.Error("there is a state of any name")
	}
}
