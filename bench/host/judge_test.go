package host

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"lastack/sockstate"
	"lastack/sockstate/socktest/golden"
)

// goodHost is a host with nothing to complain of.
func goodHost() (*Facts, *Features) {
	yes := Feature{Answer: sockstate.AnswerSupported}
	f := &Facts{
		Kernel: "6.18.0", Arch: "x86_64", CPUs: 8, MemoryBytes: 32 << 30, AvailableBytes: 30 << 30, PageBytes: 4096, HZ: 250,
		NetNS: "net:[4026531840]", Capabilities: usefulCapabilities(), InitialUserNS: true,
		NoFileSoft: 524288, NoFileHard: 524288, MemLock: 8 << 20, Clock: "tsc", ClockNs: 40,
		Sysctls: map[string]string{
			"net.ipv4.ip_local_port_range":     "32768 60999",
			"net.ipv4.ip_local_reserved_ports": "",
			"net.ipv4.tcp_tw_reuse":            "2",
			"net.ipv4.tcp_tw_reuse_delay":      "1000",
			"net.ipv4.tcp_fin_timeout":         "60",
			"net.ipv4.tcp_max_tw_buckets":      "262144",
			"net.ipv4.tcp_max_orphans":         "262144",
			"net.ipv4.tcp_mem":                 "381399 508533 762798",
			"net.ipv4.tcp_max_syn_backlog":     "2048",
			"net.ipv4.tcp_syncookies":          "1",
			"net.ipv4.tcp_timestamps":          "1",
			"net.core.somaxconn":               "4096",
			"net.netfilter.nf_conntrack_max":   "262144",
			"fs.file-max":                      "9223372036854775807",
			"fs.nr_open":                       "1048576",
		},
	}
	k := &Features{
		NetNS: yes, UserNS: yes, SockDiag: yes, SockDestroy: yes, IOUring: Feature{Answer: sockstate.AnswerSupported, N: 62},
		BPF: yes, LocalPortRange: yes, BindNoPort: yes, EpollPwait2: yes, Packet: yes, NFTables: yes,
		TCPInfo: Feature{Answer: sockstate.AnswerSupported, N: 280}, PSI: yes, Slabinfo: yes,
	}
	return f, k
}

// refuse gives one feature after another the same answer.
func refuse(f Feature, features ...*Feature) {
	for _, p := range features {
		*p = f
	}
}

// TestJudge compares whole reports with testdata: what a host of each kind is told.
func TestJudge(t *testing.T) {
	eperm := Feature{Answer: sockstate.AnswerDenied, Why: "clone: operation not permitted"}
	for _, tt := range []struct {
		name string
		host func(*Facts, *Features)
	}{
		{"good", func(*Facts, *Features) {}},
		{"unprivileged", func(f *Facts, k *Features) {
			f.UID, f.Capabilities = 1000, nil
			refuse(eperm, &k.NetNS, &k.SockDestroy, &k.BPF, &k.Packet, &k.NFTables, &k.Slabinfo)
		}},
		{"apparmor", func(f *Facts, k *Features) {
			f.UID, f.Capabilities = 1000, nil
			f.Sysctls["kernel.apparmor_restrict_unprivileged_userns"] = "1"
			refuse(eperm, &k.NetNS, &k.SockDestroy, &k.BPF, &k.Packet, &k.NFTables, &k.Slabinfo)
			k.UserNS = Feature{Answer: sockstate.AnswerDenied, Why: "bringing lo up: operation not permitted"}
		}},
		{"container", func(f *Facts, k *Features) {
			f.Capabilities, f.Seccomp = []string{"chown", "net_raw"}, true
			f.CPUQuota, f.CgroupMemoryBytes = 1.5, 512<<20
			f.NoFileHard = 1024
			refuse(eperm, &k.NetNS, &k.UserNS, &k.SockDestroy, &k.BPF, &k.NFTables, &k.IOUring)
		}},
		{"no sandbox", func(f *Facts, k *Features) {
			refuse(Feature{Answer: sockstate.AnswerUnsupported, Why: "clone: invalid argument"}, &k.NetNS, &k.UserNS, &k.LocalPortRange)
			f.Sysctls["net.ipv4.tcp_max_tw_buckets"], f.Sysctls["net.core.somaxconn"] = "1000", "128"
			f.Sysctls["net.ipv4.ip_local_port_range"], f.Sysctls["net.netfilter.nf_conntrack_max"] = "40000 49999", "1000"
		}},
		{"root of a user namespace", func(f *Facts, k *Features) {
			f.InitialUserNS = false
			f.Sysctls["user.max_net_namespaces"] = "0"
			refuse(eperm, &k.NetNS, &k.UserNS, &k.SockDestroy, &k.BPF, &k.NFTables, &k.Packet, &k.Slabinfo)
		}},
		{"old and small", func(f *Facts, k *Features) {
			f.Kernel, f.CPUs, f.Clock, f.ClockNs = "4.14.0", 1, "acpi_pm", 900
			absent := Feature{Answer: sockstate.AnswerUnsupported, Why: "not implemented"}
			refuse(absent, &k.SockDiag, &k.SockDestroy, &k.IOUring, &k.BPF, &k.LocalPortRange, &k.BindNoPort, &k.EpollPwait2, &k.PSI)
			k.TCPInfo = Feature{Answer: sockstate.AnswerFailed, Why: "socket: too many open files"}
			for name, v := range map[string]string{
				"net.ipv4.ip_local_port_range":     "40000 40999",
				"net.ipv4.ip_local_reserved_ports": "40000-40099",
				"net.ipv4.tcp_tw_reuse":            "0",
				"net.ipv4.tcp_max_tw_buckets":      "4096",
				"net.ipv4.tcp_max_orphans":         "4096",
				"net.ipv4.tcp_mem":                 "100 200 300",
				"net.ipv4.tcp_syncookies":          "0",
				"net.ipv4.tcp_abort_on_overflow":   "1",
				"net.core.somaxconn":               "128",
				"net.netfilter.nf_conntrack_max":   "65536",
				"fs.file-max":                      "100000",
			} {
				f.Sysctls[name] = v
			}
			f.Usage = Usage{Files: 90000, Orphans: 4000, TimeWait: 4096, TCPPages: 250, Conntrack: 60000}
		}},
		{"old io_uring", func(f *Facts, k *Features) {
			f.Kernel, f.UID, f.Capabilities, f.NoFileHard = "6.8.0", 1000, nil, 20_000
			k.IOUring.N = 54
		}},
		{"little memory for rings", func(f *Facts, _ *Features) { f.UID, f.Capabilities, f.MemLock = 1000, nil, 64<<10 }},
		{"any memory for rings", func(f *Facts, _ *Features) { f.UID, f.Capabilities, f.MemLock = 1000, nil, math.MaxUint64 }},
		{"few places", func(f *Facts, _ *Features) { f.UID, f.Capabilities, f.NoFileHard = 1000, nil, 512 }},
		{"no charge for rings", func(f *Facts, _ *Features) { f.Capabilities = append(f.Capabilities, "ipc_lock") }},
		{"nothing readable", func(f *Facts, _ *Features) { f.Sysctls = nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, k := goodHost()
			tt.host(f, k)
			var b strings.Builder
			for _, l := range Judge(f, k) {
				fmt.Fprintf(&b, "%s | %s | %s | %s\n", l.Group, l.Status, l.Subject, l.Detail)
				if l.Remedy != "" {
					fmt.Fprintf(&b, "    %s\n", l.Remedy)
				}
				if l.Status == OK && l.Remedy != "" {
					t.Errorf("%s is ok and has a remedy", l.Subject)
				}
			}
			golden.Check(t, filepath.Join("testdata", strings.ReplaceAll(tt.name, " ", "_")+".txt"), b.String())
		})
	}
}

