package main

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/lab"
	"lastack/bench/record"
	"lastack/sockstate/socktest/golden"
)

func TestEntries(t *testing.T) {
	var ids, servers []string
	for _, e := range entries() {
		ids = append(ids, e.ID)
		servers = append(servers, e.Server.ID)
		if !strings.HasPrefix(e.ID, e.Server.ID+"-") {
			t.Errorf("%s is of %s", e.ID, e.Server.ID)
		}
		if len(e.Sources) == 0 {
			t.Errorf("%s: expected after nothing", e.ID)
		}
		for c := range columns {
			if len(e.Expected[c]) == 0 && (c != colPort || !e.Reload) {
				t.Errorf("%s expects nothing of %s", e.ID, c)
			}
		}
		for _, d := range e.Notes {
			if d.Why == "" || d.Source == "" {
				t.Errorf("%s: a note without reason or source: %+v", e.ID, d)
			}
			for _, f := range d.Fates {
				if slices.Contains(e.Expected[d.Column], f) {
					t.Errorf("%s explains %s %q, which is expected", e.ID, d.Column, f)
				}
			}
		}
	}
	if slices.Sort(ids); len(slices.Compact(ids)) != len(entries()) {
		t.Errorf("an ID twice in %q", ids)
	}
	if slices.Sort(servers); len(slices.Compact(servers)) < 6 {
		t.Errorf("fewer than six servers: %q", servers)
	}
}

// TestPrepare renders every server's files and command.
func TestPrepare(t *testing.T) {
	for _, e := range entries() {
		dir := t.TempDir()
		p := site{
			Dir: dir, Program: "/usr/sbin/" + e.Server.ID, Modules: "/usr/lib/apache2/modules", Mode: e.Mode,
			Addr: netip.MustParseAddrPort("127.0.0.1:8080"),
		}
		command, err := e.Server.prepare(p)
		if err != nil {
			t.Errorf("%s: %v", e.ID, err)
			continue
		}
		all := strings.Join(command, " ")
		for name := range e.Server.Files {
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil || len(text) == 0 {
				t.Errorf("%s: %s: %d bytes, %v", e.ID, name, len(text), err)
			}
			all += string(text)
		}
		if !strings.Contains(all, "8080") || e.Mode != "" && !strings.Contains(all, e.Mode) {
			t.Errorf("%s: neither command nor files name the port and the mode: %q", e.ID, command)
		}
		if strings.Contains(all, "{{") || strings.Contains(all, "<no value>") {
			t.Errorf("%s: a template is left in\n%s", e.ID, all)
		}
	}
}

func TestJudge(t *testing.T) {
	slow := note{Column: colInFlight, Fates: []fate{unanswered}, Why: "it waits", Source: "wait"}
	ends := note{Column: colInFlight, Fates: []fate{cut, answered5xx}, Why: "it does not", Source: "exit"}
	remark := note{Column: colNew, Why: "soon", Source: "close"}
	elsewhere := note{Column: colIdle, Fates: []fate{timedOut}, Why: "-", Source: "-"}
	e := entry{Expected: drained.but(colPort), Notes: []note{slow, ends, elsewhere, remark}}
	for _, tt := range []struct {
		name   string
		column column
		tally  tally
		want   judgement
		notes  []*note
	}{
		{"nothing observed", colInFlight, nil, unobserved, nil},
		{"nothing expected", colPort, tally{{portFree, 3}}, unobserved, nil},
		{"as expected", colInFlight, tally{{answered, 50}, {answeredClose, 10}}, asExpected, nil},
		{"explained", colInFlight, tally{{answered, 50}, {cut, 10}}, explained, []*note{&ends}},
		{"explained twice", colInFlight, tally{{cut, 50}, {unanswered, 10}}, explained, []*note{&slow, &ends}},
		{"in part", colInFlight, tally{{cut, 50}, {timedOut, 1}}, unexplained, []*note{&ends}},
		{"explained elsewhere", colInFlight, tally{{timedOut, 1}}, unexplained, nil},
		{"neither", colNew, tally{{accepted, 3}}, unexplained, []*note{&remark}},
		{"with a remark", colNew, tally{{refused, 3}}, asExpected, []*note{&remark}},
	} {
		got, notes := e.judge(tt.column, tt.tally)
		if diff := cmp.Diff(tt.notes, notes); got != tt.want || diff != "" {
			t.Errorf("%s: %v, want %v\n%s", tt.name, got, tt.want, diff)
		}
	}
}

func at(s float64) *float64 { return &s }

// try is one stop of a server that answers its 20 requests in flight, and loses what raced.
func try(exit float64, raced int64) record.DrainTry {
	code := 0
	return record.DrainTry{
		Server:   record.DrainServer{ExitS: at(exit), ExitCode: &code},
		Listener: record.DrainListener{Attempts: 400, Refused: 380, FirstRefusalS: at(exit / 1000)},
		Groups: []record.DrainGroup{
			{Name: "idle", Connections: record.DrainConnections{Opened: 200, FIN: 199, RST: 1}},
			{Name: "in-flight", Requests: record.DrainRequests{Sent: 20 + raced, CompletedClose: 20, CutRST: raced, Safe: raced}},
			{Name: "arrivals", Requests: record.DrainRequests{Sent: 20, Completed: 18, CutRST: 2}},
		},
		Port: record.DrainPort{Plain: "EADDRINUSE", Reuse: "ok"},
	}
}

