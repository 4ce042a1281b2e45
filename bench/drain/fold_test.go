package drain

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/process"
	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/sockdiag"
)

// TestTimeline lists events in the order of time, by the words for who was stopped how.
func TestTimeline(t *testing.T) {
	base := times{signal: 100 * ms, concluded: 900 * ms}
	with := func(set func(*evidence)) evidence {
		e := evidence{times: base, journal: &loadgen.Journal{}}
		set(&e)
		return e
	}
	at := func(ms float64) *float64 { return new(ms / 1e3) }
	for _, tt := range []struct {
		name string
		e    evidence
		t    record.DrainTry
		want []string
	}{
		{"nothing", with(func(*evidence) {}), record.DrainTry{}, []string{"signal sent"}},
		{"the signal could not be sent", with(func(e *evidence) { e.server.signalFailed = "no" }), record.DrainTry{}, []string{"the signal could not be sent"}},
		{"by a command", with(func(e *evidence) {
			e.stop.Hook, e.hookEnded, e.exited, e.gone, e.thenSent = "x", 150*ms, 300*ms, 300*ms, 200*ms
		}), record.DrainTry{LastGoneS: at(20)}, []string{
			"stop command started", "last connection gone of those open at the stop", "stop command ended",
			"grace over: signal sent, as the stop command had not ended the server", "the server's process ended",
		}},
		{"others listen on", with(func(e *evidence) { e.exited, e.gone = 110*ms, 400*ms }), record.DrainTry{}, []string{
			"signal sent", "the signalled process ended, and others of the server listen on", "nobody of the old server listens any more",
		}},
		{"restarted", with(func(e *evidence) {
			e.stop.Restart, e.exited, e.gone, e.restarted, e.listening = []string{"x"}, 110*ms, 120*ms, 130*ms, 140*ms
		}), record.DrainTry{Listener: record.DrainListener{FirstRefusalS: at(5), AcceptsAgainS: at(40), LastAcceptS: at(2)}}, []string{
			"signal sent", "last connection accepted before the refusals", "first connection refused", "the signalled process ended",
			"restart command started", "connections accepted again", "the restarted server listens",
		}},
		{"groups and replies", with(func(e *evidence) {
			e.exited, e.gone = 800*ms, 800*ms
			e.journal.Requests = []loadgen.RequestEntry{
				{Fate: loadgen.Answered5xx, Status: 503, Ended: 50 * ms},
				{Fate: loadgen.Answered5xx, Status: 502, Ended: 130 * ms},
				{Fate: loadgen.Answered, Ended: 200 * ms},
				{Fate: loadgen.CutByFIN, Ended: 300 * ms},
				{Fate: loadgen.Answered, Ended: 950 * ms},
			}
		}), record.DrainTry{Groups: []record.DrainGroup{
			{Name: "idle", OpenAtStop: 3, FirstEndS: at(10), LastEndS: at(20)}, {Name: "partial", OpenAtStop: 1, FirstEndS: at(15), LastEndS: at(15)}, {Name: "arrivals"},
		}}, []string{
			"signal sent", "idle: first of 3 open connections ended by the server", "partial: connection ended by the server",
			"idle: last one that it ended", "first reply with a 5xx (502)", "last reply", "the signalled process ended",
		}},
	} {
		j := join(&tt.e)
		var got []string
		for _, m := range j.timeline(&tt.t) {
			got = append(got, m.What)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestUnknown says of what is missing why.
func TestUnknown(t *testing.T) {
	const (
		behind, elsewhere, taken, stayed = "the server is behind what listens on the target", "the server's sockets are not of this host",
			"somebody listened on the port all the time", "the server did not end"
		interrupted = "the run was interrupted"
	)
	ended := &processEvidence{exit: process.Exit{Known: true}}
	for _, tt := range []struct {
		name string
		e    evidence
		left bool
		want map[string]string
	}{
		{"all is known", evidence{times: times{exited: 1}, server: serverEvidence{process: ended, local: true, searched: true}}, false, nil},
		{"connections were left", evidence{times: times{exited: 1}, server: serverEvidence{process: ended, local: true, searched: true}}, true, map[string]string{
			"last_gone_s": "connections that were open at the signal were open still when the watch ended",
		}},
		{"behind", evidence{times: times{exited: 1}, server: serverEvidence{process: ended, local: true, behind: true}}, false, map[string]string{"leftover": behind, "port": behind}},
		{"a command elsewhere", evidence{}, false, map[string]string{
			"leftover": elsewhere, "port": elsewhere, "server.exit_s": "the server was stopped by a command: only its own host knows",
		}},
		{"a command here", evidence{server: serverEvidence{local: true}}, false, map[string]string{
			"leftover": taken, "port": taken, "server.exit_s": "the server was stopped by a command: only its own host knows",
		}},
		{"it stayed", evidence{server: serverEvidence{process: ended, local: true}}, false, map[string]string{"leftover": stayed, "port": stayed}},
		{"it stayed, interrupted", evidence{interrupted: true, stop: Stop{Restart: []string{"x"}}, server: serverEvidence{process: ended, local: true, listening: []int{7}}}, false, map[string]string{
			"leftover": stayed, "port": stayed, "server.exit_s": interrupted, "server.still_listening": interrupted, "restart.listens_s": interrupted,
		}},
		{"handed over", evidence{times: times{exited: 1}, stop: Stop{Handover: true}, server: serverEvidence{process: ended, local: true, searched: true}}, false, map[string]string{"port": "another server has it by then"}},
		{"not our child, no ledger", evidence{times: times{exited: 1}, noLedger: errors.New("no"), server: serverEvidence{process: &processEvidence{}, local: true, searched: true}}, false, map[string]string{
			"server.exit_code": "the process was not started by this run, and this kernel tells only its parent",
			"server.ledger":    "it could not be read: no",
		}},
	} {
		if diff := cmp.Diff(tt.want, tt.e.unknown(tt.left)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestServerRecord tells how the server and the stop command ended.
func TestServerRecord(t *testing.T) {
	for _, tt := range []struct {
		name string
		e    evidence
		want record.DrainServer
	}{
		{"by itself", evidence{times: times{exited: 5e8}, server: serverEvidence{process: &processEvidence{pid: 7, said: "a", exit: process.Exit{Known: true, Code: 3}}}}, record.DrainServer{PID: 7, Said: "a", ExitS: new(0.5), ExitCode: new(3)}},
		{"by a signal", evidence{times: times{exited: 5e8, thenSent: 1}, server: serverEvidence{process: &processEvidence{exit: process.Exit{Known: true, Signal: syscall.SIGKILL}}}}, record.DrainServer{ExitS: new(0.5), ExitSignal: "SIGKILL", ThenSent: true}},
		{"not at all", evidence{server: serverEvidence{process: &processEvidence{}, atGrace: []int{3}}}, record.DrainServer{Stayed: true, ListenedOn: []int{3}}},
		{"a command elsewhere", evidence{times: times{hookEnded: 1e9}, hook: &hookEvidence{said: "b", exit: process.Exit{Known: true, Code: 5}}}, record.DrainServer{ByCommand: true, Said: "b", HookS: new(1.0), HookCode: new(5)}},
		{"a command that was killed", evidence{times: times{hookEnded: 1e9, exited: 1e9}, hook: &hookEvidence{said: "b", exit: process.Exit{Known: true, Signal: 9}}, server: serverEvidence{process: &processEvidence{said: "a"}}}, record.DrainServer{ByCommand: true, Said: "a", HookSaid: "b", HookS: new(1.0), ExitS: new(1.0)}},
		{"a command that goes on", evidence{hook: &hookEvidence{}}, record.DrainServer{ByCommand: true}},
	} {
		if diff := cmp.Diff(tt.want, tt.e.serverRecord()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestLeftover counts what the connections of the try left, and others' TIME_WAITs apart.
func TestLeftover(t *testing.T) {
	before := netip.AddrPortFrom(client.Addr(), 1)
	mine := entryAt(loadgen.ConnEntry{Opened: 10, Ended: 110}, client)
	earlier := entryAt(loadgen.ConnEntry{Opened: 10, Ended: 20}, before)
	socket := func(s sockstate.State) (k sockdiag.Socket) {
		k.State, k.Left = s, 30*time.Second
		return k
	}
	e := evidence{times: times{signal: 100}, journal: &loadgen.Journal{Conns: []loadgen.ConnEntry{earlier, mine}}}
	for _, tt := range []struct {
		name string
		left map[netip.AddrPort]sockdiag.Socket
		want record.DrainLeftover
	}{
		{"not looked at", nil, record.DrainLeftover{}},
		{"nothing", map[netip.AddrPort]sockdiag.Socket{}, record.DrainLeftover{Known: true, States: map[string]int{}}},
		{"its own", map[netip.AddrPort]sockdiag.Socket{client: socket(sockstate.TimeWait)}, record.DrainLeftover{Known: true, States: map[string]int{"TIME_WAIT": 1}, TimeWait: 1, LongestLeftS: 30}},
		{"an orphan", map[netip.AddrPort]sockdiag.Socket{client: socket(sockstate.FinWait2)}, record.DrainLeftover{Known: true, States: map[string]int{"FIN_WAIT_2": 1}, FinWait2: 1}},
		{"of before", map[netip.AddrPort]sockdiag.Socket{before: socket(sockstate.TimeWait)}, record.DrainLeftover{Known: true, States: map[string]int{}, Earlier: 1}},
	} {
		e.server.left = tt.left
		j := join(&e)
		if diff := cmp.Diff(tt.want, j.leftover()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestQueued gives each connection of the accept queue one fate.
func TestQueued(t *testing.T) {
	var conns []loadgen.ConnEntry
	in := make(queue)
	add := func(c loadgen.ConnEntry, queued bool) {
		at := netip.AddrPortFrom(client.Addr(), uint16(1000+len(conns)))
		c.Opened = 50
		if conns = append(conns, entryAt(c, at)); queued {
			in[at] = true
		}
	}
	add(loadgen.ConnEntry{Ended: 150, Requests: 1, End: loadgen.EndByFIN, Outcome: sockstate.OutcomeFIN}, true)
	add(loadgen.ConnEntry{Ended: 150, End: loadgen.EndByRST, Outcome: sockstate.OutcomeCutInRequest}, true)
	add(loadgen.ConnEntry{Ended: 150, End: loadgen.EndByFIN, Outcome: sockstate.OutcomeFIN}, true)
	add(loadgen.ConnEntry{Ended: 250, End: loadgen.EndByClient, Outcome: sockstate.OutcomeRequestTimeout}, true)
	add(loadgen.ConnEntry{Ended: 250, End: loadgen.EndOpen, Outcome: sockstate.OutcomeInterrupted}, true)
	add(loadgen.ConnEntry{Ended: 150, End: loadgen.EndByRST, Outcome: sockstate.OutcomeRSTReceived}, false)
	e := evidence{
		times: times{signal: 100, concluded: 200}, groups: groups{{name: groupQueued, keep: loadgen.KeepIdle, asked: 6}}, queue: in,
		journal: &loadgen.Journal{Conns: conns},
	}
	j := join(&e)
	want := &record.DrainQueued{Asked: 6, Queued: 5, Elsewhere: 1, Served: 1, Reset: 1, FIN: 1, TimedOut: 1, Never: 1}
	if diff := cmp.Diff(want, j.queued()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	e.groups[0].name = groupIdle
	if q := j.queued(); q != nil {
		t.Errorf("%+v without a queued group", q)
	}
}

// TestCounterChecks compares with the kernel's counter where it was read, and counts there alone.
func TestCounterChecks(t *testing.T) {
	const name = "TcpActiveOpens = attempted less failed before a SYN"
	of := func(n int64) sockstate.Counters { return sockstate.Counters{"TcpActiveOpens": n} }
	five := sockstate.Range{Min: 5, Max: 5}
	for _, tt := range []struct {
		name          string
		before, after sockstate.Counters
		own           bool
		want          record.Check
	}{
		{"agrees", of(10), of(15), true, record.Check{Name: name, Want: five, Got: 5, OK: true, Exact: true}},
		{"does not", of(10), of(16), true, record.Check{Name: name, Want: five, Got: 6, Exact: true}},
		{"others count too", of(10), of(16), false, record.Check{Name: name, Want: five, Got: 6, OK: true, Note: "others' connections count in this namespace too"}},
		{"not read", nil, of(15), true, record.Check{Name: name, Want: five, NotRead: "the kernel's counter TcpActiveOpens was not read"}},
	} {
		e := evidence{before: tt.before, after: tt.after, ownCounters: tt.own, journal: &loadgen.Journal{}}
		e.total.Ledger.Attempted, e.total.Ledger.NoSYN = 6, 1
		j := join(&e)
		var c checks
		j.checkCounters(&c)
		if diff := cmp.Diff(checks{tt.want}, c); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestLedgerCheck holds the server's ledger against what was opened, less what was reset in the queue.
func TestLedgerCheck(t *testing.T) {
	for _, tt := range []struct {
		name     string
		ledger   map[string]int64
		restart  []string
		ok, made bool
	}{
		{"none", nil, nil, false, false},
		{"all accepted", map[string]int64{"accepted": 4}, nil, true, true},
		{"one reset in the queue", map[string]int64{"accepted": 3}, nil, true, true},
		{"too few", map[string]int64{"accepted": 2}, nil, false, true},
		{"two servers", map[string]int64{"accepted": 2}, []string{"x"}, false, false},
	} {
		e := evidence{ledger: tt.ledger, stop: Stop{Restart: tt.restart}, probed: 1, journal: &loadgen.Journal{Conns: []loadgen.ConnEntry{{End: loadgen.EndByRST}, {End: loadgen.EndByFIN}}}}
		e.total.Ledger.Opened = 3
		j := join(&e)
		var c checks
		j.checkLedger(&c)
		if len(c) > 0 != tt.made || tt.made && c[0].OK != tt.ok {
			t.Errorf("%s: %+v, want one %v that agrees %v", tt.name, c, tt.made, tt.ok)
		}
	}
}
