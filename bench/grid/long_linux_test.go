package grid

import (
	"errors"
	"math"
	"os"
	"sync"
	"testing"

	"lastack/bench"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/sockstate"
)

// TestMain does the jobs of this package's cells.
func TestMain(m *testing.M) {
	sandbox.Main(map[string]sandbox.Func{bench.Job.Name: bench.Job.Func})
	os.Exit(m.Run())
}

// A thousand local ports sustain what the kernel's TIME_WAIT says, within 1 %, and so does a range that is narrowed to as many; it and the whole
// range agree within 3 %. Just below that rate nothing fails. The test lasts for four minutes, and needs a machine that is not busy with others.
func TestTurnoverOfKernel(t *testing.T) {
	if os.Getenv("LASTACK_LONG") == "" {
		t.Skip("four minutes of load: set LASTACK_LONG=1")
	}
	type outcome struct {
		found *record.FoundRate
		err   error
	}
	results := map[string]*outcome{}
	var wait sync.WaitGroup
	for name, tt := range map[string]struct {
		vary   string
		scale  float64
		ports  float64
		within float64
	}{
		"a thousand ports": {"ip_local_port_range=20000-20999,20000-21999", 0, 1000, 0.01},
		"4,000 ports":      {"ip_local_port_range=20000-23999,20000-28999", 0, 4000, 0.03},
		"4,000, narrowed":  {"ip_local_port_range=20000-23999,20000-28999", ScaleAuto, 4000, 0.01},
	} {
		s := testSpec(t, tt.vary)
		s.Find, s.Scale = record.FindRate, tt.scale
		facts, err := Read(t.Context(), &s)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Resolve(s, facts)
		if err != nil {
			t.Fatal(err)
		}
		o := new(outcome)
		results[name] = o
		wait.Go(func() {
			run := newRunner(&r, nil).find(t.Context(), record.SweepRun{}, nil, func(f record.FindTry, _ record.SweepPart) { t.Logf("%s: %+v", name, f) }).Run
			if o.found = run.Found; run.Error != "" {
				o.err = errors.New(run.Error)
			}
		})
		defer func() {
			if o.err != nil {
				t.Errorf("%s: %v", name, o.err)
				return
			}
			want := tt.ports / sockstate.TimeWaitLasts(facts.Run.Host.HZ).Mean().Seconds()
			t.Logf("%s: %.2f/s, %.2f to %.2f, want %.2f: %+.2f %%", name, o.found.PerS, o.found.LoPerS, o.found.HiPerS, want, 100*(o.found.PerS/want-1))
			if math.Abs(o.found.PerS/want-1) > tt.within || o.found.LoPerS < 0.96*want || o.found.LimitedBy != record.LimitPorts {
				t.Errorf("%s: %+v, want %.2f/s", name, o.found, want)
			}
		}()
	}
	wait.Wait()
	if a, b := results["4,000 ports"].found, results["4,000, narrowed"].found; a != nil && b != nil && math.Abs(a.PerS/b.PerS-1) > 0.03 {
		t.Errorf("%.2f/s of all ports, %.2f/s of a part of them", a.PerS, b.PerS)
	}
}
