package verdict

import (
	"testing"

	"lastack/bench/record"
)

// TestJudgeDrain says which tries are no statement about the server, and why.
func TestJudgeDrain(t *testing.T) {
	sound := func() record.DrainTry {
		return record.DrainTry{
			Connections: record.DrainConnections{Opened: 3}, Listener: record.DrainListener{Attempts: 1, Opened: 1},
			Groups: []record.DrainGroup{{Name: "idle", OpenAtStop: 2}},
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*record.DrainTry)
		want   string // the first reason
		valid  bool
	}{
		{"sound", func(*record.DrainTry) {}, "every connection and every request has one fate, and the accounts agree", true},
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
			"try 1: 12 requests were lost before the stop and 3 answered: a server that does not work says nothing of its stop",
			false,
		},
		{
			"some lost before the stop",
			func(r *record.DrainTry) { r.Before = record.DrainBefore{Lost: 12, Answered: 300} },
			"every connection and every request has one fate, and the accounts agree",
			true,
		},
		{"most connects failed on this host", func(r *record.DrainTry) {
			r.Listener = record.DrainListener{Attempts: 5, Opened: 2, Failed: 3}
		}, "try 1: 3 of 5 connects after the stop failed on this host, for want of a local port, a descriptor or memory: what the server did to new connections is not known", false},
		{"some connects failed on this host", func(r *record.DrainTry) {
			r.Listener = record.DrainListener{Attempts: 6, Opened: 3, Failed: 3}
		}, "every connection and every request has one fate, and the accounts agree", true},
		{"the host is unreachable", func(r *record.DrainTry) {
			r.Connections, r.Listener = record.DrainConnections{}, record.DrainListener{Attempts: 5, Unreachable: 5}
		}, "every connection and every request has one fate, and the accounts agree", true},
		{"a child listened on until the grace was over", func(r *record.DrainTry) {
			r.Server = record.DrainServer{ThenSent: true, ListenedOn: []int{7}}
		}, "try 1: the process that was signalled ended, but others of the server listened on until the grace was over: it was not stopped (is the command a shell around the server?)", false},
		{"hardly halted", func(r *record.DrainTry) { r.HaltedS = 0.4 }, "every connection and every request has one fate, and the accounts agree", true},
		{"nobody open, with a warning", func(r *record.DrainTry) {
			r.Groups[0].OpenAtStop, r.Warnings = 0, []string{"groups: idle has 0 of 2 connections open: 5 connects were refused"}
		}, "try 1: no client of idle had a connection when the stop began, so that nothing is said of them (see the warnings)", false},
		{"nobody open, without", func(r *record.DrainTry) {
			r.Groups[0].OpenAtStop, r.Warnings = 0, []string{"order: late"}
		}, "try 1: no client of idle had a connection when the stop began, so that nothing is said of them: those that it had were ended before", false},
	} {
		r := sound()
		tt.change(&r)
		v := Judge(&record.Run{Drain: &record.Drain{Tries: []record.DrainTry{r}}})
		if v.Valid != tt.valid || len(v.Reasons) == 0 || v.Reasons[0] != tt.want {
			t.Errorf("%s: %+v, want valid %v, because %q", tt.name, v, tt.valid, tt.want)
		}
	}
}
