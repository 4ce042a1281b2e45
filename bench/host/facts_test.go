package host

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLocalPorts(t *testing.T) {
	type ports struct {
		Lo, Hi, Free int
		OK           bool
	}
	for _, tt := range []struct {
		name, span, reserved string
		want                 ports
	}{
		{"kernel's default", "32768 60999", "", ports{32768, 60999, 28232, true}},
		{"one port", "40000 40000", "", ports{40000, 40000, 1, true}},
		{"reserved inside, outside and across the ends", "1000 1999", "80,990-1009,1500,1990-2100,3000", ports{1000, 1999, 1000 - 10 - 1 - 10, true}},
		{"all reserved", "1000 1999", "1-65535", ports{1000, 1999, 0, true}},
		{"not read", "", "", ports{}},
		{"not a range", "32768", "", ports{}},
		{"backwards", "2 1", "", ports{}},
		{"not a number", "a b", "", ports{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &Facts{Sysctls: map[string]string{
				"net.ipv4.ip_local_port_range":     tt.span,
				"net.ipv4.ip_local_reserved_ports": tt.reserved,
			}}
			var got ports
			got.Lo, got.Hi, got.Free, got.OK = f.LocalPorts()
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCheckSysctl(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		ok          bool
	}{
		{"net.ipv4.tcp_tw_reuse", "2", true},
		{"net.ipv4.tcp_ehash_entries", "-262144", true}, // shared with the host
		{"net.ipv4.tcp_tw_reuse", "", false},
		{"net.ipv4.tcp_tw_reuse", "2 2", false},
		{"net.ipv4.tcp_tw_reuse", "yes", false},
		{"net.ipv4.ip_local_port_range", "32768 60999", true},
		{"net.ipv4.ip_local_port_range", "32768", false},
		{"net.ipv4.tcp_mem", "287901 383869 575802", true},
		{"net.ipv4.tcp_mem", "287901 383869 x", false},
		{"net.ipv4.ip_local_reserved_ports", "", true},
		{"net.ipv4.ip_local_reserved_ports", "80,8000-8010", true},
		{"net.ipv4.ip_local_reserved_ports", "x y", false},
	} {
		if err := checkSysctl(tt.name, tt.value); (err == nil) != tt.ok {
			t.Errorf("checkSysctl(%s, %q) = %v, want ok %t", tt.name, tt.value, err, tt.ok)
		}
	}
}

func TestSysctl(t *testing.T) {
	f := &Facts{Sysctls: map[string]string{"a": "7", "b": "1 2 3", "net.ipv4.tcp_mem": "1 2 300"}}
	if n, ok := f.Sysctl("a"); n != 7 || !ok {
		t.Errorf("a = %d, %t", n, ok)
	}
	for _, name := range []string{"b", "absent"} {
		if n, ok := f.Sysctl(name); ok {
			t.Errorf("%s = %d, want none", name, n)
		}
	}
	if n, ok := f.TCPMemoryPages(); n != 300 || !ok {
		t.Errorf("tcp_mem = %d, %t, want 300", n, ok)
	}
}

func TestTwoDigits(t *testing.T) {
	for n, want := range map[int64]int64{0: 0, 99: 99, 101: 100, 4407935: 4400000} {
		if got := twoDigits(n); got != want {
			t.Errorf("twoDigits(%d) = %d, want %d", n, got, want)
		}
	}
}
