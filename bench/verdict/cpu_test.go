package verdict

import (
	"strings"
	"testing"
	"time"

	"lastack/bench/record"
	"lastack/sockstate"
)

func TestVerdictOfCgroup(t *testing.T) {
	quota := func(periods, throttled int64) func(*record.Run) {
		return func(r *record.Run) {
			c := &r.Pressure.CPU
			c.Quota, c.QuotaPeriods, c.Throttled, c.ThrottledS = 0.5, periods, throttled, 1.2
		}
	}
	memory := func(hits, oom, failed int64) func(*record.Run) {
		return func(r *record.Run) {
			r.Pressure.Memory.CgroupLimitBytes, r.Pressure.Memory.CgroupHits, r.Pressure.Memory.CgroupOOM = 256<<20, hits, oom
			if failed > 0 {
				fails(sockstate.OutcomeNoMemory.String(), failed)(r)
			}
		}
	}
	for _, tt := range []struct {
		name  string
		run   record.Run
		with  func(*record.Run)
		limit string // empty: another
		valid bool
		says  string
	}{
		{"a closed loop, both ends in it", closedLoop(), quota(40, 38), record.LimitCPUQuota, true, "0.5 CPUs, and in 38 of 40 periods threads waited for the next, 1.20 s in all"},
		{"seldom", closedLoop(), quota(40, 9), "", true, ""},
		{"no quota", closedLoop(), func(*record.Run) {}, "", true, ""},
		{"a plateau", closedLoop(), func(r *record.Run) { quota(40, 38)(r); r.Plan.Groups[0].PlateauNs = int64(time.Second) }, "", true, ""},
		{"a rate that was met all the same", openLoop(), quota(40, 38), record.LimitTarget, true, ""},
		{"a rate that was late", openLoop(), func(r *record.Run) {
			quota(40, 38)(r)
			r.Latency["lag"] = record.Latency{Count: 1000, P99Us: 80_000}
		}, record.LimitCPUQuota, false, "0.5 CPUs"},
		{"memory", closedLoop(), memory(7, 2, 30), record.LimitMemory, false, "(256 MiB) was reached 7 times, and 2 times nothing could be freed; 30 attempts failed"},
		{"memory reached by the page cache alone", closedLoop(), memory(7, 0, 0), "", true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.run
			tt.with(&r)
			v := words(t, &r)
			if (tt.limit != "" && v.LimitedBy != tt.limit) || (tt.limit == "" && (v.LimitedBy == record.LimitCPUQuota || v.LimitedBy == record.LimitMemory)) || v.Valid != tt.valid {
				t.Errorf("limited by %s, valid %v; want %s, %v: %q", v.LimitedBy, v.Valid, tt.limit, tt.valid, v.Reasons)
			}
			if !strings.Contains(strings.Join(v.Reasons, "\n"), tt.says) {
				t.Errorf("%q does not say %q", v.Reasons, tt.says)
			}
		})
	}
}
