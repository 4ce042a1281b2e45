package verify

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"lastack/bench"
	"lastack/bench/model"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/bench/setup"
	"lastack/sockstate/exchange"
	"lastack/sockstate/teardown"
)

// TestMain does the jobs of this package's cells.
func TestMain(m *testing.M) {
	sandbox.Main(map[string]sandbox.Func{bench.Job.Name: bench.Job.Func})
	os.Exit(m.Run())
}

// pattern is a load whose predictions are compared with runs.
type pattern struct {
	close, eof, exchange string
	hold                 time.Duration
	// varies is how the hold does if not at all, in the words of --hold.
	varies  string
	ports   int
	poisson bool
	// reuse is the client's tcp_tw_reuse, buckets tcp_max_tw_buckets; 0 is the default.
	reuse   bool
	buckets int64
	// nat is the number of addresses of a router between both ends, sources that of the client's, 1 if 0.
	nat, sources int
	// tracked is how long the router remembers a connection after an RST, 0 for 10 s.
	tracked time.Duration
	// rate is that of an experiment below the first limit if there is none above it: one that takes too many connections.
	rate float64
	// first is the first limit, the ports if empty.
	first string
}

// limit is the first limit.
func (p pattern) limit() string { return cmp.Or(p.first, record.LimitPorts) }

func (p pattern) String() string {
	s := fmt.Sprintf("%s, held %s, %d ports", p.close, cmp.Or(p.varies, p.hold.String()), p.ports)
	for _, o := range []struct {
		is   bool
		name string
	}{
		{p.eof != "", "on-eof " + p.eof},
		{p.exchange != "none", p.exchange},
		{p.poisson, "Poisson"},
		{p.reuse, "tcp_tw_reuse=1"},
		{p.nat > 0, fmt.Sprintf("NAT of %d addresses", p.nat)},
		{p.sources > 0, fmt.Sprintf("%d sources", p.sources)},
		{p.tracked > 0, fmt.Sprintf("tracked %v after an RST", p.tracked)},
		{p.rate > 0, fmt.Sprintf("%v a second", p.rate)},
		{p.buckets > 0, fmt.Sprintf("%d TIME_WAIT buckets", p.buckets)},
	} {
		if o.is {
			s += ", " + o.name
		}
	}
	return s
}

// patterns are those of the table in the documentation. Each policy leaves the port to another state.
func patterns() (all []pattern) {
	const second = time.Second
	add := func(p ...pattern) { all = append(all, p...) }
	for _, poisson := range []bool{false, true} {
		add(
			// The client's TIME_WAIT keeps the port.
			pattern{close: "client:fin", exchange: "echo:1,1", ports: 1000, poisson: poisson},
			pattern{close: "client:fin", exchange: "none", hold: 800 * time.Millisecond, ports: 2000, poisson: poisson},
			pattern{close: "client:fin", exchange: "echo:200,8192", hold: 5 * second, ports: 3000, poisson: poisson},
			pattern{close: "client:half", exchange: "echo:1,1", hold: 2 * second, ports: 1000, poisson: poisson},
			pattern{close: "client:fin", eof: "delay=2s", exchange: "none", hold: second, ports: 2000, poisson: poisson},
			// Only open connections keep it.
			pattern{close: "server:fin", exchange: "echo:1,1", hold: 3 * second, ports: 600, poisson: poisson},
			pattern{close: "client:rst", exchange: "echo:1,1", hold: 2 * second, ports: 400, poisson: poisson},
			pattern{close: "server:rst", exchange: "echo:1,1", hold: 5 * second, ports: 1000, poisson: poisson},
			pattern{close: "server:fin", eof: "delay=1s", exchange: "echo:1,1", hold: second, ports: 400, poisson: poisson},
			pattern{close: "client:half", eof: "delay=3s", exchange: "none", hold: second, ports: 1000, poisson: poisson},
			pattern{close: "client:rst", exchange: "echo:64,65536", hold: 4 * second, ports: 500, poisson: poisson},
		)
	}
	add(
		pattern{close: "client:fin", exchange: "none", ports: 2000, buckets: 1000, first: record.LimitTWBuckets},
		pattern{close: "server:fin", exchange: "none", hold: second, ports: 2000, buckets: 500, first: record.LimitTWBuckets},
		pattern{close: "client:fin", eof: "never", exchange: "none", ports: 1000},
		pattern{close: "never", exchange: "none", ports: 1000},
		pattern{close: "client:fin", exchange: "none", hold: 5 * second, ports: 400, nat: 4, first: record.LimitNATPorts},
		pattern{close: "client:rst", exchange: "echo:1,1", hold: 4 * second, ports: 200, nat: 2, first: record.LimitNATPorts},
		// A port in TIME_WAIT is taken over after tcp_tw_reuse_delay.
		pattern{close: "client:fin", exchange: "none", hold: 3 * second, ports: 160, reuse: true},
		pattern{close: "client:fin", exchange: "none", hold: 3 * second, ports: 160, reuse: true, poisson: true},
		// Populations depend on the mean of the hold alone.
		pattern{close: "client:rst", exchange: "none", varies: "2s..8s", ports: 400},
		pattern{close: "client:fin", exchange: "none", varies: "exp:3s", ports: 1000},
		pattern{close: "client:rst", exchange: "none", varies: "exp:4s", ports: 400, poisson: true},
		// Both ends of a connection that nobody closes keep a descriptor of one process.
		pattern{close: "never", exchange: "none", ports: 20000, first: record.LimitFds},
		// The table of the router below its limit, where connections from one address take the places of earlier ones, and full.
		pattern{close: "client:rst", exchange: "none", ports: manyPorts, nat: 4, sources: 64, rate: 300, first: record.LimitConntrack},
		pattern{close: "client:rst", exchange: "none", ports: manyPorts, nat: 4, rate: 300, first: record.LimitConntrack},
		pattern{close: "server:fin", exchange: "none", hold: second, ports: manyPorts, nat: 4, sources: 64, rate: 200, first: record.LimitConntrack},
		pattern{close: "client:rst", exchange: "none", ports: manyPorts, nat: 8, sources: 64, tracked: 180 * second, first: record.LimitConntrack},
	)
	return all
}

