package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
	"lastack/sockstate"
)

func TestDrainJSONL(t *testing.T) {
	r := sample(t, "drain-repeat")
	lines := bytes.Split(bytes.TrimSuffix(render(t, "jsonl", r), []byte("\n")), []byte("\n"))
	if len(lines) != len(r.Drain.Tries)+1 {
		t.Fatalf("%d lines, want %d tries and the rest", len(lines), len(r.Drain.Tries))
	}
	for i, want := range r.Drain.Tries {
		var got struct {
			Try int `json:"try"`
			record.DrainTry
		}
		if err := json.Unmarshal(lines[i], &got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got.DrainTry); d != "" || got.Try != i+1 {
			t.Errorf("line %d is of try %d: %s", i+1, got.Try, d)
		}
	}
	rest, err := record.Read(bytes.NewReader(lines[len(lines)-1]))
	if err != nil {
		t.Fatal(err)
	}
	if rest.Drain == nil || len(rest.Drain.Tries) != 0 || rest.Drain.Stop.Repeat != 3 {
		t.Errorf("the rest: %+v", rest.Drain)
	}
	if len(r.Drain.Tries) != 3 {
		t.Error("the caller's record lost its tries")
	}
}

// A reader of one page finds what is meant by the words of its score.
func TestDrainExplains(t *testing.T) {
	hung := sample(t, "drain-hung")
	hung.Drain.Tries[0].Requests.Raced = 1
	page := strings.Join(strings.Fields(string(render(t, "text", hung))), " ")
	for _, want := range []string{"Unsafe: it may have", "arrived after close: the server had closed", "Lost: without a whole reply"} {
		if strings.Count(page, want) != 1 {
			t.Errorf("%q is there %d times", want, strings.Count(page, want))
		}
	}
}

