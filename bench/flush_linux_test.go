package bench

import (
	"testing"

	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/sockstate/teardown"
)

// In a sandbox the TIME_WAITs of both ends are ended, whoever closed first, and were all counted before.
func TestFlush(t *testing.T) {
	t.Parallel()
	const n = 1500
	for _, topology := range []sandbox.Topology{sandbox.Lo, sandbox.Veth} {
		for _, closes := range []string{"client:fin", "server:fin"} {
			t.Run(string(topology)+"/"+closes, func(t *testing.T) {
				t.Parallel()
				f := carryOut(t, "nobody", trial{Spec: sandbox.Spec{Topology: topology}, Plan: counted(t, n, closes, "close", "none"), Flush: true})
				for i, left := range f.Left {
					if left["TIME_WAIT"] != 0 {
						t.Errorf("namespace %d has %v left", i, left)
					}
				}
				r := f.Run
				waiting := 0
				for _, final := range r.States.Final {
					waiting += final["TIME_WAIT"]
				}
				if got, want := r.TimeWait.Flush, (record.Flush{After: waiting}); got == nil || *got != want || waiting < n*9/10 {
					t.Errorf("flushed %+v, want %+v", got, want)
				}
				if ck := f.check(t, teardown.CounterTimeWaits); !ck.OK || !ck.Exact || ck.Got != n {
					t.Errorf("%+v", ck)
				}
				f.mustCountAlike(t)
			})
		}
	}
}
