package bench

import (
	"testing"

	"lastack/bench/host"
	"lastack/bench/record"
	"lastack/bench/setup"
	"lastack/server"
	"lastack/sockstate"
)

func TestOrphanWarning(t *testing.T) {
	f := &host.Facts{Sysctls: map[string]string{"net.ipv4.tcp_max_orphans": "131072"}}
	const want = "pressure.orphans: the kernel reset 5,123 connections instead of closing them, because there were too many orphans at once (tcp_max_orphans is 131,072 for the whole host, and a slow orphan counts double) or TCP's memory was full; --close-rate slows a mass close"
	if got := orphanWarning(f, sockstate.Counters{"TcpExtTCPAbortOnMemory": 5123}); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := orphanWarning(f, nil); got != "" {
		t.Errorf("a mass close that went well: %q", got)
	}
}

func TestBucketWarning(t *testing.T) {
	e := &experiment{
		facts:  &host.Facts{HZ: 250, Sysctls: map[string]string{bucketsKey: "131072"}},
		setup:  &setup.Setup{Needs: record.Needs{TimeWaits: record.NeedsBySide{Client: 200_000}}},
		server: new(server.Server),
	}
	const want = "time_wait: the plan leaves up to 200,000 TIME_WAITs at once, 60 to 62.0 s each, but tcp_max_tw_buckets is 131,072: about 68,928 closes will skip TIME_WAIT"
	if got := e.bucketWarning(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	e.status.Sysctls = map[string]string{bucketsKey: "131072"}
	if got := e.bucketWarning(); got != "" {
		t.Errorf("asked for, and warned of: %q", got)
	}
}
