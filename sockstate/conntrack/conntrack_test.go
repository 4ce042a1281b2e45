package conntrack

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The head and two CPUs, as Linux 6.18 prints them.
const stats = `entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart
0000012c  00000000 00000000 00000000 00000001 00000000 00000000 00000004 00000000 0000000a 00000002 00000001 00000000  00000000 00000000 00000000 00000000
0000012c  00000000 00000000 00000000 00000000 00000000 00000000 00000002 00000000 00000010 00000000 00000000 00000000  00000000 00000000 00000000 00000000
`

func TestParseStats(t *testing.T) {
	got, err := parseStats(strings.NewReader(stats))
	if d := cmp.Diff(Stats{InsertFailed: 26, Dropped: 2, EarlyDropped: 1}, got); err != nil || d != "" {
		t.Errorf("%v, -want +got:\n%s", err, d)
	}
	for _, bad := range []string{"", "entries drop\n1 2\n", "insert_failed drop early_drop\nx 1 1\n", "insert_failed drop early_drop\n1 1\n"} {
		if s, err := parseStats(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was read: %+v", bad, s)
		}
	}
}

func TestParseStates(t *testing.T) {
	const table = `ipv4     2 tcp      6 431997 ESTABLISHED src=198.18.0.1 dst=198.19.0.1 sport=41000 dport=9000 src=198.19.0.1 dst=203.0.113.1 sport=9000 dport=41000 [ASSURED] mark=0 zone=0 use=2
ipv4     2 tcp      6 119 TIME_WAIT src=198.18.0.1 dst=198.19.0.1 sport=41002 dport=9000 src=198.19.0.1 dst=203.0.113.1 sport=9000 dport=41002 [ASSURED] mark=0 zone=0 use=2
ipv4     2 tcp      6 118 TIME_WAIT src=198.18.0.1 dst=198.19.0.1 sport=41004 dport=9000 src=198.19.0.1 dst=203.0.113.1 sport=9000 dport=41004 [ASSURED] mark=0 zone=0 use=2
ipv4     2 udp      17 29 src=198.18.0.1 dst=198.19.0.1 sport=1 dport=2 [UNREPLIED] src=198.19.0.1 dst=203.0.113.1 sport=2 dport=1 mark=0 zone=0 use=2
ipv6     10 tcp      6 9 CLOSE src=::1 dst=::1 sport=1 dport=2 src=::1 dst=::1 sport=2 dport=1 mark=0 zone=0 use=2
short
`
	got, err := parseStates(strings.NewReader(table))
	if d := cmp.Diff(map[string]int64{"ESTABLISHED": 1, "TIME_WAIT": 2, "CLOSE": 1}, got); err != nil || d != "" {
		t.Errorf("%v, -want +got:\n%s", err, d)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(stats)
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := parseStates(strings.NewReader(s)); err == nil {
			for state, n := range got {
				if n < 1 || strings.ContainsAny(state, " =") {
					t.Errorf("%d of %q", n, state)
				}
			}
		}
		_, _ = parseStats(strings.NewReader(s))
	})
}