func drainRun(tries ...record.DrainTry) *record.Run {
	return &record.Run{
		Schema: record.Schema, Kind: record.KindDrain, Version: "v1", Drain: &record.Drain{Tries: tries},
		Verdict: record.Verdict{Valid: true},
	}
}

func TestObserve(t *testing.T) {
	load := drainRun(try(1.5, 0), try(1.7, 3), try(1.6, 0))
	queued := drainRun(record.DrainTry{Queued: &record.DrainQueued{Asked: 20, Queued: 20, Reset: 20}})
	got, err := observe(load, queued)
	if err != nil {
		t.Fatal(err)
	}
	want := observation{Tries: 3, Arrivals: 60, ArrivalsLost: 6}
	want.Cells = [columns]cell{
		colQueued:   {Tally: tally{{rst, 20}}},
		colIdle:     {Tally: tally{{fin, 597}, {rst, 3}}},
		colInFlight: {Tally: tally{{answeredClose, 60}}},
		colRaced:    {Tally: tally{{raced, 3}}, Detail: "3 of 63 requests"},
		colNew:      {Tally: tally{{refused, 3}}, Detail: "refused from 1.60 ms on"},
		colExit:     {Tally: tally{{exitOK, 3}}, Detail: "exit 0 after 1.60 s"},
		colPort:     {Tally: tally{{portReuse, 3}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestObserveFates(t *testing.T) {
	code := 1
	odd := drainRun(
		record.DrainTry{
			Server:   record.DrainServer{Stayed: true},
			Listener: record.DrainListener{Attempts: 10},
			Groups:   []record.DrainGroup{{Name: "idle", Connections: record.DrainConnections{Never: 4, Other: 1}}},
			Port:     record.DrainPort{Plain: "ok"},
		},
		record.DrainTry{
			Server:   record.DrainServer{ExitSignal: "SIGTERM"},
			Listener: record.DrainListener{Attempts: 10, Refused: 2, AcceptsAgainS: at(1), RefusedWindowS: 0.5},
			Groups:   []record.DrainGroup{{Name: "in-flight", Requests: record.DrainRequests{CutFIN: 3, TimedOut: 2, Open: 1}}},
			Port:     record.DrainPort{Plain: "EADDRINUSE", Reuse: "EADDRINUSE"},
		},
		record.DrainTry{Server: record.DrainServer{ExitCode: &code}, Listener: record.DrainListener{Attempts: 10, TimedOut: 1}},
		record.DrainTry{Server: record.DrainServer{ThenSent: true, ExitSignal: "SIGKILL"}},
		record.DrainTry{},
	)
	odd.Verdict = record.Verdict{Reasons: []string{"the loops lagged"}}
	odd.Drain.Tries[1].Accounting = []record.Check{{Name: "requests", OK: true}, {Name: "packets"}}
	got, err := observe(odd, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := observation{Tries: 5, Doubts: []string{"the loops lagged", "try 2: packets does not hold"}}
	want.Cells = [columns]cell{
		colIdle:     {Tally: tally{{staysOpen, 4}, {other, 1}}},
		colInFlight: {Tally: tally{{cut, 3}, {timedOut, 2}, {unanswered, 1}}},
		colRaced:    {Tally: tally{{none, 5}}},
		colNew:      {Tally: tally{{accepted, 1}, {refusedFor, 1}, {timedOut, 1}}},
		colExit:     {Tally: tally{{stays, 1}, {bySignal, 1}, {exitCode(1), 1}, {killedLate, 1}, {other, 1}}},
		colPort:     {Tally: tally{{portFree, 1}, {portTaken, 1}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := observe(&record.Run{}, nil); !errors.Is(err, errNoDrain) {
		t.Errorf("a record of another kind: %v", err)
	}
}

func TestTable(t *testing.T) {
	why := note{Column: colIdle, Fates: []fate{rst}, Why: "A request that crosses the FIN meets a closed socket.", Source: "tcp_close"}
	quit := entry{ID: "nginx-quit", Server: nginx, Signal: "QUIT", Expected: drained, Sources: []string{"the manual", "the source"}, Notes: []note{why}}
	term := entry{ID: "nginx-term", Server: nginx, Signal: "TERM", Expected: gone, Sources: []string{"the manual"}}
	stop := entry{
		ID: "go-shutdown", Server: goServer, Mode: modeGraceful, How: "Shutdown", Signal: "TERM",
		Expected: drained.but(colRaced, none), Sources: []string{"the source"}, Notes: []note{why},
	}
	var rows []row
	for _, r := range []struct {
		entry        *entry
		load, queued *record.Run
	}{
		{&quit, drainRun(try(1.5, 0), try(1.7, 3)), drainRun(record.DrainTry{Queued: &record.DrainQueued{Reset: 20}})},
		{&term, drainRun(try(0.01, 0)), drainRun(record.DrainTry{Queued: &record.DrainQueued{Reset: 12, Served: 8}})},
		{&stop, drainRun(try(1.5, 1)), nil},
	} {
		o, err := observe(r.load, r.queued)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row{r.entry, o})
	}
	rows[2].Observed.Doubts = []string{"the loops lagged."}
	facts := facts{
		Lastack: "v1", Kernel: "6.18.44", CPUs: 2, Date: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC),
		Versions: []lab.Version{{Program: "nginx", Version: "1.22.1"}, {Program: "Go net/http", Version: "1.26.8"}}, Load: "clients: a few",
	}
	var got bytes.Buffer
	if err := writeTable(&got, facts, rows, []lab.Absence{{Name: "lighttpd, INT", Reason: "it is not installed"}}); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, filepath.Join("testdata", "table.md"), got.String())
}