// manyPorts is more ports than a NAT of an experiment uses.
const manyPorts = 320_000

func text[T any, P interface {
	*T
	UnmarshalText([]byte) error
}](t *testing.T, s string) (v T) {
	if err := P(&v).UnmarshalText([]byte(s)); err != nil {
		t.Fatal(err)
	}
	return v
}

func (p pattern) setup(t *testing.T, f setup.Facts) *Setup {
	load := model.Load{
		RateFrom: 10, RateTo: 10, Poisson: p.poisson, Hold: model.Time{Min: p.hold, Mean: p.hold, Max: p.hold}, Requests: 1, Sources: 1, Targets: 1,
		Close: text[teardown.Policy](t, p.close), Exchange: text[exchange.Spec](t, p.exchange),
	}
	if p.eof != "" {
		load.OnEOF = text[teardown.Reaction](t, p.eof)
	}
	if p.varies != "" {
		load.Hold = text[model.Time](t, p.varies)
	}
	load.Sources = max(p.sources, 1)
	h := f.Host.Limits()
	h.Ports, h.FirstPass, h.Buckets, h.Reuse = p.ports, p.ports/2, p.buckets, p.reuse
	spec := model.Spec{Load: load}
	if p.nat > 0 {
		h.Ports, h.FirstPass = 64512, 32256
		spec.NAT, spec.NATAddresses = "linux", p.nat
	}
	in, err := model.Resolve(spec, h, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p.nat > 0 {
		in.Middle.Router.TrackedClose = p.tracked
	}
	r, err := Resolve(Spec{Plan: in, Ports: p.ports, Seed: 1, Quick: true, Rate: p.rate}, f)
	if err != nil {
		t.Fatalf("%v: %v", p, err)
	}
	return r
}

func facts(t *testing.T) setup.Facts {
	t.Helper()
	f, err := setup.Read(&setup.Spec{Engine: "epoll", Sandbox: &sandbox.Spec{}})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// What two patterns are predicted is what short runs measure: one whose ports come back after the hold, and one that nobody closes.
func TestResidual(t *testing.T) {
	f := facts(t)
	for _, p := range []pattern{
		{close: "client:rst", exchange: "echo:1,1", hold: 2 * time.Second, ports: 400},
		{close: "never", exchange: "none", ports: 400},
	} {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			r := p.setup(t, f)
			v, _, err := r.Run(t.Context(), func(string) {})
			if err != nil {
				t.Fatal(err)
			}
			check(t, p, v)
		})
	}
}

func check(t *testing.T, p pattern, v *record.CapacityVerified) (ok bool) {
	t.Helper()
	ok = true
	for _, r := range v.Residuals {
		line := fmt.Sprintf("%v: %s %s %s: predicted %.4g (%.4g to %.4g), measured %.4g: %+.2f %%", p, r.Experiment, r.Side, r.Name,
			r.Predicted.Value, r.Predicted.Lo, r.Predicted.Hi, r.Measured, 100*r.Error)
		if !r.Within {
			ok = false
			t.Error(line)
		} else {
			t.Log(line)
		}
	}
	switch {
	case p.rate > 0: // below the limit only
	case v.Limit == nil:
		t.Errorf("%v: no experiment was above the limit: %q", p, v.Skipped)
	case !v.Limit.Right:
		ok = false
		t.Errorf("%v: the model names %s, the run %s", p, v.Limit.Predicted, v.Limit.Measured)
	}
	return ok
}

