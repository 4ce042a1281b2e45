package verdict

import (
	"strings"
	"testing"

	"lastack/bench/record"
)

// Of several hosts the one whose ports come back last is judged by, and is named.
func TestSeveralHosts(t *testing.T) {
	host := func(reuse string) record.Host {
		return record.Host{HZ: 250, Sysctls: map[string]string{"net.ipv4.tcp_tw_reuse": reuse, "net.ipv4.tcp_tw_reuse_delay": "1000", "net.ipv4.tcp_timestamps": "1"}}
	}
	for _, tt := range []struct {
		name  string
		hosts []record.Host
		host  int
		says  string
	}{
		{"one", []record.Host{host("0")}, 0, "1,000 ports / 61.0 s = 16.4 connections/s sustained"},
		{"the second has no reuse", []record.Host{host("1"), host("0")}, 2, "host 2: the client closes first, so each connection keeps its port in TIME_WAIT for 60 to 62.0 s"},
		{"the first has no reuse", []record.Host{host("0"), host("1")}, 1, "host 1: the client closes first"},
		{"all alike", []record.Host{host("1"), host("1")}, 0, "the client closes first, so each connection keeps its port in TIME_WAIT for 1.00 s"},
	} {
		r := closedLoop()
		outOfPorts(&r)
		r.Hosts = tt.hosts
		v := Judge(&r)
		for _, f := range v.Findings {
			if f.Host != tt.host {
				t.Errorf("%s: %+v, want host %d", tt.name, f, tt.host)
			}
		}
		if said := strings.Join(v.Reasons, "\n"); v.LimitedBy != record.LimitPorts || !strings.Contains(said, tt.says) {
			t.Errorf("%s: %q, want %q", tt.name, said, tt.says)
		}
	}
}
