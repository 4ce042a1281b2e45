package handshake

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lastack/bench/record"
	"lastack/bench/setup"
	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/netns"
	"lastack/sockstate/socktest"
	"lastack/sockstate/teardown"
)

var echo = exchange.Spec{Kind: exchange.Echo, Request: 1, Response: 1}

// codes lists what happened from a step on. A busy machine may delay a program by longer than the kernel delays an ACK: then two packets are
// what is one otherwise. So a pure ACK counts for nothing, and a FIN with an ACK before it is one that has it.
func codes(l *record.Ladder, from string) (all []string) {
	begun := from == ""
	for i := range l.Steps {
		s := &l.Steps[i]
		begun = begun || s.Code == from
		switch {
		case !begun, s.Code == "ack", s.Code == "ack_of_fin", s.Code == "arrives":
			continue
		case s.Code == "fin_second":
			all = append(all, s.Side+" fin_merged")
			continue
		}
		what := s.Side + " " + s.Code
		if s.Packet > 0 && l.Packets[s.Packet-1].Fate == record.Lost {
			what += ", lost"
		}
		all = append(all, what)
	}
	return all
}

// mustHave holds that the ladder has these steps in this order. Where the machine is so busy that an answer takes longer than a timer, there
// may be packets that are sent again between (a tail loss probe takes 10 ms).
func mustHave(t *testing.T, l *record.Ladder, from string, want ...string) {
	t.Helper()
	got := codes(l, from)
	rest := want
	again := slices.ContainsFunc(got, func(c string) bool { return strings.Contains(c, "_again") })
	for i, c := range got {
		switch {
		case len(rest) > 0 && c == rest[0]:
			rest = rest[1:]
		case strings.Contains(c, "_again"), again && slices.Contains(got[:i], c): // and is answered once more
		default:
			t.Errorf("%s is too much", c)
		}
	}
	if len(rest) > 0 {
		t.Errorf("%s is missing", rest[0])
	}
	if t.Failed() {
		t.Logf("steps %q, want %q", got, want)
	}
}

// path is the way of an end through its states from ESTABLISHED on.
func path(e *record.LadderEnd) string {
	var all []string
	for i := range e.States {
		all = append(all, e.States[i].State)
	}
	if i := slices.Index(all, "ESTABLISHED"); i > 0 {
		all = all[i:]
	}
	return strings.Join(all, " > ")
}

// check holds what is true of every ladder: no gap in the states, no packet without a fate, packets in order, and the states of both ends
// those that sock_diag gave when each packet had been sent and had arrived.
func check(t *testing.T, l *record.Ladder) {
	t.Helper()
	for side, e := range []*record.LadderEnd{&l.Client, &l.Server} {
		at := 0.0
		for i := range e.States {
			s := &e.States[i]
			if s.FromS != at || s.ToS < s.FromS || s.Ended != (i < len(e.States)-1) {
				t.Errorf("%v: state %d of %d is %+v, want it to begin at %v", sockstate.Side(side), i, len(e.States), *s, at)
			}
			at = s.ToS
		}
	}
	for i := range l.Packets {
		p := &l.Packets[i]
		if (p.Fate == record.Delivered) != (p.ArrivedS != nil) || p.ArrivedS != nil && *p.ArrivedS < p.AtS {
			t.Errorf("packet %d: %+v", i+1, *p)
		}
		if i > 0 && p.AtS < l.Packets[i-1].AtS && p.From == l.Packets[i-1].From {
			t.Errorf("packet %d was sent at %v, and the one before it at %v", i+1, p.AtS, l.Packets[i-1].AtS)
		}
	}
	for i := range l.Packets {
		if l.Trace == "on" {
			break // the kernel's times may be from before the relay saw the packet that was sent until then
		}
		p := &l.Packets[i]
		sent, arrived := [...]string{p.Before.Client, p.Before.Server}, [...]string{p.After.Client, p.After.Server}
		for side, e := range []*record.LadderEnd{&l.Client, &l.Server} {
			if !wasIn(e, p.AtS, sent[side]) {
				t.Errorf("packet %d: the %v was %s when it was sent, and is drawn otherwise: %+v", i+1, sockstate.Side(side), sent[side], e.States)
			}
			if p.ArrivedS != nil && !wasIn(e, *p.ArrivedS, arrived[side]) {
				t.Errorf("packet %d: the %v was %s when it had arrived, and is drawn otherwise: %+v", i+1, sockstate.Side(side), arrived[side], e.States)
			}
		}
	}
	for i := range l.Steps {
		if s := &l.Steps[i]; s.Text == "" || s.Function == "" || s.Section == "" {
			t.Errorf("step %d says nothing: %+v", i+1, *s)
		}
	}
}