// Each pattern has an experiment above its first limit that lasts until this is reached, and which limit that is.
func TestPatterns(t *testing.T) {
	f := facts(t)
	if n := len(patterns()); n < 24 {
		t.Errorf("%d patterns", n)
	}
	for _, p := range patterns() {
		r := p.setup(t, f)
		want := p.limit()
		if p.rate > 0 {
			if r.above != nil || r.below == nil || r.below.rate != p.rate {
				t.Errorf("%v: %s", p, r.Describe())
			}
			continue
		}
		if r.above == nil || r.below == nil && p.close != "never" && p.eof != "never" {
			t.Errorf("%v: an experiment is missing: %q", p, r.skipped)
			continue
		}
		first := r.above.first()
		if first == nil || first.Name != want {
			t.Errorf("%v: %+v is first, want %s", p, first, want)
		} else if r.above.lasts.Seconds() <= first.FullAfterS.Hi {
			t.Errorf("%v: lasts %v, and the limit is reached after up to %.1f s", p, r.above.lasts, first.FullAfterS.Hi)
		}
		t.Logf("%v: %s, %d ports, about %v", p, r.Describe(), r.Ports, r.Expected().Round(time.Second))
	}
}

// The table of residuals in the documentation: -run TestResiduals/patterns/REGEXP measures some of its lines. At these rates the runs leave the CPU
// alone, so that -parallel 6 is no more than two CPUs bear.
func TestResiduals(t *testing.T) {
	if os.Getenv("LASTACK_LONG") == "" {
		t.Skip("thirteen minutes of load: set LASTACK_LONG=1")
	}
	f := facts(t)
	rows := make([]string, len(patterns()))
	t.Run("patterns", func(t *testing.T) {
		for i, p := range patterns() {
			t.Run(p.String(), func(t *testing.T) {
				t.Parallel()
				r := p.setup(t, f)
				var v *record.CapacityVerified
				for range 3 {
					var err error
					if v, _, err = r.Run(t.Context(), func(string) {}); err != nil {
						t.Fatal(err)
					}
					if !v.Disturbed() {
						break
					}
					t.Logf("other programs had the CPUs: once more than %s", row(i+1, p, v))
				}
				check(t, p, v)
				rows[i] = row(i+1, p, v)
			})
		}
	})
	table := strings.Join(slices.DeleteFunc(rows, func(s string) bool { return s == "" }), "\n") + "\n"
	t.Logf("residuals in percent, times in seconds:\n%s", table)
	if path := os.Getenv("LASTACK_RESIDUALS"); path != "" {
		if err := os.WriteFile(path, []byte(table), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// row is a line of the table.
func row(i int, p pattern, v *record.CapacityVerified) string {
	cells := map[string]string{}
	for _, r := range v.Residuals {
		s := fmt.Sprintf("%+.2f", 100*r.Error)
		switch {
		case r.Name == "full_after":
			s = fmt.Sprintf("%+.2f s", r.Measured-r.Predicted.Value)
		case r.Name == "blocked":
			s = fmt.Sprintf("%.2f in %.2f..%.2f", 100*r.Measured, 100*r.Predicted.Lo, 100*r.Predicted.Hi)
		case r.Predicted.Value < 20 && r.Unit == "sockets": // a share says nothing of a few
			s = fmt.Sprintf("%+.1f sockets", r.Measured-r.Predicted.Value)
		}
		if !r.Within {
			s += " !"
		}
		if old := cells[r.Name]; old != "" {
			s = old + "; " + s
		}
		cells[r.Name] = s
	}
	limit := "not reached"
	if v.Limit != nil {
		if limit = v.Limit.Measured; !v.Limit.Right {
			limit += " (model: " + v.Limit.Predicted + ")"
		}
	}
	return fmt.Sprintf("| %d | %v | %s | %s | %s | %s | %s | %s | %s | %s |", i, p, cells["limited_rate"], cells["TIME_WAIT"], cells["ESTABLISHED"], cells["local_ports"], cells["full_after"],
		cells["blocked"], cells["tracked"], limit)
}

// The experiments that run alone: descriptors are exact, memory is within 10 % where it can be read, and a lifecycle's CPU time is known.
func TestAlone(t *testing.T) {
	f := facts(t)
	r := new(Setup)
	in, err := model.Resolve(model.Spec{Load: model.Load{RateFrom: 10, RateTo: 10, Requests: 1, Sources: 1, Targets: 1}}, f.Host.Limits(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.addAlone(&Spec{Plan: in}, &f); err != nil {
		t.Fatal(err)
	}
	v, calibrated, err := r.Run(t.Context(), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, res := range v.Residuals {
		t.Logf("%s: predicted %.0f, measured %.0f: %+.2f %%", res.Name, res.Predicted.Value, res.Measured, 100*res.Error)
		if res.Name == "descriptors" && !res.Within {
			t.Errorf("%s: predicted %.0f, measured %.0f", res.Name, res.Predicted.Value, res.Measured)
		}
	}
	if calibrated == nil {
		t.Logf("not calibrated: the run was not valid")
	} else if !in.Calibrate(calibrated) {
		t.Errorf("the calibration does not tell the CPU time")
	}
}