func TestDrainWarnings(t *testing.T) {
	r := sample(t, "drain-repeat")
	for i := range r.Drain.Tries {
		r.Drain.Tries[i].Warnings = []string{"listener: nobody connected", "requests: others"}[:2-min(i, 1)]
	}
	page := string(render(t, "text", r))
	for _, want := range []string{"nobody connected (in 3 of 3 tries)", "others (in try 1)"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
}

// What servers and hooks say comes from elsewhere.
func TestDrainEscapes(t *testing.T) {
	r := sample(t, "drain-restart")
	evil := "\x1b[2J\u202e\x00root# \xff" + strings.Repeat("x", 300)
	try := &r.Drain.Tries[0]
	try.Score, try.Server.Said, try.Order.Reason, try.Groups[0].Name = evil, evil+"\n\n"+evil, evil, evil
	try.Unknown = map[string]string{evil: evil}
	try.Moments[0].What, try.Warnings = evil, []string{evil}
	try.Reconnect.Landed[evil] = 1
	try.Leftover.States[evil], try.Port.Plain = 3, evil
	r.Drain.Stop.Command, r.Drain.Stop.Signal = []string{evil}, evil
	page := render(t, "text", r)
	checkPage(t, page)
	if bytes.ContainsAny(page, "\x1b\u202e") {
		t.Error("an escape got through")
	}
}

func TestDrainProgress(t *testing.T) {
	var b bytes.Buffer
	DrainPhase(&b, 1, 1, "the load is complete: 1,120 connections open")
	DrainPhase(&b, 3, 20, "SIGTERM\x1b[2J\n"+strings.Repeat("x", 200))
	lines := strings.Split(b.String(), "\n")
	if len(lines) != 3 || lines[0] != "the load is complete: 1,120 connections open" || !strings.HasPrefix(lines[1], "try  3 of 20: SIGTERM\\x1b[2J x") || !strings.HasSuffix(lines[1], "x…") {
		t.Errorf("%q", lines)
	}
	checkPage(t, b.Bytes())
	DrainPhase(brokenWriter{}, 1, 1, "nobody listens")
}

// What a page says of a try, and what it does not.
func TestDrainSays(t *testing.T) {
	tests := []struct {
		name     string
		change   func(*record.Run, *record.DrainTry)
		want     []string
		wantNone []string
	}{
		{
			"reload",
			func(r *record.Run, _ *record.DrainTry) { r.Drain.Stop.Signal, r.Drain.Stop.Then = "SIGHUP", "" },
			[]string{"after 1 s of load; a reload: it should stay"},
			[]string{"to end"},
		},
		{
			"upgrade",
			func(r *record.Run, _ *record.DrainTry) { r.Drain.Stop.Signal, r.Drain.Stop.Then = "SIGUSR2", "" },
			[]string{"after 1 s of load; a reload: it should stay"},
			[]string{"to end"},
		},
		{"stayed", func(_ *record.Run, try *record.DrainTry) { try.Server = record.DrainServer{Stayed: true} }, []string{"did not end: it was still running when the watch ended"}, []string{"reloads"}},
		{
			"stayed, interrupted",
			func(r *record.Run, try *record.DrainTry) {
				r.Interrupted, try.Server = true, record.DrainServer{Stayed: true, ThenSent: true}
			},
			[]string{"did not end: it was still running when the run was interrupted"},
			[]string{"outlived"},
		},
		{"one listens on", func(_ *record.Run, try *record.DrainTry) { try.Server.StillListening = []int{7} }, []string{"exit code 0, but process 7 still held its listening socket when the watch ended: the server did not stop"}, nil},
		{"no restart was asked for", func(*record.Run, *record.DrainTry) {}, nil, []string{"RESTART"}},
		{
			"restart failed",
			func(_ *record.Run, try *record.DrainTry) { try.Restart = &record.DrainRestart{Failed: "exit code 1"} },
			[]string{"started - it was not started", "listens - not on the target when the watch ended", "failed yes exit code 1"},
			nil,
		},
		{"think", func(r *record.Run, _ *record.DrainTry) { r.Plan.Groups[1].Exchange = "http:/slow" }, []string{"20 that send one request after the other, 10 ms apart (http:/slow);", "in progress when the stop began 0 11 4 15"}, []string{"in flight"}},
		{"no think", func(r *record.Run, _ *record.DrainTry) {
			r.Plan.Groups[1].ThinkNs, r.Plan.Groups[1].Exchange = 0, "http:/slow"
		}, []string{"20 that send one request after the other (http:/slow);"}, nil},
		{
			"nobody came back",
			func(_ *record.Run, try *record.DrainTry) {
				try.Reconnect = record.DrainReconnect{Clients: 3, Failed: 3}
			},
			[]string{"had none at the end 3 it never came"},
			[]string{"lost again"},
		},
		{
			"came back and lost it",
			func(_ *record.Run, try *record.DrainTry) {
				try.Reconnect = record.DrainReconnect{Clients: 3, Failed: 1, Landed: map[string]int64{"new": 2}, FirstS: at(0.1)}
			},
			[]string{"landed: new 2 processes that came after the stop began", "had none at the end 1 it never came, or was lost again"},
			nil,
		},
		{"arrivals", func(*record.Run, *record.DrainTry) {}, []string{"at 200 arrivals/s every 5.00 ms", "2.02 s at least: from the first refusal", "no reply for the last 2.02 s of the watch"}, nil},
		{"no arrivals", func(r *record.Run, _ *record.DrainTry) { r.Plan.Groups = r.Plan.Groups[:2] }, []string{"without arrivals, when clients reconnect"}, []string{"arrivals/s every"}},
		{
			"queue that does not add up",
			func(_ *record.Run, try *record.DrainTry) {
				try.Queued = &record.DrainQueued{Asked: 9, Queued: 9, Served: 8}
			},
			[]string{"! 1 queued connections have no fate"},
			[]string{"elsewhere"},
		},
		{
			"none was open",
			func(_ *record.Run, try *record.DrainTry) {
				for i := range try.Groups {
					try.Groups[i].OpenAtStop = 0
				}
				try.LastGoneS = nil
			},
			nil,
			[]string{"the last connection that was open"},
		},
		{
			"some are open still",
			func(_ *record.Run, try *record.DrainTry) {
				try.LastGoneS, try.Unknown = nil, map[string]string{"last_gone_s": "they were open still"}
				try.Connections.Never, try.Connections.FIN = 12, try.Connections.FIN-12
			},
			[]string{"was gone: not while clients were watched: 12 were open still"},
			[]string{"NOT KNOWN"},
		},
		{
			"nobody connected",
			func(_ *record.Run, try *record.DrainTry) { try.Listener = record.DrainListener{} },
			[]string{"last accept - nobody connected"},
			[]string{"never ceased"},
		},
		{
			"SYNs dropped",
			func(_ *record.Run, try *record.DrainTry) {
				try.Listener = record.DrainListener{Attempts: 9, TimedOut: 6, Pending: 3}
			},
			[]string{"last accept - no connect was answered", "no answer yet 3 when the load ended"},
			[]string{"never ceased"},
		},
		{
			"a launcher keeps the listener",
			func(_ *record.Run, try *record.DrainTry) {
				try.Listener = record.DrainListener{Attempts: 9, Opened: 9, Unserved: 9, UnservedFromS: at(0.001)}
			},
			[]string{"handshakes by the kernel; from +1.00 ms on no process was seen accepting", "not served 9 accepted by the kernel"},
			[]string{"never ceased"},
		},
		{
			"cut off before any reply",
			func(_ *record.Run, try *record.DrainTry) {
				try.Listener = record.DrainListener{Attempts: 9, Opened: 9, Undecided: 9}
			},
			[]string{"whether a process accepted is not known", "not known 9 accepted by the kernel"},
			[]string{"never ceased", "not served", "no process was seen"},
		},
		{
			"cut off after replies",
			func(_ *record.Run, try *record.DrainTry) {
				try.Listener = record.DrainListener{Attempts: 9, Opened: 9, Undecided: 2}
			},
			[]string{"it never stopped accepting, as far as was seen", "not known 2 accepted by the kernel"},
			[]string{"not served"},
		},
		{
			"tries of which it is not known what they lost",
			func(r *record.Run, try *record.DrainTry) {
				lost, open := *try, *try
				lost.Requests.CutRST, open.Requests.Open = 3, 14
				r.Drain.Tries = []record.DrainTry{*try, open, lost}
			},
			[]string{"1 of 3 tries lost no request; of 1 it is not known", "what follows is of try 3"},
			nil,
		},
		{
			"some without a reply",
			func(_ *record.Run, try *record.DrainTry) { try.Requests.TimedOut, try.Requests.Open = 2, 1 },
			[]string{"the slowest reply took 18.2 ms, and 3 requests had none"},
			nil,
		},
		{"5xx", func(_ *record.Run, try *record.DrainTry) { try.Slices[12].Answered5xx = 7 }, []string{"peak 7, 7 in all"}, nil},
		{"no 5xx", func(*record.Run, *record.DrainTry) {}, nil, []string{"answered 5xx ·"}},
		{
			"a signal that could not be sent",
			func(_ *record.Run, try *record.DrainTry) {
				try.Server = record.DrainServer{Stayed: true, SignalFailed: "EPERM"}
			},
			[]string{"signal EPERM"},
			nil,
		},
		{
			"what is not known",
			func(_ *record.Run, try *record.DrainTry) {
				try.Queued, try.Restart, try.Reconnect = nil, nil, record.DrainReconnect{}
				try.Unknown = map[string]string{"queued": "no census", "restart": "interrupted", "reconnect": "no journal"}
			},
			[]string{"QUEUED not known: no census", "RESTART not known: interrupted", "RECONNECT not known: no journal"},
			nil,
		},
		{"no latency that says something", func(r *record.Run, _ *record.DrainTry) {
			for _, name := range []string{"lag", "connect", "exchange"} {
				delete(r.Latency, name)
			}
		}, nil, []string{"LATENCY", "lifecycle"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := sample(t, "drain-nginx-quit")
			tt.change(r, &r.Drain.Tries[0])
			page := render(t, "text", r)
			checkPage(t, page)
			words := strings.Join(strings.Fields(string(page)), " ")
			for _, want := range tt.want {
				if !strings.Contains(words, want) {
					t.Errorf("no %q in\n%s", want, page)
				}
			}
			for _, none := range tt.wantNone {
				if strings.Contains(words, none) {
					t.Errorf("%q in\n%s", none, page)
				}
			}
		})
	}
}

func TestSaidWords(t *testing.T) {
	for _, tt := range []struct {
		said string
		want []string
	}{
		{"", nil},
		{"\n \n", nil},
		{"a\nb\n", []string{"a", "b"}},
		{"a\n\na \nb\na", []string{"a (2 times)", "b", "a"}},
		{"a\na\nb\nc\n1\n2\n3\n4\n5\n6\n7\n8\n8\n", []string{"(4 lines before)", "1", "2", "3", "4", "5", "6", "7", "8 (2 times)"}},
		{strings.Repeat(strings.Repeat("x", 50)+"\n", 100), []string{strings.Repeat("x", 50) + " (100 times)"}},
	} {
		if d := cmp.Diff(tt.want, saidWords(tt.said)); d != "" {
			t.Errorf("%q: %s", tt.said, d)
		}
	}
}

func TestAgreed(t *testing.T) {
	ok, bad := check("a", 1), check("b", 1)
	bad.Got, bad.OK = 2, false
	off := record.Check{Want: sockstate.Range{Min: 1, Max: 1}, Got: 2, OK: true}
	near := record.Check{Want: sockstate.Range{Min: 1, Max: 1}, Got: 1, OK: true}
	for _, tt := range []struct {
		checks []record.Check
		want   string
	}{
		{[]record.Check{ok}, "counts agree: 1 of 1"},
		{[]record.Check{ok, near}, "counts agree: 2 of 2"},
		{[]record.Check{ok, ok, off}, "counts agree: 2 of 2, 1 cannot be compared"},
		{[]record.Check{ok, off, off}, "counts agree: 1 of 1, 2 cannot be compared"},
		{[]record.Check{ok, bad, off}, "counts: 1 of 2 DO NOT AGREE, 1 cannot be compared"},
		{[]record.Check{off}, "counts: it cannot be compared"},
		{[]record.Check{off, off}, "counts: none of them can be compared"},
	} {
		if got, _ := agreed("counts", tt.checks); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

// What to look at next is said of what was worst for clients.
func TestNext(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*record.DrainStop, *record.DrainTry)
		want   []string // nothing if empty
	}{
		{"nothing", func(*record.DrainStop, *record.DrainTry) {}, nil},
		{"5xx", func(_ *record.DrainStop, try *record.DrainTry) {
			try.Requests.Answered5xx, try.Connections.Never = 243, 5
		}, []string{"243 requests were answered 5xx: have the server answer what it accepts", "connections outlived the watch"}},
		{"5xx of a proxy", func(stop *record.DrainStop, try *record.DrainTry) {
			stop.Also, try.Requests.Answered5xx = [][]string{{"haproxy"}}, 1
		}, []string{"1 request was answered 5xx: take the server out of what runs in front of it"}},
		{"cut, unsafe", func(_ *record.DrainStop, try *record.DrainTry) {
			try.Requests.CutRST, try.Requests.Unsafe, try.Listener.Refused = 2, 1, 3
		}, []string{"the server closed on requests that it may have begun", "try --restart, or --handover"}},
		{"cut, safe", func(_ *record.DrainStop, try *record.DrainTry) { try.Requests.CutFIN, try.Requests.Safe = 2, 2 }, []string{"safe to send again"}},
		{"without a reply", func(_ *record.DrainStop, try *record.DrainTry) {
			try.Requests.TimedOut, try.Requests.Unsafe = 2, 2
		}, []string{"requests had no reply in time"}},
		{"not valid", func(_ *record.DrainStop, try *record.DrainTry) { try.Requests.Other, try.Requests.Unsafe = 2, 2 }, []string{"replies were not what --exchange expects"}},
		{"queue", func(_ *record.DrainStop, try *record.DrainTry) { try.Queued = &record.DrainQueued{Queued: 3, Reset: 3} }, []string{"the closed listener reset its queue"}},
		{"restart failed", func(stop *record.DrainStop, try *record.DrainTry) {
			stop.Restart, try.Restart, try.Listener.Refused = []string{"x"}, &record.DrainRestart{Failed: "exit code 1"}, 9
		}, []string{"the restart failed: see what it wrote (-v)"}},
		{"late restart", func(stop *record.DrainStop, try *record.DrainTry) {
			stop.Restart, try.Restart, try.Listener.Refused = []string{"x"}, &record.DrainRestart{}, 9
		}, []string{"--handover starts the new server before the signal"}},
		{"no answer", func(_ *record.DrainStop, try *record.DrainTry) { try.Listener.TimedOut = 2 }, []string{"connects had no answer in time"}},
		{"no route", func(_ *record.DrainStop, try *record.DrainTry) { try.Listener.Unreachable = 2 }, []string{"connects met no route"}},
		{"unserved", func(_ *record.DrainStop, try *record.DrainTry) { try.Listener.Unserved = 2 }, []string{"by the kernel, but by no process"}},
		{"reload", func(_ *record.DrainStop, try *record.DrainTry) { try.Server.EndedByReload = true }, []string{"the server ended instead of reloading"}},
		{"listens on", func(_ *record.DrainStop, try *record.DrainTry) { try.Server.StillListening = []int{7} }, []string{"a process of the server kept the listening socket"}},
		{"second signal", func(_ *record.DrainStop, try *record.DrainTry) { try.Server.ThenSent = true }, []string{"the server did not end in time"}},
		{"undecided", func(_ *record.DrainStop, try *record.DrainTry) { try.Requests.Open = 1 }, []string{"requests or connects were undecided"}},
	} {
		try := record.DrainTry{}
		d := &drainView{run: &record.Run{}, drain: &record.Drain{}, try: &try, n: 1}
		tt.change(&d.drain.Stop, &try)
		s := d.next()
		if s == nil || len(tt.want) == 0 {
			if s != nil || len(tt.want) > 0 {
				t.Errorf("%s: got %v, want %q", tt.name, s, tt.want)
			}
			continue
		}
		got := words(t, s)
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in %q", tt.name, want, got)
			}
		}
		if len(tt.want) == 1 && len(s.Blocks) > 0 {
			t.Errorf("%s: %q, want one sentence", tt.name, got)
		}
	}
}
