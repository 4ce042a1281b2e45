package host

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/model"
)

// reported is a report as lastack doctor --format json writes it.
func reported(t testing.TB, change func(*Facts)) string {
	t.Helper()
	f := &Facts{
		Kernel: "6.18.1", Arch: "x86_64", CPUs: 4, HZ: 250, MemoryBytes: 16 << 30, AvailableBytes: 12 << 30, PageBytes: 4096, NoFileSoft: 1024, NoFileHard: 1 << 20,
		Sysctls: map[string]string{
			"net.ipv4.ip_local_port_range": "32768 60999", "net.ipv4.ip_local_reserved_ports": "40000-40999", "net.ipv4.tcp_tw_reuse": "1", "net.ipv4.tcp_tw_reuse_delay": "500",
			"net.ipv4.tcp_timestamps": "1", "net.ipv4.tcp_fin_timeout": "30", "net.ipv4.tcp_max_tw_buckets": "65536", "net.ipv4.tcp_mem": "1 2 3", "net.core.somaxconn": "4096",
			"net.ipv4.tcp_syncookies": "0", "net.ipv4.tcp_max_syn_backlog": "1024", "fs.file-max": "9223372036854775807", "net.netfilter.nf_conntrack_max": "262144", "net.ipv4.tcp_ehash_entries": "-65536",
		},
		Usage: Usage{Conntrack: 7, TCPPages: 1},
		Slabs: map[string]int64{"TCP": 2520},
	}
	if change != nil {
		change(f)
	}
	var b bytes.Buffer
	if err := (&Report{Schema: ReportSchema, Host: f}).Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestLimits(t *testing.T) {
	f, err := ReadReport(strings.NewReader(reported(t, nil)))
	if err != nil {
		t.Fatal(err)
	}
	want := model.Host{
		Kernel: "6.18.1", HZ: 250, CPUs: 4, PortRange: "32768 60999", Ports: 27232, FirstPass: 13616, Reuse: true, ReuseDelay: 500e6, ReuseMode: "1", FinTimeout: 30e9,
		NoFile: 1 << 20, Files: 0, Buckets: 65536, Backlog: 4096, SYNBacklog: 768, MemoryBytes: 12 << 30, BufferBytes: 2 * 4096, Conntrack: 262144, ConntrackMax: 262144,
		Slabs: map[string]int64{"TCP": 2520},
	}
	if diff := cmp.Diff(want, f.Limits()); diff != "" {
		t.Error(diff)
	}
	f.Sysctls["net.ipv4.tcp_timestamps"], f.Usage.Conntrack = "0", 0
	if l := f.Limits(); l.Reuse || l.ReuseDelay != 0 || l.Conntrack != 0 {
		t.Errorf("without timestamps and rules: %+v", l)
	}
	if diff := cmp.Diff(model.Host{CPUs: 1}, (&Facts{CPUs: 1}).Limits(), cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".ReuseDelay" }, cmp.Ignore())); diff != "" {
		t.Errorf("nothing is known: %s", diff)
	}
}

func TestReadReportRefuses(t *testing.T) {
	whole := reported(t, nil)
	for _, tt := range []struct{ name, file, want string }{
		{"empty", "", "this is not a report of limits, or it is damaged"},
		{"text", "limits", "this is not a report of limits, or it is damaged"},
		{"cut", whole[:len(whole)/2], "this is not a report of limits, or it is damaged (unexpected end of JSON input): want a file that \"lastack doctor --format json\" wrote"},
		{"a record", `{"schema": "lastack.run/v1"}`, `its schema is "lastack.run/v1", not lastack.doctor/v1`},
		{"no schema", `{"host": {}}`, `its schema is "", not lastack.doctor/v1`},
		{"a number as schema", `{"schema": 7}`, `its schema is "", not`},
		{"another version", strings.Replace(whole, "doctor/v1", "doctor/v2", 1), `has the format "lastack.doctor/v2", and this lastack reads lastack.doctor/v1: write it again with this version`},
		{"no host", `{"schema": "lastack.doctor/v1"}`, "(it has no host)"},
		{"a text as number", strings.Replace(whole, `"cpus": 4`, `"cpus": "four"`, 1), "is damaged (json:"},
		{"no CPU", reported(t, func(f *Facts) { f.CPUs = 0 }), "is damaged (cpus is 0)"},
		{"negative memory", reported(t, func(f *Facts) { f.MemoryBytes = -1 }), "is damaged (memory_bytes is -1)"},
		{"HZ", reported(t, func(f *Facts) { f.HZ = 1 << 30 }), "is damaged (hz is 1073741824)"},
		{"a sysctl", reported(t, func(f *Facts) { f.Sysctls["net.core.somaxconn"] = "many" }), `net.core.somaxconn: not a valid value: "many"`},
		{"a negative sysctl", reported(t, func(f *Facts) { f.Sysctls["net.core.somaxconn"] = "-4" }), `net.core.somaxconn is "-4"`},
		{"a range", reported(t, func(f *Facts) { f.Sysctls["net.ipv4.ip_local_port_range"] = "60000 100" }), `net.ipv4.ip_local_port_range is "60000 100"`},
		{"no port left", reported(t, func(f *Facts) { f.Sysctls["net.ipv4.ip_local_reserved_ports"] = "1-65535" }), `net.ipv4.ip_local_port_range is "32768 60999"`},
		{"a slab", reported(t, func(f *Facts) { f.Slabs["TCP"] = -5 }), `the slab "TCP" takes -5 bytes`},
		{"too large", `{"schema": "lastack.doctor/v1", "x": "` + strings.Repeat("x", maxReport) + `"}`, "this is larger than any report of limits"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadReport(strings.NewReader(tt.file))
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

// Whatever a file of limits holds, it is refused or leads to a plan, without a crash and without numbers that JSON does not have.
func FuzzReadReport(f *testing.F) {
	whole := reported(f, nil)
	f.Add(whole)
	f.Add(whole[:100])
	f.Add(strings.Replace(whole, `"hz": 250`, `"hz": 1`, 1))
	f.Add(strings.Replace(whole, "32768 60999", "1 1", 1))
	f.Fuzz(func(t *testing.T, s string) {
		facts, err := ReadReport(strings.NewReader(s))
		if err != nil {
			return
		}
		in, err := model.Resolve(model.Spec{Load: model.Load{RateFrom: 10, RateTo: 1000, Requests: 1, Sources: 2, Targets: 1}, Headroom: 0.3, NAT: "linux", NATAddresses: 1}, facts.Limits(), nil)
		if err != nil {
			t.Fatal(err)
		}
		c, err := model.Plan(in)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := (&Report{Schema: ReportSchema, Host: facts}).Write(&b); err != nil {
			t.Fatal(err)
		}
		for _, l := range c.Limits {
			if l.Max <= 0 {
				t.Errorf("%+v", l)
			}
		}
	})
}
