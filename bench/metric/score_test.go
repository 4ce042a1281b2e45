package metric

import (
	"testing"

	"lastack/bench/record"
)

func at(s float64) *float64 { return &s }

func TestScoreLine(t *testing.T) {
	idle := func(opened, fin, rst, never, kept int64) []record.DrainGroup {
		return []record.DrainGroup{{Name: "in-flight"}, {Name: "idle", Connections: record.DrainConnections{Opened: opened, FIN: fin, RST: rst, Never: never, Kept: kept}}}
	}
	tests := []struct {
		name string
		try  record.DrainTry
		want string
	}{
		{
			"issue",
			record.DrainTry{
				Requests: record.DrainRequests{Sent: 20_000, Completed: 19_988, CutFIN: 9, CutRST: 3, Safe: 9, Unsafe: 3},
				Groups:   idle(1204, 0, 1204, 0, 0),
				Listener: record.DrainListener{Attempts: 900, Refused: 368, FirstRefusalS: at(0.002), AcceptsAgainS: at(1.842), RefusedWindowS: 1.84},
			},
			"380 failed: 12 of 20,000 requests lost, 3 unsafe to retry; 1,204 idle connections saw RST; 1.84 s of refusals (368 connects)",
		},
		{
			"graceful handover",
			record.DrainTry{Requests: record.DrainRequests{Sent: 20_000, Completed: 20_000}, Groups: idle(2000, 1000, 0, 1000, 1000), Listener: record.DrainListener{Attempts: 900}},
			"none of 20,000 requests lost; 1,000 idle connections saw FIN; no refusals",
		},
		{
			"no restart",
			record.DrainTry{
				Requests: record.DrainRequests{Sent: 2, CutRST: 2, Unsafe: 2}, Groups: idle(1, 1, 0, 0, 0),
				Listener: record.DrainListener{Attempts: 9, Refused: 9, FirstRefusalS: at(0.012), RefusedWindowS: 3},
			},
			"11 failed: 2 of 2 requests lost, all unsafe to retry; 1 idle connection saw FIN; refusals from 12.0 ms on, to the end of the watch (9 connects)",
		},
		{
			"mixed",
			record.DrainTry{
				Requests: record.DrainRequests{Sent: 100, CutRST: 1, TimedOut: 1, Safe: 2, Answered5xx: 4, Open: 2}, Groups: idle(30, 10, 12, 8, 0),
				Listener: record.DrainListener{Attempts: 9, TimedOut: 1}, Queued: &record.DrainQueued{Asked: 20, Queued: 22, Served: 4, Reset: 13, FIN: 2, TimedOut: 2, Never: 1, Elsewhere: 3},
			},
			"7 failed: 2 of 100 requests lost (1 without a reply in time), all safe to retry, 4 answered 5xx, 2 without a reply when the load ended; 12 idle connections saw RST, 10 saw FIN, 8 still open; " +
				"of 22 queued connections 13 reset, 2 ended unserved, 2 timed out, 1 still unserved, 3 of 20 asked for never in the queue; no refusals, 1 connect timed out",
		},
		{
			"killed",
			record.DrainTry{
				Requests: record.DrainRequests{Sent: 1, CutRST: 1, Safe: 1}, Server: record.DrainServer{ThenSent: true, ExitSignal: "SIGKILL"},
				Queued: &record.DrainQueued{Asked: 1, Queued: 1, Served: 1}, Connections: record.DrainConnections{RST: 1}, Listener: record.DrainListener{Attempts: 1, Refused: 1},
			},
			"2 failed: 1 of 1 request lost, 1 safe to retry; 1 connection reset; 1 queued connection served; 1 connect refused; the server did not end by itself and was killed",
		},
		{
			"unknown",
			record.DrainTry{
				Unknown: map[string]string{"requests": "no clients", "listener": "no packets", "queued": "not producible: a hook stops it"},
				Server:  record.DrainServer{Stayed: true},
			},
			"requests unknown; queued connections unknown; refusals unknown; the server kept running",
		},
		{
			"a launcher keeps the listener",
			record.DrainTry{
				Requests: record.DrainRequests{Sent: 822, TimedOut: 800, Unsafe: 800, Open: 22}, Groups: idle(100, 100, 0, 0, 0),
				Listener: record.DrainListener{Attempts: 802, Opened: 802, Unserved: 802, UnservedFromS: at(0.005)},
			},
			"800 failed: 800 of 822 requests lost (800 without a reply in time), all unsafe to retry, 22 without a reply when the load ended; 100 idle connections saw FIN; " +
				"no refusals, but from 5.00 ms on handshakes by the kernel only: no process was seen accepting",
		},
		{
			"cut off by an interrupt",
			record.DrainTry{
				Requests: record.DrainRequests{Sent: 300, Completed: 286, Open: 14}, Groups: idle(5, 0, 0, 5, 0),
				Listener: record.DrainListener{Attempts: 105, Opened: 105, Undecided: 9},
			},
			"none of 300 requests lost, 14 without a reply when the load ended; 5 idle connections still open; no refusals",
		},
		{
			"statuses",
			record.DrainTry{
				Requests: record.DrainRequests{Sent: 100, Completed: 90, Answered5xx: 10, HTTP: map[string]int64{"2xx": 80, "3xx": 3, "4xx": 7, "5xx": 10}},
				Listener: record.DrainListener{Attempts: 1, Opened: 1},
			},
			"10 failed: none of 100 requests lost, 10 answered 5xx, 7 answered 4xx, 3 answered 3xx; no refusals",
		},
		{
			"SYNs dropped",
			record.DrainTry{Listener: record.DrainListener{Attempts: 12, TimedOut: 6, Pending: 2, Unreachable: 3, Failed: 1}},
			"9 failed: no request was sent; no connect was answered, 6 connects timed out, 2 connects still without an answer, 3 connects to an unreachable host, 1 connect failed on this host",
		},
		{
			"this host had no ports",
			record.DrainTry{Requests: record.DrainRequests{Sent: 5, Completed: 5}, Listener: record.DrainListener{Attempts: 9, Opened: 5, Failed: 4}},
			"none of 5 requests lost; no refusals, 4 connects failed on this host",
		},
		{"outlived", record.DrainTry{Server: record.DrainServer{ThenSent: true, Stayed: true}, Queued: &record.DrainQueued{Asked: 3, Elsewhere: 3}}, "no request was sent; no connection was queued, 3 of 3 asked for never in the queue; nothing connected after the signal; the server outlived even the second signal"},
		{"terminated twice", record.DrainTry{Requests: record.DrainRequests{Sent: 1, Completed: 1}, Listener: record.DrainListener{Attempts: 1}, Server: record.DrainServer{ThenSent: true}}, "none of 1 request lost; no refusals; the server needed a second signal"},
		{"stopped by a signal after the command", record.DrainTry{Server: record.DrainServer{ThenSent: true, ByCommand: true, ExitSignal: "SIGTERM"}}, "no request was sent; nothing connected after the signal; the server needed a signal after the stop command"},
		{"outlived the command and the signal", record.DrainTry{Server: record.DrainServer{ThenSent: true, ByCommand: true, Stayed: true}}, "no request was sent; nothing connected after the signal; the server outlived even the signal after the stop command"},
		{
			"killed by a reload",
			record.DrainTry{Requests: record.DrainRequests{Sent: 2, CutRST: 2, Unsafe: 2}, Listener: record.DrainListener{Attempts: 1}, Server: record.DrainServer{EndedByReload: true, ExitSignal: "SIGHUP"}},
			"the server ended by the reload's signal; 2 failed: 2 of 2 requests lost, all unsafe to retry; no refusals",
		},
		{
			"killed by a reload, upgrade",
			record.DrainTry{Requests: record.DrainRequests{Sent: 2, CutRST: 2, Unsafe: 2}, Listener: record.DrainListener{Attempts: 1}, Server: record.DrainServer{EndedByReload: true, ExitSignal: "SIGUSR2"}},
			"the server ended by the reload's signal; 2 failed: 2 of 2 requests lost, all unsafe to retry; no refusals",
		},
		{
			"ended after a reload",
			record.DrainTry{Requests: record.DrainRequests{Sent: 2, Completed: 2}, Listener: record.DrainListener{Attempts: 1}, Server: record.DrainServer{EndedByReload: true, ExitCode: new(1)}},
			"the server ended after the reload's signal; none of 2 requests lost; no refusals",
		},
		{
			"interrupted",
			record.DrainTry{
				Server: record.DrainServer{ThenSent: true, Stayed: true}, Restart: &record.DrainRestart{},
				Unknown: map[string]string{"server.exit_s": "the run was interrupted", "restart.listens_s": "the run was interrupted"},
			},
			"no request was sent; nothing connected after the signal; the server needed a second signal",
		},
		{
			"interrupted early",
			record.DrainTry{Server: record.DrainServer{Stayed: true}, Unknown: map[string]string{"server": "the run was interrupted"}},
			"no request was sent; nothing connected after the signal",
		},
		{
			"a worker listens on",
			record.DrainTry{Server: record.DrainServer{ExitS: at(0.1), StillListening: []int{17}}, Restart: &record.DrainRestart{StartedS: at(0.2)}},
			"no request was sent; nothing connected after the signal; the server did not stop: process 17 still listens; the restart never listened",
		},
		{
			"a child listened on until it was killed",
			record.DrainTry{Server: record.DrainServer{ExitS: at(0.1), ExitSignal: "SIGTERM", ThenSent: true, ListenedOn: []int{17}}},
			"no request was sent; nothing connected after the signal; the server did not stop: process 17 listened on until the grace was over",
		},
		{
			"workers listen on",
			record.DrainTry{Server: record.DrainServer{ExitS: at(0.1), ThenSent: true, StillListening: []int{17, 18, 19, 20, 21, 22}}, Restart: &record.DrainRestart{ListensS: at(0.2)}},
			"no request was sent; nothing connected after the signal; the server did not stop: processes 17, 18, 19, 20 and 2 more still listen",
		},
		{
			"interrupted while workers listened",
			record.DrainTry{Server: record.DrainServer{ExitS: at(0.1), StillListening: []int{17}}, Unknown: map[string]string{"server.still_listening": "the run was interrupted"}},
			"no request was sent; nothing connected after the signal",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ScoreLine(&tt.try); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestWorstTry(t *testing.T) {
	if got := WorstTry(nil); got != -1 {
		t.Errorf("of none: %d", got)
	}
	calm := record.DrainTry{Requests: record.DrainRequests{Sent: 9, Completed: 9}}
	lost := func(cut, unsafe int64) record.DrainTry {
		return record.DrainTry{Requests: record.DrainRequests{CutRST: cut, Unsafe: unsafe}}
	}
	for _, tt := range []struct {
		tries []record.DrainTry
		want  int
	}{
		{[]record.DrainTry{calm, calm}, 0},
		{[]record.DrainTry{calm, lost(1, 0), lost(2, 0), lost(2, 1)}, 3},
		{[]record.DrainTry{calm, {Queued: &record.DrainQueued{Reset: 1}}, {Connections: record.DrainConnections{RST: 900}}}, 1},
		{[]record.DrainTry{calm, lost(1, 0), {Requests: record.DrainRequests{Open: 14}}}, 1},
		{[]record.DrainTry{calm, {Requests: record.DrainRequests{Open: 14}}, calm}, 1},
		{[]record.DrainTry{{Listener: record.DrainListener{RefusedWindowS: 1}}, {Listener: record.DrainListener{RefusedWindowS: 2}}}, 1},
	} {
		if got := WorstTry(tt.tries); got != tt.want {
			t.Errorf("%+v: got %d", tt, got)
		}
	}
}