// wasIn reports whether an end is drawn in a state at a time.
func wasIn(e *record.LadderEnd, at float64, state string) bool {
	return slices.ContainsFunc(e.States, func(s record.LadderState) bool { return s.State == state && s.FromS <= at && at <= s.ToS })
}

// Each policy, with an exchange and without, ends as teardown.Predict says, and its steps have the right names.
func TestPolicies(t *testing.T) {
	want := map[string][]string{
		"client:fin":       {"client fin_first", "server fin_merged", "client last_ack"},
		"client:half":      {"client fin_half", "server fin_merged", "client last_ack"},
		"client:rst":       {"client rst_linger"},
		"client:linger=1s": {"client fin_linger", "server fin_merged", "client last_ack"},
		"client:unread":    {"client rst_unread"},
		"server:fin":       {"server fin_first", "client fin_merged", "server last_ack"},
		"server:half":      {"server fin_half", "client fin_merged", "server last_ack"},
		"server:linger=1s": {"server fin_linger", "client fin_merged", "server last_ack"},
		"server:unread":    {"server rst_unread"},
		"never":            nil,
	}
	few := map[string]bool{"client:fin": true, "server:half": true, "client:rst": true, "both:fin": true}
	for _, p := range teardown.Policies() {
		for _, e := range []exchange.Spec{{}, echo, {Kind: exchange.HTTP, Path: "/"}} {
			if p.NeedsExchange() && e.Kind == exchange.None || e != echo && !few[p.String()] && os.Getenv("LASTACK_LONG") == "" {
				continue // each sandbox takes 0.1 s, of which most is the kernel's lock
			}
			t.Run(fmt.Sprint(p, " ", e), func(t *testing.T) {
				t.Parallel()
				l := watched(t, Spec{Close: p, Exchange: e})
				check(t, l)
				q := teardown.Predict(p, teardown.Reaction{}, e, teardown.Env{})
				for side, end := range []*record.LadderEnd{&l.Client, &l.Server} {
					got := path(end)
					if !slices.ContainsFunc(q.Paths[side], func(p teardown.Path) bool { return like(got, p.String()) }) {
						t.Errorf("%v: %s, predicted are %v", sockstate.Side(side), got, q.Paths[side])
					}
				}
				mustFollow(t, l)
				steps, ok := want[p.String()]
				if !ok {
					return // what follows is another test's, or races
				}
				begun := []string{"client syn", "server syn_ack", "client open"}
				if e.Kind != exchange.None {
					begun = append(begun, "client data")
				}
				if e.Kind != exchange.None && p.String() != "server:unread" {
					begun = append(begun, "server data")
				}
				mustHave(t, l, "", append(begun, steps...)...)
			})
		}
	}
}

// like compares a path with a predicted one. FIN_WAIT_2 lasts no time if ACK and FIN are one packet.
func like(got, predicted string) bool {
	without := func(s string) string { return strings.ReplaceAll(s, "FIN_WAIT_2 > ", "") }
	return got == predicted || without(got) == without(predicted)
}

