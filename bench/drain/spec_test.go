package drain

import (
	"encoding/json"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/process"
	"lastack/sockstate/exchange"
)

// What was asked for, and what is carried out, go through a pipe without loss.
func TestPlainData(t *testing.T) {
	http := exchange.Spec{Kind: exchange.HTTP, Path: "/a?b"}
	want := Setup{
		Spec: Spec{
			Target: netip.MustParseAddrPort("127.0.0.1:8080"),
			Others: []netip.AddrPort{netip.MustParseAddrPort("[::1]:8080")},
			Load: Load{
				Idle: 1, InFlight: 2, Partial: 3, Arrivals: 4.5, Queued: 5,
				Exchange: http, InFlightExchange: exchange.Spec{Kind: exchange.Echo, Request: 1, Response: 2}, Host: "web", Headers: []string{"A: b"},
				Think: 1, Reconnect: 2, ConnectTimeout: 3, RequestTimeout: 4, Defaults: []string{"idle"},
			},
			Stop: Stop{
				PID: 1, Exec: []string{"a", "b"}, Hook: "c", Signal: syscall.SIGTERM, After: 1, Grace: 2, Then: syscall.SIGKILL,
				StartTimeout: 3, Watch: time.Second, Restart: []string{"d"}, Handover: true, Contain: process.Group, Ledger: "e",
			},
			Also: [][]string{{"f", "g"}}, Repeat: 2, Workers: 3, Engine: "uring", Version: "v", Command: []string{"h"},
		},
		EngineReason: "i", Slots: 4, FewPorts: "j",
	}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Setup
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	opt := cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })
	if diff := cmp.Diff(want, got, opt); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// What follows the grace, unless that is said.
func TestThenDefault(t *testing.T) {
	exec := []string{"x"}
	for _, tt := range []struct {
		name string
		stop Stop
		want syscall.Signal
	}{
		{"its own server", Stop{Exec: exec, Signal: syscall.SIGTERM}, syscall.SIGKILL},
		{"its own server, by a command", Stop{Exec: exec, Hook: "y"}, syscall.SIGKILL},
		{"its own server that reloads", Stop{Exec: exec, Signal: syscall.SIGHUP}, NoSignal},
		{"its own server that reloads, said", Stop{Exec: exec, Signal: syscall.SIGHUP, Then: syscall.SIGTERM}, syscall.SIGTERM},
		{"nothing, said", Stop{Exec: exec, Signal: syscall.SIGTERM, Then: NoSignal}, NoSignal},
		{"another's server", Stop{PID: 1, Signal: syscall.SIGTERM}, NoSignal},
		{"another's server, said", Stop{PID: 1, Then: syscall.SIGKILL}, syscall.SIGKILL},
	} {
		if got := tt.stop.then(); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
