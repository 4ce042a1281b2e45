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
	second := Halts{Count: 1, Total: time.Second, Longest: time.Second}
	for _, tc := range []struct {
		name string
		// The loop is back at each time, having run and waited so much in all, and due again 100 ms later.
		times, ran, waited []int64
		want               Halts
	}{
		{"on time", []int64{0, 100 * ms, 200 * ms}, []int64{0, 0, 0}, []int64{0, 0, 0}, Halts{}},
		{"a little late", []int64{0, 340 * ms}, []int64{0, 0}, []int64{0, 0}, Halts{}},
		{"halted", []int64{0, 100 * ms, 1200 * ms, 1300 * ms}, []int64{0, 0, 0, 0}, []int64{0, 0, 0, 0}, second},
		{
			"halted twice", []int64{0, 600 * ms, 1000 * ms, 1100 * ms}, []int64{0, 0, 0, 0}, []int64{0, 0, 0, 0},
			Halts{Count: 2, Total: 800 * time.Millisecond, Longest: 500 * time.Millisecond},
		},
		{"busy with slow calls", []int64{0, 1100 * ms}, []int64{0, 900 * ms}, []int64{0, 0}, Halts{}},
		{"others had the CPUs", []int64{0, 1100 * ms}, []int64{0, 20 * ms}, []int64{0, 970 * ms}, Halts{}},
		{"halted after busy times", []int64{0, 1100 * ms, 2200 * ms}, []int64{0, 900 * ms, 900 * ms}, []int64{0, 0, 0}, second},
		{
			"halted, and then others had the CPUs", []int64{0, 1100 * ms}, []int64{0, 0}, []int64{0, 400 * ms},
			Halts{Count: 1, Total: 600 * time.Millisecond, Longest: 600 * time.Millisecond},
		},
		{"busy, where waiting is not counted", []int64{0, 1100 * ms}, []int64{0, 60 * ms}, nil, Halts{}},
		{"halted, where waiting is not counted", []int64{0, 1100 * ms}, []int64{0, 0}, nil, second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			i := 0
			p := pace{threads: func() (int64, int64, bool) {
				if tc.waited == nil {
					return tc.ran[i], 0, false
				}
				return tc.ran[i], tc.waited[i], true
			}}
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
	loops := &fakeLoops{on: func(l *fakeLoop, c call) {
		if !slept {
			slept = true
			time.Sleep(600 * time.Millisecond) // the halt
		}
		wellBehaved(l, c)
	}}
	r := runFake(t, fakePlan(6), loops)
	if h := r.Halts; h.Count != 1 || h.Total < 500*time.Millisecond || h.Longest != h.Total {
		t.Errorf("%+v", h)
	}
	if r := runFake(t, fakePlan(6), &fakeLoops{on: func(l *fakeLoop, c call) {
		if c.op == sockio.OpConnect {
			for from := sockio.ThreadCPU(); sockio.ThreadCPU()-from < int64(300*time.Millisecond); { // a slow call
			}
		}
		wellBehaved(l, c)
	}}); r.Halts.Count > 0 && r.Halts.Longest < 500*time.Millisecond {
		t.Errorf("%+v of a loop that used the time itself", r.Halts)
	}
}
