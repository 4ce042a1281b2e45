package handshake

import (
	"cmp"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"lastack/bench/ladder"
	"lastack/bench/record"
	"lastack/sockstate"
	"lastack/sockstate/teardown"
)

// inferred replays a ladder's packets to the machine of a side, and returns its path.
func inferred(t *testing.T, l *record.Ladder, side sockstate.Side) string {
	t.Helper()
	type event struct {
		at     float64
		sent   bool
		packet ladder.Packet
	}
	var events []event
	for i := range l.Packets {
		p := &l.Packets[i]
		decoded, ok := ladder.Decode(p.Raw)
		if !ok {
			t.Fatalf("packet %d is not decoded", i+1)
		}
		switch {
		case p.From == side.String():
			events = append(events, event{p.AtS, true, decoded})
		case p.ArrivedS != nil:
			events = append(events, event{*p.ArrivedS, false, decoded})
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	m := ladder.Machine{State: [...]sockstate.State{sockstate.Closed, sockstate.Listen}[side]}
	e := record.LadderEnd{States: []record.LadderState{{State: m.State.String()}}}
	for i := range events {
		if events[i].sent {
			m.Sent(&events[i].packet)
		} else {
			m.Received(&events[i].packet)
		}
		if last := e.States[len(e.States)-1].State; last != m.State.String() {
			e.States = append(e.States, record.LadderState{State: m.State.String()})
		}
	}
	return path(&e)
}

// mustFollow holds that what is inferred from the packets is what the kernel says of both ends.
func mustFollow(t *testing.T, l *record.Ladder) {
	t.Helper()
	for side, e := range []*record.LadderEnd{&l.Client, &l.Server} {
		if got, want := inferred(t, l, sockstate.Side(side)), path(e); !like(got, want) {
			t.Errorf("%v: inferred %s, the kernel's are %s", sockstate.Side(side), got, want)
		}
	}
}

// Against a server somewhere else, the client's half is seen, and the other one inferred.
func TestTarget(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return // the test is over
			}
			_, _ = io.Copy(io.Discard, c) // until the client closes
			_ = c.Close()
		}
	}()
	target := listener.Addr().(*net.TCPAddr).AddrPort()
	var verdict record.Verdict
	aim := func(s Spec) *record.Ladder {
		t.Helper()
		setup, err := Resolve(s)
		if err != nil {
			t.Fatal(err)
		}
		run, err := Watch(t.Context(), []Setup{setup}, 1, func(record.Event) {})
		if err != nil {
			t.Fatal(err)
		}
		if run.Sandbox.Mode != "off" {
			t.Errorf("sandbox %+v", run.Sandbox)
		}
		verdict = run.Verdict
		return &run.Handshake.Ladders[0]
	}
	refused := func() *record.Ladder {
		t.Helper()
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		l := aim(Spec{Target: target})
		if verdict.Valid || len(verdict.Reasons) != 1 || !strings.HasPrefix(verdict.Reasons[0], target.String()+" refused the connection") {
			t.Errorf("verdict %+v", verdict)
		}
		return l
	}
	l := aim(Spec{Target: target, Close: teardown.Policy{How: teardown.Half}})
	if l.Server.Seen == record.SeenNot {
		if got := path(&l.Client); !strings.HasSuffix(got, "TIME_WAIT") || l.Client.Seen != record.SeenSampled || len(l.Server.States)+len(l.Packets) > 0 {
			t.Errorf("client %s (%s), server %+v", got, l.Client.Seen, l.Server)
		}
		refused()
		return
	}
	check(t, l)
	if !verdict.Valid || l.Link != "lo" || time.Since(l.Started).Abs() > time.Minute {
		t.Errorf("verdict %+v, link %q, started %v", verdict, l.Link, l.Started)
	}
	for i := range l.Steps {
		if s := &l.Steps[i]; s.Side == "server" && strings.Contains(s.Text, "close()") {
			t.Errorf("nobody saw how the server closed: %s", s.Text)
		}
	}
	mustHave(t, l, "", "client syn", "server syn_ack", "client open", "client fin_half", "server fin_merged", "client last_ack")
	if l.Server.Seen != record.SeenInferred || l.Client.Seen != record.SeenByDiag || l.Server.Address != target.String() {
		t.Errorf("server %s (%s), client %s", l.Server.Address, l.Server.Seen, l.Client.Seen)
	}
	if c, s := path(&l.Client), path(&l.Server); !like(c, activePath) || s != passivePath {
		t.Errorf("client %s, server %s", c, s)
	}

	l = refused()
	mustHave(t, l, "", "client syn", "server refused")
	if s := l.Server.States; len(s) != 1 || s[0].State != "CLOSED" {
		t.Errorf("the server's states: %+v", s)
	}
}

// What needs a sandbox is refused with a TARGET.
func TestTargetRefuses(t *testing.T) {
	target := net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}
	at := target.AddrPort()
	for _, s := range []Spec{
		{Target: at, Lose: Lose{What: loseFIN, Times: 1}},
		{Target: at, OnEOF: teardown.Reaction{Kind: teardown.ReactNever}},
		{Target: at, Close: teardown.Policy{Who: teardown.BothAtOnce}},
	} {
		_, err := Resolve(s)
		if _, ok := errors.AsType[*sockstate.ValueError](err); !ok {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

// A client that met an error, and a server that does not close, are both said.
func TestTargetDoubts(t *testing.T) {
	a := aimed{end: &end{err: errors.New("no whole reply")}, late: true}
	want := []string{"handshake: the client: no whole reply", "handshake: the server did not close within 30s: the connection was watched no longer"}
	if diff := gocmp.Diff(want, a.doubts()); diff != "" {
		t.Error(diff)
	}
}
