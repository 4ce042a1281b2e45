package metric

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
)

// Each metric has a value in a record of its kind or says why not, and so has each part of the record.
func TestMetricsAnswer(t *testing.T) {
	answers := func(t *testing.T, m *Metric, of string, v Value) {
		t.Helper()
		if v.Known == (v.Reason != "" && v.V == 0 && v.Most == 0) && !v.Known || v.Most < v.V {
			t.Errorf("%s of %s: %+v, want a value or the reason why there is none", m.Name, of, v)
		}
	}
	run := sample(t)
	run.Plan.Groups = []record.Group{{Name: "a"}, {Name: "b", Exchange: "http:/"}}
	run.Groups = []record.GroupResult{{Name: "a", Result: run.Result}, {Name: "b", Result: run.Result}}
	run.Timeline = []record.Interval{{TS: 1, Opened: 9, MaxUs: 3, Client: map[string]int{"TIME_WAIT": 2}}, {TS: 2}}
	drain := drainSample()
	for _, m := range All() {
		switch {
		case m.Name == "" || m.Unit == "" || m.Help == "" || len(m.Help) > 50:
			t.Errorf("%+v: want a name, a unit and a few words of help", m)
		case !m.In(record.KindRun) && !m.In(record.KindDrain):
			t.Errorf("%s: no record has it", m.Name)
		case m.open != nil:
			continue
		}
		answers(t, &m, "a run", m.OfRun(run))
		answers(t, &m, "an empty run", m.OfRun(&record.Run{}))
		answers(t, &m, "a drain", m.OfRun(drain))
		for i := range run.Groups {
			answers(t, &m, "a group", m.OfGroup(run, i))
		}
		for i := range run.Timeline {
			answers(t, &m, "an interval", m.OfInterval(run, i))
		}
		for i := range drain.Drain.Tries {
			answers(t, &m, "a try", m.OfTry(&drain.Drain.Tries[i]))
		}
	}
}

// What is read is what the record says, of each part of it.
func TestMetricsRead(t *testing.T) {
	r := sample(t)
	one := r.Result
	one.Rate.OpenedPerS, one.Connections.Failed = 7, 3
	r.Plan.Groups = make([]record.Group, 2)
	r.Groups = []record.GroupResult{{Result: r.Result}, {Result: one}}
	r.Timeline = []record.Interval{{TS: 1, Opened: 100}, {TS: 1.5, Opened: 100, Completed: 4, P99Us: 40, MaxUs: 50, Failures: map[string]int64{"refused": 2}, Counters: map[string]int64{"TcpExtListenDrops": 5}, Server: map[string]int{"TIME_WAIT": 6}}}
	for _, tt := range []struct {
		name                 string
		run, group, interval float64
	}{
		{"rate.opened", 0.9, 7, 200},
		{"connections.failed", 1, 3, 0},
		{"outcomes.refused", 1, 1, 2},
		{"lifecycle.p99", -1, -1, 40},
		{"time_wait.peak", 7, -1, 6},
		{"counters.TcpExtListenDrops", 0, -1, 5},
		{"connect.p99", 989.183, 989.183, -1},
	} {
		m, err := Lookup(record.KindRun, tt.name)
		if err != nil {
			t.Fatal(err)
		}
		for of, want := range map[string]struct {
			Value
			want float64
		}{"run": {m.OfRun(r), tt.run}, "group": {m.OfGroup(r, 1), tt.group}, "interval": {m.OfInterval(r, 1), tt.interval}} {
			if want.Known != (want.want >= 0) || want.Known && want.V != want.want {
				t.Errorf("%s of a %s: %+v, want %v", tt.name, of, want.Value, want.want)
			}
		}
	}
}

// Each name that is said is a metric's.
func TestNames(t *testing.T) {
	for _, kind := range []string{record.KindRun, record.KindDrain} {
		for _, name := range append(Names(kind), "connect.p95", "connect.p99.99") {
			if m, err := Lookup(kind, name); err != nil || m.Name != name {
				t.Errorf("%s of a %s: %q, %v", name, kind, m.Name, err)
			}
		}
		if _, err := ParseThreshold(kind, Example(kind)); err != nil {
			t.Error(err)
		}
	}
}

func TestNearest(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"TcpExtTWw", "TcpExtTW"}, {"TcpExtTypo", ""}, {"TcpTypo", ""}, {"TW", "TcpExtTW"}, {"tcpactiveopens", "TcpActiveOpens"}, {"UdpInErrors", ""}, {"TcpActivOpens", "TcpActiveOpens"}, {"", ""}, {"TcpPasiveOpen", "TcpPassiveOpens"},
	} {
		if got := strings.Join(Nearest(tt.name, []string{"TcpActiveOpens", "TcpPassiveOpens", "TcpExtTW", "TcpExtTWKilled"}), " "); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	if d := distance("kitten", "sitting"); d != 3 {
		t.Errorf("kitten to sitting: %d", d)
	}
}

// A record of now has a counter that did not grow as 0, and lacks one that the kernel has not; an older record lacks both.
func TestCounters(t *testing.T) {
	for _, tt := range []struct {
		name     string
		counters map[string]int64
		counter  string
		want     Value
	}{
		{"grown", map[string]int64{"TcpExtTW": 3, "TcpOutRsts": 0}, "TcpExtTW", Value{Known: true, V: 3, Most: 3}},
		{"not grown", map[string]int64{"TcpExtTW": 3, "TcpOutRsts": 0}, "TcpOutRsts", Value{Known: true}},
		{"none of the kernel's", map[string]int64{"TcpExtTW": 3, "TcpOutRsts": 0}, "TcpOutRst", Value{Reason: "this kernel has no TCP counter TcpOutRst; the nearest: TcpOutRsts"}},
		{"like none of the kernel's", map[string]int64{"TcpExtTW": 3, "TcpOutRsts": 0}, "TcpTypo", Value{Reason: "this kernel has no TCP counter TcpTypo; nstat -asz lists them all"}},
		{"of an older record", map[string]int64{"TcpExtTW": 3}, "TcpOutRsts", Value{Known: true, Reason: "it did not grow, or this kernel has no counter of that name"}},
	} {
		m, err := Lookup(record.KindRun, "counters."+tt.counter)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(tt.want, m.OfRun(&record.Run{Counters: tt.counters})); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
}