// TestSandboxIsJudgedAsRunMakesIt gives the way that run does not take the opposite answer.
func TestSandboxIsJudgedAsRunMakesIt(t *testing.T) {
	for _, tt := range []struct {
		name          string
		uid           int
		initialUserNS bool
		capabilities  []string
		root          bool
	}{
		{"root", 0, true, usefulCapabilities(), true},
		{"root without CAP_SYS_ADMIN", 0, true, []string{"net_admin"}, false},
		{"root of a user namespace", 0, false, usefulCapabilities(), false},
		{"a user with CAP_SYS_ADMIN", 1000, true, []string{"sys_admin"}, false},
		{"a user", 1000, true, nil, false},
	} {
		for _, works := range []bool{true, false} {
			f, k := goodHost()
			f.UID, f.InitialUserNS, f.Capabilities = tt.uid, tt.initialUserNS, tt.capabilities
			k.NetNS = Feature{Answer: sockstate.AnswerDenied, Why: "netns"}
			if tt.root == works {
				k.NetNS, k.UserNS = k.UserNS, Feature{Answer: sockstate.AnswerDenied, Why: "userns"}
			}
			j := &judge{facts: f, features: k}
			j.sandbox()
			want, detail := OK, "user and network namespaces, "
			switch {
			case works && tt.root:
				detail = "network namespaces, as root"
			case !works && tt.root:
				want, detail = Blocked, "no network namespace (netns)"
			case !works:
				want, detail = Blocked, "no network namespace (userns)"
			}
			got := j.lines[0]
			if got.Status != want || !strings.HasPrefix(got.Detail, detail) || j.hasSandbox() != works {
				t.Errorf("%s, its way works: %v: %s %q, want %s %q", tt.name, works, got.Status, got.Detail, want, detail)
			}
		}
	}
}

func TestReuse(t *testing.T) {
	for _, tt := range []struct {
		mode       int64
		timestamps string
		want       string
	}{
		{0, "1", "connect() never reuses a port in TIME_WAIT (tcp_tw_reuse=0)"},
		{1, "1", "connect() reuses a port in TIME_WAIT after 1,000 ms (tcp_tw_reuse=1)"},
		{2, "1", "connect() reuses a port in TIME_WAIT after 1,000 ms on loopback, never elsewhere (tcp_tw_reuse=2)"},
		{1, "0", "connect() never reuses a port in TIME_WAIT (tcp_timestamps=0)"},
	} {
		f, k := goodHost()
		f.Sysctls["net.ipv4.tcp_timestamps"] = tt.timestamps
		j := &judge{facts: f, features: k}
		if got := j.reuse(tt.mode); got != tt.want {
			t.Errorf("tcp_tw_reuse=%d, tcp_timestamps=%s: %q, want %q", tt.mode, tt.timestamps, got, tt.want)
		}
	}
}
