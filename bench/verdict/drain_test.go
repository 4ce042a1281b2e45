package verdict

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
	"lastack/sockstate"
)

// TestJudgeDrain says which tries are no statement about the server, and why.
func TestJudgeDrain(t *testing.T) {
	sound := func() record.DrainTry {
		return record.DrainTry{
			Connections: record.DrainConnections{Opened: 3}, Listener: record.DrainListener{Attempts: 1, Opened: 1},
			Groups: []record.DrainGroup{{Name: "idle", OpenAtStop: 2}},
		}
	}
	seven := 7
	for _, tt := range []struct {
		name   string
		change func(*record.DrainTry)
		want   string // the first reason
		valid  bool
	}{
		{"sound", func(*record.DrainTry) {}, "every connection and every request has exactly one fate, and the counts agree", true},
		{"the signal could not be sent", func(r *record.DrainTry) { r.Server.SignalFailed = "no permission to signal process 7" }, "try 1: no permission to signal process 7", false},
		{
			"halted",
			func(r *record.DrainTry) { r.HaltedS = 3.2 },
			"try 1: this program did not run for 3.20 s meanwhile (halted, or without a CPU): what clients saw then is not what the server did",
			false,
		},
		{
			"lost before the stop",
			func(r *record.DrainTry) { r.Before = record.DrainBefore{Lost: 12, Answered: 3} },
			"try 1: 12 requests were lost before the stop and 3 answered: the server did not work, so its stop says nothing",
			false,
		},
		{
			"some lost before the stop",
			func(r *record.DrainTry) { r.Before = record.DrainBefore{Lost: 12, Answered: 300} },
			"every connection and every request has exactly one fate, and the counts agree",
			true,
		},
		{"most connects failed on this host", func(r *record.DrainTry) {
			r.Listener = record.DrainListener{Attempts: 5, Opened: 2, Failed: 3}
		}, "try 1: 3 of 5 connects after the stop failed on this host, without a free local port, descriptor or memory: what the server did to new connections is not known", false},
		{"some connects failed on this host", func(r *record.DrainTry) {
			r.Listener = record.DrainListener{Attempts: 6, Opened: 3, Failed: 3}
		}, "every connection and every request has exactly one fate, and the counts agree", true},
		{"the host is unreachable", func(r *record.DrainTry) {
			r.Connections, r.Listener = record.DrainConnections{}, record.DrainListener{Attempts: 5, Unreachable: 5}
		}, "every connection and every request has exactly one fate, and the counts agree", true},
		{"a child listened on until the grace was over", func(r *record.DrainTry) {
			r.Server = record.DrainServer{ThenSent: true, ListenedOn: []int{7}}
		}, "try 1: the process that was signalled ended, but others of the server listened until the grace was over: it was not stopped (is the command a shell around the server?)", false},
		{"the counts do not agree", func(r *record.DrainTry) {
			r.Accounting = []record.Check{{Name: "opened = sum of fates", Want: sockstate.Range{Min: 3, Max: 4}, Got: 2}}
		}, "try 1: the counts do not agree: opened = sum of fates: 3 to 4 expected, 2 counted", false},
		{"ended by the reload", func(r *record.DrainTry) {
			r.Server = record.DrainServer{EndedByReload: true, ExitSignal: "SIGHUP"}
		}, "try 1: the server ended by the reload's signal", true},
		{"ended after the reload", func(r *record.DrainTry) {
			r.Server = record.DrainServer{EndedByReload: true, ExitCode: new(int)}
		}, "try 1: the server ended after the reload's signal", true},
		{"the stop command failed", func(r *record.DrainTry) {
			r.Server = record.DrainServer{HookS: new(float64), HookCode: &seven}
		}, "try 1: the stop command failed, so that what clients saw may have nothing to do with a stop", false},
		{"a worker listens still", func(r *record.DrainTry) {
			r.Server = record.DrainServer{StillListening: []int{7}}
		}, "try 1: the process that was signalled ended, but others of the server still listen: it was not stopped (is the command a shell around the server?)", false},
		{"what ran beside it ended", func(r *record.DrainTry) {
			r.Also = []record.DrainAlso{{Command: []string{"sleep", "1"}, Ended: "exit code 0"}}
		}, `try 1: "sleep 1" (--also), which ran beside the server, ended too (exit code 0): what clients saw may come of that`, false},
		{"errors before the stop", func(r *record.DrainTry) {
			r.Requests.HTTPBefore = map[string]int64{"2xx": 3, "5xx": 9}
		}, "try 1: 9 of 12 replies before the stop were 5xx: the server did not work, so its stop says nothing", false},
		{"it did not come back", func(r *record.DrainTry) {
			r.Restart = &record.DrainRestart{Failed: "it ended with exit code 1"}
		}, "try 1: the restart: it ended with exit code 1", false},
		{"nobody there", func(r *record.DrainTry) {
			r.Connections, r.Listener, r.Groups = record.DrainConnections{}, record.DrainListener{}, nil
		}, "try 1: no connection was open at the signal, and none came after it", false},
		{"hardly halted", func(r *record.DrainTry) { r.HaltedS = 0.4 }, "every connection and every request has exactly one fate, and the counts agree", true},
		{"nobody open, with a warning", func(r *record.DrainTry) {
			r.Groups[0].OpenAtStop, r.Warnings = 0, []string{"groups: idle has 0 of 2 connections open: 5 connects were refused"}
		}, "try 1: no client of idle had a connection when the stop began, so that nothing is said of them (see the warnings)", false},
		{"nobody open, without", func(r *record.DrainTry) {
			r.Groups[0].OpenAtStop, r.Warnings = 0, []string{"order: late"}
		}, "try 1: no client of idle had a connection when the stop began, so that nothing is said of them: those that it had were ended before", false},
	} {
		r := sound()
		tt.change(&r)
		v := words(t, &record.Run{Drain: &record.Drain{Tries: []record.DrainTry{r}}})
		if v.Valid != tt.valid || len(v.Reasons) == 0 || v.Reasons[0] != tt.want {
			t.Errorf("%s: %+v, want valid %v, because %q", tt.name, v, tt.valid, tt.want)
		}
	}
}

// TestJudgeDrainWhole is for what is no single try's.
func TestJudgeDrainWhole(t *testing.T) {
	v := words(t, &record.Run{Interrupted: true, Drain: &record.Drain{}})
	if want := (record.Verdict{LimitedBy: record.LimitInterrupted, Reasons: []string{"the server was never stopped"}}); !cmp.Equal(v, want) {
		t.Errorf("without a try: %+v, want %+v", v, want)
	}
	hook := record.Drain{Stop: record.DrainStop{Way: record.DrainByHook}, Tries: []record.DrainTry{{Connections: record.DrainConnections{Opened: 1}}}}
	v = words(t, &record.Run{Drain: &hook})
	if want := "try 1: the stop command had not ended when the watch ended: whether it stopped anything is not known"; v.Valid || v.Reasons[0] != want {
		t.Errorf("a stop command that runs on: %+v, want %q", v, want)
	}
}
