package bench

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/trace"
)

func TestUnpredicted(t *testing.T) {
	paths := map[string][]string{"client": {"ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT"}, "server": {"ESTABLISHED > CLOSE_WAIT"}}
	seen := map[string]map[string]int64{
		"client": {"CLOSED>SYN_SENT": 9, "SYN_SENT>ESTABLISHED": 9, "ESTABLISHED>FIN_WAIT_1": 9, "FIN_WAIT_1>FIN_WAIT_2": 9, "FIN_WAIT_2>TIME_WAIT": 7, "FIN_WAIT_2>CLOSED": 2, "TIME_WAIT>CLOSED": 1},
		"server": {"LISTEN>SYN_RECV": 9, "SYN_RECV>ESTABLISHED": 9, "ESTABLISHED>CLOSE_WAIT": 9},
	}
	want := map[string]map[string]int64{"client": {"FIN_WAIT_2>CLOSED": 2}}
	if diff := cmp.Diff(want, unpredicted(seen, paths, 1, false)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got := unpredicted(seen, paths, 2, false); got != nil {
		t.Errorf("with two groups: %v", got)
	}
}

// TestExceptions: a connection is an exception once, where it leaves the predicted paths, and the sum of both is all connections.
func TestExceptions(t *testing.T) {
	const (
		est, fw1, fw2, tw = sockstate.Established, sockstate.FinWait1, sockstate.FinWait2, sockstate.TimeWait
		closed, cw, la    = sockstate.Closed, sockstate.CloseWait, sockstate.LastAck
	)
	type change struct {
		from, to sockstate.State
		n        int64
	}
	active := []string{"ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT"}
	for _, tt := range []struct {
		name       string
		paths      []string
		changes    []change
		living     map[sockstate.State]int64
		received   map[sockstate.State]int64
		minis      trace.Minis // in FIN_WAIT_2
		noTimeWait bool
		want       int64 // of 100
		exceptions []record.Exception
	}{
		{name: "all", paths: active, changes: []change{{est, fw1, 100}, {fw1, fw2, 100}, {fw2, tw, 100}, {tw, closed, 60}}, living: map[sockstate.State]int64{tw: 40}, want: 100},
		{
			name: "FIN_WAIT_2", paths: active, minis: trace.Minis{Early: 4, Expired: 2}, received: map[sockstate.State]int64{fw2: 1}, want: 88,
			changes: []change{{est, fw1, 100}, {fw1, fw2, 100}, {fw2, tw, 88}, {fw2, closed, 9}}, living: map[sockstate.State]int64{fw2: 3},
			exceptions: []record.Exception{
				{From: "FIN_WAIT_2", To: "CLOSED", How: record.ByReset, N: 5},
				{From: "FIN_WAIT_2", How: record.StillThere, N: 3},
				{From: "FIN_WAIT_2", To: "CLOSED", How: record.ByTimeout, N: 2},
				{From: "FIN_WAIT_2", To: "CLOSED", How: record.ByItself, N: 2},
			},
		},
		{
			name: "the peer was first", paths: active, want: 70, received: map[sockstate.State]int64{est: 10},
			changes: []change{{est, cw, 20}, {cw, la, 20}, {la, closed, 20}, {est, closed, 10}, {est, fw1, 70}, {fw1, fw2, 70}, {fw2, tw, 70}},
			exceptions: []record.Exception{
				{From: "ESTABLISHED", To: "CLOSE_WAIT", N: 20}, {From: "ESTABLISHED", To: "CLOSED", How: record.ByReset, N: 10},
			},
		},
		{name: "held", paths: []string{"ESTABLISHED"}, living: map[sockstate.State]int64{est: 100}, want: 100},
		{name: "TIME_WAIT unseen", paths: active, noTimeWait: true, changes: []change{{est, fw1, 100}, {fw1, fw2, 100}, {fw2, closed, 100}}, want: 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &trace.Result{}
			r.Transitions[sockstate.Server][sockstate.SynRecv][est] = 100
			for _, c := range tt.changes {
				r.Transitions[sockstate.Server][c.from][c.to] = c.n
			}
			for s, n := range tt.living {
				r.Living[sockstate.Server][s] = n
			}
			for s, n := range tt.received {
				r.Received[sockstate.Server][s] = n
			}
			r.FinWait2[sockstate.Server] = tt.minis
			w := wayOf(tt.paths, tt.noTimeWait)
			paths, got := w.judge(r, sockstate.Server)
			for i := range tt.exceptions {
				tt.exceptions[i].Side = "server"
			}
			if diff := cmp.Diff(tt.exceptions, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if want := (record.Paths{Connections: 100, AsPredicted: tt.want}); paths != want {
				t.Errorf("%+v, want %+v", paths, want)
			}
		})
	}
}

// A trace that does not balance fails the check of it. What was not followed is not compared.
func TestTraceChecks(t *testing.T) {
	resets := func(n int64) []trace.Reset { return []trace.Reset{{N: n}} }
	living := func(n int64) (all [sockstate.NumSides][sockstate.NumStates]int64) {
		all[sockstate.Client][sockstate.CloseWait] = n
		all[sockstate.Client][sockstate.TimeWait] = 7 // may have ended since
		return all
	}
	census := &sampler{}
	census.sample.Census.Count[sockstate.Client][sockstate.CloseWait] = 2
	for _, tt := range []struct {
		name  string
		trace trace.Result
		want  []string // of entries, balance, resets, living
	}{
		{"all seen", trace.Result{Sent: resets(3), Living: living(2)}, []string{"ok", "ok", "ok", "ok"}},
		{"a reset unseen", trace.Result{Sent: resets(2), Living: living(2)}, []string{"ok", "ok", "differs", "ok"}},
		{"unbalanced", trace.Result{Sent: resets(3), Living: living(2), Lost: trace.Lost{Unbalanced: 2}}, []string{"ok", "differs", "ok", "ok"}},
		{"a socket whose end was unseen", trace.Result{Sent: resets(3), Living: living(3)}, []string{"ok", "ok", "ok", "differs"}},
		{"no reasons", trace.Result{ResetReason: "this kernel has none", Living: living(2)}, []string{"ok", "ok", "this kernel has none", "ok"}},
		{"missed", trace.Result{Lost: trace.Lost{Missed: 1, Unbalanced: 1}}, slices.Repeat([]string{"the trace missed events"}, 4)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &record.Run{Counters: map[string]int64{"TcpOutRsts": 3}, Settle: &record.Settle{Done: true}, States: record.States{Source: "diag"}}
			e := &experiment{traced: &tt.trace, result: &loadgen.Result{}, sampler: census}
			var got []string
			for _, c := range e.traceChecks(r) {
				switch {
				case c.NotRead != "":
					got = append(got, c.NotRead)
				case c.OK:
					got = append(got, "ok")
				default:
					got = append(got, "differs")
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}
