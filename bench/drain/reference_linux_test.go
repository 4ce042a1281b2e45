package drain

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"lastack/bench/record"
	"lastack/sockstate/exchange"
)

var http = exchange.Spec{Kind: exchange.HTTP, Path: "/"}

// tries is how often each behaviour has to be told: races need many, so that make torture has more of them.
func tries() int {
	switch {
	case testing.Short():
		return 2
	case os.Getenv("LASTACK_TORTURE") != "":
		return 40
	}
	return 8
}

// TestReference drains the reference server in each of its ways, whose consequences are known.
func TestReference(t *testing.T) {
	t.Parallel()
	const idle, inFlight = 20, 8
	for _, tt := range []struct {
		shutdown string
		check    func(t *testing.T, r *record.DrainTry)
	}{
		{"graceful", func(t *testing.T, r *record.DrainTry) {
			nothingLost(t, r)
			if g := r.Group(groupIdle).Connections; g.FIN != idle {
				t.Errorf("idle: %+v, want FIN for all", g)
			}
		}},
		{"lame-duck=150ms", func(t *testing.T, r *record.DrainTry) {
			nothingLost(t, r)
			if g := r.Group(groupArrivals).Requests; g.CompletedClose == 0 {
				t.Errorf("arrivals: %+v, want some answered with Connection: close", g)
			}
			if f := r.Listener.FirstRefusalS; f != nil && *f < 0.15 {
				t.Errorf("refused after %v s, while the duck was lame", *f)
			}
		}},
		{"rst", func(t *testing.T, r *record.DrainTry) {
			if g := r.Group(groupIdle).Connections; g.RST != idle {
				t.Errorf("idle: %+v, want RST for all", g)
			}
			if g := r.Group(groupInFlight); g.Requests.CutRST == 0 || g.Requests.CutFIN != 0 {
				t.Errorf("in flight: %+v, want all cut by RST", g.Requests)
			}
		}},
		{"abrupt", func(t *testing.T, r *record.DrainTry) {
			if g := r.Group(groupIdle).Connections; g.FIN != idle {
				t.Errorf("idle: %+v, want FIN for all", g)
			}
			// Those that raced never came to the server, or came when it had closed the connection.
			if r.Requests.Lost()-r.Requests.Raced != r.Server.Ledger["cut"] {
				t.Errorf("%d requests lost (%+v), the server's ledger has %d: %v", r.Requests.Lost(), r.Requests, r.Server.Ledger["cut"], r.Server.Ledger)
			}
		}},
		{"listener-last", func(t *testing.T, r *record.DrainTry) {
			if g := r.Group(groupIdle).Connections; g.FIN != idle {
				t.Errorf("idle: %+v, want FIN for all", g)
			}
			if g := r.Group(groupInFlight).Requests; g.Lost() != 0 {
				t.Errorf("in flight: %+v, want none lost", g)
			}
			// The kernel goes on accepting for nobody.
			if g := r.Group(groupArrivals).Requests; g.CutRST == 0 || g.CutRST != g.Safe {
				t.Errorf("arrivals: %+v, want some reset, all safe to retry", g)
			}
		}},
	} {
		t.Run(tt.shutdown, func(t *testing.T) {
			t.Parallel() // each has a process and a namespace of its own, and waits for most of the time
			ledger := filepath.Join(t.TempDir(), "ledger")
			ref := reference{Shutdown: tt.shutdown, Exchange: http, Addr: at, Delay: 10 * time.Millisecond, Ledger: ledger}
			tr := trial{
				Load:   Load{Idle: idle, InFlight: inFlight, Arrivals: 300},
				Stop:   Stop{Exec: ref.args(), After: 50 * time.Millisecond, Watch: 20 * time.Millisecond, Ledger: ledger},
				Repeat: tries(),
			}
			run := tr.drained(t)
			if n := len(run.Drain.Tries); n != tries() {
				t.Fatalf("%d tries of %d", n, tries())
			}
			for n := range run.Drain.Tries {
				r := &run.Drain.Tries[n]
				if s := &r.Server; s.ExitCode == nil || *s.ExitCode != 0 || s.ThenSent {
					t.Errorf("try %d: the server ended with %+v", n, s)
				}
				tt.check(t, r)
				if t.Failed() {
					t.Fatalf("try %d: %s", n, r.Score)
				}
			}
		})
	}
}

func nothingLost(t *testing.T, r *record.DrainTry) {
	t.Helper()
	if r.Requests.Lost() != 0 || r.Connections.RST != 0 {
		t.Errorf("requests %+v, connections %+v: want none lost, none reset", r.Requests, r.Connections)
	}
}

// TestQueue fills the accept queue of a server that accepts nothing: what is in it is reset with the listener.
func TestQueue(t *testing.T) {
	t.Parallel()
	ref := reference{Shutdown: "graceful", Addr: at, Deaf: true}
	tr := trial{
		Load:   Load{Queued: 12},
		Stop:   Stop{Exec: ref.args(), Watch: 20 * time.Millisecond},
		Repeat: tries(),
	}
	for n, r := range tr.drained(t).Drain.Tries {
		if q := r.Queued; q == nil || *q != (record.DrainQueued{Asked: 12, Queued: 12, Reset: 12}) {
			t.Errorf("try %d: %+v, want all 12 reset", n, q)
		}
		if r.Requests.CutRST != 12 || r.Requests.Safe != 12 {
			t.Errorf("try %d: requests %+v, want 12 cut, all safe to retry", n, r.Requests)
		}
	}
}

// TestHandover hands a port over by SO_REUSEPORT: connections in the old listener's queue die with it, unless
// tcp_migrate_req has them go to the new one (inet_csk_listen_stop).
func TestHandover(t *testing.T) {
	t.Parallel()
	for _, migrate := range []string{"0", "1"} {
		t.Run("tcp_migrate_req="+migrate, func(t *testing.T) {
			old := reference{Shutdown: "graceful", Addr: at, Deaf: true, ReusePort: true}
			tr := trial{
				Load:    Load{Queued: 40},
				Sysctls: []string{"net.ipv4.tcp_migrate_req=" + migrate},
				Stop: Stop{
					Exec: old.args(), Watch: 50 * time.Millisecond, Handover: true,
					Restart: reference{Shutdown: "graceful", Exchange: http, Addr: at, ReusePort: true}.args(),
				},
			}
			r := tr.drained(t).Drain.Tries[0]
			q := r.Queued
			if q == nil || q.Queued == 0 {
				t.Fatalf("queued %+v, want some at the old listener", q)
			}
			moved := r.Counters["TcpExtTCPMigrateReqSuccess"]
			want := record.DrainQueued{Asked: 40, Queued: q.Queued, Elsewhere: 40 - q.Queued, Reset: q.Queued}
			if migrate == "1" {
				want.Served, want.Reset = q.Queued, 0
			}
			if *q != want {
				t.Errorf("%+v, want %+v", *q, want)
			}
			if wantMoved := want.Queued - want.Reset; moved != wantMoved {
				t.Errorf("the kernel moved %d connections, want %d", moved, wantMoved)
			}
		})
	}
}
