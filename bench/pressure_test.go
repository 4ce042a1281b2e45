package bench

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/host"
	"lastack/bench/record"
	"lastack/bench/setup"
	"lastack/loadgen"
	"lastack/sockstate/observe"
)

// What a namespace does not show of the whole host comes from what was read outside of it; a limit that
// nobody could read is 0.
func TestLimitsOfPressure(t *testing.T) {
	outside := host.Facts{PageBytes: 4096, Sysctls: map[string]string{
		"net.ipv4.tcp_mem": "1 2 300", "net.ipv4.tcp_max_orphans": "400", "net.ipv4.tcp_max_tw_buckets": "1",
	}}
	inside := &host.Facts{PageBytes: 4096, NoFileSoft: math.MaxUint64, Sysctls: map[string]string{
		"net.ipv4.ip_local_port_range": "40000 40999", "net.ipv4.ip_local_reserved_ports": "40010-40019,50000",
		"net.ipv4.tcp_max_tw_buckets": "1234", "fs.file-max": "5000", "net.netfilter.nf_conntrack_max": "600",
	}}
	initial := &host.Facts{PageBytes: 4096, Sysctls: map[string]string{
		"net.ipv4.ip_local_port_range": "40000 40999", "net.ipv4.ip_local_reserved_ports": "x",
		"net.ipv4.tcp_mem": "1 2 5", "net.ipv4.tcp_max_orphans": "6",
	}}
	for _, tt := range []struct {
		name   string
		facts  *host.Facts
		host   host.Facts
		detour int
		want   record.Pressure
	}{
		{"in a sandbox", inside, outside, 0, record.Pressure{
			Ports: record.Ports{Range: "40000 40999", InRange: 1000, Reserved: 10, Available: 990, FirstPass: 495}, Fds: record.Fds{Limit: math.MaxInt64},
			Memory: record.Memory{TCPLimitBytes: 300 * 4096}, Orphans: record.Gauge{Limit: 400},
			TWBuckets: record.Gauge{Limit: 1234}, Files: record.Gauge{Limit: 5000}, Conntrack: &record.Gauge{Limit: 600},
		}},
		{"around a target's port", &host.Facts{Sysctls: map[string]string{"net.ipv4.ip_local_port_range": "40000 40999"}}, host.Facts{}, 999, record.Pressure{
			Ports: record.Ports{Range: "40000 40999", InRange: 1000, Available: 999, FirstPass: 999},
		}},
		{"in the host's namespace", initial, outside, 0, record.Pressure{
			Ports: record.Ports{Range: "40000 40999"}, Memory: record.Memory{TCPLimitBytes: 5 * 4096}, Orphans: record.Gauge{Limit: 6},
		}},
		{"nothing known", &host.Facts{}, host.Facts{}, 0, record.Pressure{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := &experiment{facts: tt.facts, setup: &setup.Setup{Host: tt.host}, sampler: &sampler{gauges: observe.Gauges{Fds: observe.Unknown}}}
			e.plan.Groups = make([]loadgen.Group, 1)
			e.result = &loadgen.Result{Groups: []loadgen.GroupResult{{DetourPorts: tt.detour}}}
			var r record.Run
			e.addPressure(&r)
			if d := cmp.Diff(tt.want, r.Pressure); d != "" {
				t.Error(d)
			}
		})
	}
}
