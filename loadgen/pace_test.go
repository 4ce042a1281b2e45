package loadgen

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/sockstate/sockio"
)

// A gap counts as a halt where the loop was long overdue, and had neither run in that time nor waited for a CPU.
func TestPace(t *testing.T) {
	const ms = int64(time.Millisecond)
	counted := usage{waits: true}
	second := Halts{Count: 1, Total: time.Second, Longest: time.Second}
	for _, tc := range []struct {
		name string
		// The loop is back at each time, with so much used in all, and due again 100 ms later.
		times []int64
		usage []usage
		want  Halts
	}{
		{"on time", []int64{0, 100 * ms, 200 * ms}, []usage{counted, counted, counted}, Halts{}},
		{"a little late", []int64{0, 340 * ms}, []usage{counted, counted}, Halts{}},
		{"halted", []int64{0, 100 * ms, 1200 * ms, 1300 * ms}, []usage{counted, counted, counted, counted}, second},
		{
			"halted twice",
			[]int64{0, 600 * ms, 1000 * ms, 1100 * ms},
			[]usage{counted, counted, counted, counted},
			Halts{Count: 2, Total: 800 * time.Millisecond, Longest: 500 * time.Millisecond},
		},
		{"busy with slow calls", []int64{0, 1100 * ms}, []usage{counted, {900 * ms, 0, 900 * ms, true}}, Halts{}},
		{"others had the CPUs", []int64{0, 1100 * ms}, []usage{counted, {20 * ms, 970 * ms, 40 * ms, true}}, Halts{}},
		{"asleep while others of the process ran", []int64{0, 1100 * ms}, []usage{counted, {0, 0, 900 * ms, true}}, Halts{}},
		{
			"halted after busy times",
			[]int64{0, 1100 * ms, 2200 * ms},
			[]usage{counted, {900 * ms, 0, 900 * ms, true}, {900 * ms, 0, 900 * ms, true}},
			second,
		},
		{
			"halted, and then others had the CPUs",
			[]int64{0, 1100 * ms},
			[]usage{counted, {0, 400 * ms, 0, true}},
			Halts{Count: 1, Total: 600 * time.Millisecond, Longest: 600 * time.Millisecond},
		},
		{"busy, where waiting is not counted", []int64{0, 1100 * ms}, []usage{{}, {60 * ms, 0, 60 * ms, false}}, Halts{}},
		{"halted, where waiting is not counted", []int64{0, 1100 * ms}, []usage{{}, {}}, second},
		{
			"busy, where waiting is counted no longer",
			[]int64{0, 400 * ms},
			[]usage{{5000 * ms, 800 * ms, 5000 * ms, true}, {5300 * ms, 0, 5300 * ms, false}},
			Halts{},
		},
		{
			"busy, where waiting is counted by now",
			[]int64{0, 400 * ms},
			[]usage{{5000 * ms, 0, 5000 * ms, false}, {5030 * ms, 1000 * ms, 5030 * ms, true}},
			Halts{},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			i := 0
			p := pace{usage: func() usage { return tc.usage[i] }}
			for i = range tc.times {
				now := tc.times[i] + 5 // 0 is no time
				p.back(now)
				p.due = now + 100*ms
			}
			if d := cmp.Diff(tc.want, p.halts); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// What keeps a worker from running is in the result.
func TestHalted(t *testing.T) {
	slept := false
	begun := time.Now()
	loops := &fakeLoops{on: func(l *fakeLoop, c call) {
		if !slept {
			slept = true
			time.Sleep(time.Second) // the halt
		}
		wellBehaved(l, c)
	}}
	r := runFake(t, fakePlan(6), loops)
	// How much of it counts is TestPace's: on a busy machine the worker waits for a CPU when its sleep ends.
	if h := r.Halts; h.Count != 1 || h.Total < time.Duration(haltFrom) || h.Total > time.Since(begun) || h.Longest != h.Total {
		t.Errorf("%+v", h)
	}
	if r := runFake(t, fakePlan(2), &fakeLoops{on: func(l *fakeLoop, c call) {
		if c.op == sockio.OpConnect {
			for from := sockio.ThreadCPU(); sockio.ThreadCPU()-from < int64(300*time.Millisecond); { // a slow call
			}
		}
		wellBehaved(l, c)
	}}); r.Halts.Count > 0 && r.Halts.Longest < 500*time.Millisecond {
		t.Errorf("%+v of a loop that used the time itself", r.Halts)
	}
}
