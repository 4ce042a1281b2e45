package gallery

import (
	"bytes"
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestEntries(t *testing.T) {
	var ids, servers []string
	for _, e := range Entries() {
		ids = append(ids, e.ID)
		servers = append(servers, e.Server.ID)
		if !strings.HasPrefix(e.ID, e.Server.ID+"-") {
			t.Errorf("%s is of %s", e.ID, e.Server.ID)
		}
		if len(e.Sources) == 0 {
			t.Errorf("%s: expected after nothing", e.ID)
		}
		for c := range columns {
			if len(e.Expected[c]) == 0 && (c != Port || !e.Reload) {
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
	if slices.Sort(ids); len(slices.Compact(ids)) != len(Entries()) {
		t.Errorf("an ID twice in %q", ids)
	}
	if slices.Sort(servers); len(slices.Compact(servers)) < 6 {
		t.Errorf("fewer than six servers: %q", servers)
	}
}

// TestPrepare renders every server's files and command.
func TestPrepare(t *testing.T) {
	for _, e := range Entries() {
		dir := t.TempDir()
		p := Place{
			Dir: dir, Program: "/usr/sbin/" + e.Server.ID, Modules: "/usr/lib/apache2/modules", Mode: e.Mode,
			Addr: netip.MustParseAddrPort("127.0.0.1:8080"),
		}
		command, err := e.Server.Prepare(p)
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
	slow := Note{Column: InFlight, Fates: []Fate{Unanswered}, Why: "it waits", Source: "wait"}
	cut := Note{Column: InFlight, Fates: []Fate{Cut, Answered5xx}, Why: "it does not", Source: "exit"}
	remark := Note{Column: New, Why: "soon", Source: "close"}
	elsewhere := Note{Column: Idle, Fates: []Fate{TimedOut}, Why: "-", Source: "-"}
	e := Entry{Expected: drained.but(Port), Notes: []Note{slow, cut, elsewhere, remark}}
	for _, tt := range []struct {
		name   string
		column Column
		tally  Tally
		want   Judgement
		notes  []*Note
	}{
		{"nothing observed", InFlight, nil, Unobserved, nil},
		{"nothing expected", Port, Tally{{PortFree, 3}}, Unobserved, nil},
		{"as expected", InFlight, Tally{{Answered, 50}, {AnsweredClose, 10}}, AsExpected, nil},
		{"explained", InFlight, Tally{{Answered, 50}, {Cut, 10}}, Explained, []*Note{&cut}},
		{"explained twice", InFlight, Tally{{Cut, 50}, {Unanswered, 10}}, Explained, []*Note{&slow, &cut}},
		{"in part", InFlight, Tally{{Cut, 50}, {TimedOut, 1}}, Unexplained, []*Note{&cut}},
		{"explained elsewhere", InFlight, Tally{{TimedOut, 1}}, Unexplained, nil},
		{"neither", New, Tally{{Accepted, 3}}, Unexplained, []*Note{&remark}},
		{"with a remark", New, Tally{{Refused, 3}}, AsExpected, []*Note{&remark}},
	} {
		got, notes := e.Judge(tt.column, tt.tally)
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
	got, err := Observe(load, queued)
	if err != nil {
		t.Fatal(err)
	}
	want := Observed{Tries: 3, Arrivals: 60, ArrivalsLost: 6}
	want.Cells = [columns]Cell{
		Queued:   {Tally: Tally{{RST, 20}}},
		Idle:     {Tally: Tally{{FIN, 597}, {RST, 3}}},
		InFlight: {Tally: Tally{{AnsweredClose, 60}}},
		Racing:   {Tally: Tally{{Raced, 3}}, Detail: "3 of 63 requests"},
		New:      {Tally: Tally{{Refused, 3}}, Detail: "refused from 1.60 ms on"},
		Exit:     {Tally: Tally{{ExitOK, 3}}, Detail: "exit 0 after 1.60 s"},
		Port:     {Tally: Tally{{PortReuse, 3}}},
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
	got, err := Observe(odd, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Observed{Tries: 5, Doubts: []string{"the loops lagged", "try 2: packets does not hold"}}
	want.Cells = [columns]Cell{
		Idle:     {Tally: Tally{{Open, 4}, {other, 1}}},
		InFlight: {Tally: Tally{{Cut, 3}, {TimedOut, 2}, {Unanswered, 1}}},
		Racing:   {Tally: Tally{{None, 5}}},
		New:      {Tally: Tally{{Accepted, 1}, {RefusedFor, 1}, {TimedOut, 1}}},
		Exit:     {Tally: Tally{{Stays, 1}, {BySignal, 1}, {ExitCode(1), 1}, {KilledLate, 1}, {other, 1}}},
		Port:     {Tally: Tally{{PortFree, 1}, {PortTaken, 1}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := Observe(&record.Run{}, nil); !errors.Is(err, ErrNoDrain) {
		t.Errorf("a record of another kind: %v", err)
	}
}

func TestTable(t *testing.T) {
	why := Note{Column: Idle, Fates: []Fate{RST}, Why: "A request that crosses the FIN meets a closed socket.", Source: "tcp_close"}
	quit := Entry{ID: "nginx-quit", Server: nginx, Signal: "QUIT", Expected: drained, Sources: []string{"the manual", "the source"}, Notes: []Note{why}}
	term := Entry{ID: "nginx-term", Server: nginx, Signal: "TERM", Expected: gone, Sources: []string{"the manual"}}
	stop := Entry{
		ID: "go-shutdown", Server: goServer, Mode: ModeGraceful, How: "Shutdown", Signal: "TERM",
		Expected: drained.but(Racing, None), Sources: []string{"the source"}, Notes: []Note{why},
	}
	var rows []Row
	for _, r := range []struct {
		entry        *Entry
		load, queued *record.Run
	}{
		{&quit, drainRun(try(1.5, 0), try(1.7, 3)), drainRun(record.DrainTry{Queued: &record.DrainQueued{Reset: 20}})},
		{&term, drainRun(try(0.01, 0)), drainRun(record.DrainTry{Queued: &record.DrainQueued{Reset: 12, Served: 8}})},
		{&stop, drainRun(try(1.5, 1)), nil},
	} {
		o, err := Observe(r.load, r.queued)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, Row{r.entry, o})
	}
	rows[2].Observed.Doubts = []string{"the loops lagged."}
	facts := Facts{
		Lastack: "v1", Kernel: "6.18.44", CPUs: 2, Date: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC),
		Versions: []Version{{"nginx", "1.22.1"}, {"Go net/http", "1.26.8"}}, Load: "clients: a few",
	}
	var got bytes.Buffer
	if err := Table(&got, facts, rows, []Absence{{"lighttpd, INT", "it is not installed"}}); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "table.md")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Error(diff)
	}
}