// A lost packet is lost exactly, and what TCP does about it has a name. The drills have the losses that are not here.
func TestLoss(t *testing.T) {
	open := []string{"client syn", "server syn_ack", "client open", "client data", "server data"}
	for _, tt := range []struct {
		lose  string
		close string
		want  []string
	}{
		{"fin", "server:fin", append(slices.Clone(open), "server fin_first, lost", "server fin_again", "client fin_merged", "server last_ack")},
		{"ack", "client:fin", []string{"client syn", "server syn_ack", "client open, lost", "client open_data", "server data", "client fin_first", "server fin_merged", "client last_ack"}},
		{"fin", "both:fin", append(slices.Clone(open), "server fin_first, lost", "client fin_crossing", "server closing_ack", "server fin_again", "client last_ack")},
		{"last-ack", "server:fin", append(slices.Clone(open), "server fin_first", "client fin_merged", "server last_ack, lost", "client fin_again", "server last_ack_again")},
	} {
		t.Run(tt.lose+" "+tt.close, func(t *testing.T) {
			t.Parallel()
			s := Spec{Exchange: echo}
			for into, text := range map[interface{ UnmarshalText([]byte) error }]string{&s.Close: tt.close, &s.Lose: tt.lose} {
				if err := into.UnmarshalText([]byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			l := watched(t, s)
			check(t, l)
			mustHave(t, l, "", tt.want...)
		})
	}
}

// IPv6 is the same, and its kernel functions have other names.
func TestIPv6(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/sys/net/ipv6"); err != nil {
		t.Skip(err)
	}
	l := watched(t, Spec{V6: true, Exchange: echo, OnEOF: teardown.Reaction{Kind: teardown.ReactRST}})
	check(t, l)
	mustHave(t, l, "fin_first", "client fin_first", "server rst_close_wait")
	if !strings.HasPrefix(l.Client.Address, "[fd") || !strings.HasPrefix(l.Server.Address, "[fd") {
		t.Errorf("client %s, server %s", l.Client.Address, l.Server.Address)
	}
}

// Where eBPF is allowed the times of state changes are the kernel's: before the relay could know of them. What a minisocket does is not traced.
func TestTraced(t *testing.T) {
	t.Parallel()
	traced := func(s Spec) *record.Ladder {
		t.Helper()
		s.Trace = setup.TraceAuto
		l := watched(t, s)
		if l.Trace == "on" {
			return l
		}
		if denied := !socktest.Capable(t, unix.CAP_SYS_ADMIN) || !netns.InInitialUserNamespace(); denied || strings.Contains(l.Trace, "eBPF: btf") {
			t.Skip(l.Trace)
		}
		t.Fatal(l.Trace)
		return nil
	}
	l := traced(Spec{Exchange: echo})
	check(t, l)
	all := map[*record.LadderEnd]string{&l.Client: "SYN_SENT ESTABLISHED FIN_WAIT_1 TIME_WAIT", &l.Server: "ESTABLISHED CLOSE_WAIT LAST_ACK CLOSED"}
	for e, names := range all {
		for _, name := range strings.Fields(names) {
			mini := name == "TIME_WAIT" && state(*e, "FIN_WAIT_2").Ended // ACK and FIN may be two packets
			if s := state(*e, name); s.Traced == mini {
				t.Errorf("%s: %+v, of a minisocket: %v", name, *s, mini)
			}
		}
	}
	for i := range l.Packets {
		if p := &l.Packets[i]; slices.Contains(p.Flags, "FIN") && p.From == "client" {
			if from := state(l.Client, "FIN_WAIT_1").FromS; from > p.AtS {
				t.Errorf("FIN_WAIT_1 began at %v, and its FIN was seen at %v", from, p.AtS)
			}
		}
	}
	l = traced(Spec{Exchange: echo, OnEOF: teardown.Reaction{Kind: teardown.ReactDelay, Delay: moment}})
	check(t, l)
	if mini, wait := state(l.Client, "FIN_WAIT_2"), state(l.Client, "TIME_WAIT"); !mini.Traced || wait.Traced || wait.FromS < mini.FromS+0.01 {
		t.Errorf("FIN_WAIT_2 %+v, TIME_WAIT %+v", *mini, *wait)
	}
}

// With LASTACK_LONG=1: TIME_WAIT is followed to its end, and what is left of it is told.
func TestFollow(t *testing.T) {
	if os.Getenv("LASTACK_LONG") == "" {
		t.Skip("a minute of TIME_WAIT: set LASTACK_LONG=1")
	}
	t.Parallel()
	setup, err := Resolve(Spec{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	run, err := Watch(t.Context(), []Setup{setup}, 1, func(e record.Event) { told = append(told, e.Phase.Text) })
	if err != nil {
		t.Fatal(err)
	}
	l := &run.Handshake.Ladders[0]
	if s := state(l.Client, "TIME_WAIT"); !s.Ended || s.DwellS() < 59.9 || s.DwellS() > 66 {
		t.Errorf("TIME_WAIT: %+v", *s)
	}
	if len(told) < 50 || !slices.Contains(told, "the client is in TIME_WAIT for another 30 s") {
		t.Errorf("told: %q", told)
	}
}

// A lost RST is not sent again: the other side does not learn of it.
func TestLostRST(t *testing.T) {
	t.Parallel()
	l := watched(t, Spec{Close: teardown.Policy{How: teardown.RST}, Lose: Lose{What: loseRST, Times: 1}})
	if c, s := path(&l.Client), path(&l.Server); c != "ESTABLISHED > CLOSED" || s != "ESTABLISHED" {
		t.Errorf("client %s, server %s", c, s)
	}
}

// The passive side's reactions.
func TestReactions(t *testing.T) {
	fin := teardown.Policy{}
	t.Run("rst", func(t *testing.T) {
		t.Parallel()
		l := watched(t, Spec{Close: fin, OnEOF: teardown.Reaction{Kind: teardown.ReactRST}, Exchange: echo})
		check(t, l)
		mustHave(t, l, "fin_first", "client fin_first", "server rst_close_wait")
	})
}
