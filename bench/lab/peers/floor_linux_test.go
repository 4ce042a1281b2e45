package main

import (
	"errors"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/netns"
	"lastack/sockstate/sockdiag"
	"lastack/sockstate/sockio"
)

// namespace is one of the test's own, so that no TIME_WAIT stays on the host; nil where
// that needs a privilege that is not there.
func namespace(t testing.TB) *netns.NS {
	t.Helper()
	ns, err := netns.New()
	if errors.Is(err, unix.EPERM) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	if err := ns.Do(sockio.LoopbackUp); err != nil {
		t.Fatal(err)
	}
	return ns
}

func TestSerialFloor(t *testing.T) {
	const lifecycles = 301 // not a multiple of the threads, nor of the sources
	if r, err := serialFloor(floorConfig{Workload: workloads()[0], Threads: 2, Lifecycles: 1}); err != nil || r.Lifecycles != 1 {
		t.Fatalf("one by two threads: %+v, %v", r, err)
	}
	for _, w := range workloads() {
		if w.HTTP {
			continue
		}
		t.Run(w.Name, func(t *testing.T) {
			ns := namespace(t)
			r, err := serialFloor(floorConfig{Workload: w, Threads: 2, Lifecycles: lifecycles, Namespace: ns})
			if err != nil {
				t.Fatal(err)
			}
			if r.Lifecycles != lifecycles || r.PerSecond <= 0 {
				t.Errorf("%+v, want %d lifecycles", r, lifecycles)
			}
			if ns == nil {
				return
			}
			d, err := sockdiag.Open(ns)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			left := make(map[sockstate.State]int)
			if err := d.Each(nil, func(s *sockdiag.Socket) { left[s.State]++ }); err != nil {
				t.Fatal(err)
			}
			want := 0
			if w.fin() {
				want = lifecycles
			}
			if left[sockstate.TimeWait] != want || len(left) > 1 {
				t.Errorf("left %v, want TIME_WAIT %d and nothing else", left, want)
			}
		})
	}
}

func TestSerialFloorRefuses(t *testing.T) {
	ws := workloads()
	for name, c := range map[string]floorConfig{
		"http":       {Workload: ws[4], Threads: 1, Lifecycles: 1},
		"no threads": {Workload: ws[0], Lifecycles: 1},
		"no end":     {Workload: ws[0], Threads: 1},
		"two ends":   {Workload: ws[0], Threads: 1, Lifecycles: 1, Duration: 1},
	} {
		if r, err := serialFloor(c); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
	// A thread that fails ends by itself and says with which call: lo is down.
	ns, err := netns.New()
	if errors.Is(err, unix.EPERM) {
		t.Skipf("no namespace for the part that needs one: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	r, err := serialFloor(floorConfig{Workload: ws[0], Threads: 2, Lifecycles: 10, Namespace: ns})
	if !errors.Is(err, unix.ENETUNREACH) || r.Lifecycles != 0 {
		t.Errorf("%+v, %v, want ENETUNREACH", r, err)
	}
}

// BenchmarkSerialFloor is a lifecycle of all threads together.
func BenchmarkSerialFloor(b *testing.B) {
	for _, w := range workloads() {
		if w.HTTP {
			continue
		}
		b.Run(w.Name, func(b *testing.B) {
			ns := namespace(b)
			if ns == nil && w.fin() {
				b.Skip("EPERM of unshare: the TIME_WAITs would stay on the host")
			}
			r, err := serialFloor(floorConfig{Workload: w, Threads: runtime.NumCPU(), Lifecycles: int64(b.N), Namespace: ns})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(r.PerSecond, "lifecycles/s")
		})
	}
}
