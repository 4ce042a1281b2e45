package handshake

import (
	"slices"
	"strings"
	"testing"
	"time"

	"lastack/bench/record"
	"lastack/sockstate"
)

// lesson is what a drill must show: the steps from one on, and the states of both ends from ESTABLISHED on.
type lesson struct {
	from           string
	steps          []string
	client, server string
	// also is true of the ladder.
	also func(t *testing.T, l *record.Ladder)
}

const (
	activePath  = "ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT"
	passivePath = "ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED"
)

// state is a state of an end, the zero one if it never was in it.
func state(e record.LadderEnd, name string) *record.LadderState {
	for i := range e.States {
		if e.States[i].State == name {
			return &e.States[i]
		}
	}
	return &record.LadderState{}
}

// again is the steps after a last ACK that was lost n times.
func again(n int) []string {
	all := []string{"client fin_first", "server fin_merged", "client last_ack, lost"}
	for i := range n {
		answer := "client last_ack_again"
		if i < n-1 {
			answer += ", lost"
		}
		all = append(all, "server fin_again", answer)
	}
	return all
}

// lessons are by drill and case. The paths and steps are those of RFC 9293, figures 12 and 13 and section 3.10.7, and of the kernel's
// functions that the steps name.
var lessons = map[string]lesson{
	"orderly": {
		from: "fin_first", steps: []string{"client fin_first", "server fin_merged", "client last_ack"}, client: activePath, server: passivePath,
		also: func(t *testing.T, l *record.Ladder) {
			if !slices.ContainsFunc(l.Steps, func(s record.LadderStep) bool { return s.Code == "ack_of_fin" }) {
				t.Error("ACK and FIN are one packet")
			}
			if s := state(l.Server, "CLOSE_WAIT"); s.DwellS() < moment.Seconds() {
				t.Errorf("CLOSE_WAIT lasted %v s", s.DwellS())
			}
			if s := state(l.Client, "TIME_WAIT"); s.LeftS < 50 || s.LeftS > 60 {
				t.Errorf("TIME_WAIT has %v s left", s.LeftS)
			}
		},
	},
	"half-close": {
		from: "fin_half", steps: []string{"client fin_half", "server data_half_closed", "server fin_merged", "client last_ack"}, client: activePath, server: passivePath,
		also: func(t *testing.T, l *record.Ladder) {
			for i := range l.Packets {
				if p := &l.Packets[i]; p.Bytes == 5 && (p.From != "server" || p.After.Client != "FIN_WAIT_2" && p.After.Client != "TIME_WAIT") {
					t.Errorf("the late reply: %+v", p)
				}
			}
		},
	},
	"server-first": {from: "fin_first", steps: []string{"server fin_first", "client fin_merged", "server last_ack"}, client: passivePath, server: activePath},
	"simultaneous": {
		from: "fin_crossing", steps: []string{"client fin_crossing", "client crossing_ack", "server crossing_ack"},
		client: "ESTABLISHED > FIN_WAIT_1 > CLOSING > TIME_WAIT", server: "ESTABLISHED > FIN_WAIT_1 > CLOSING > TIME_WAIT",
		also: func(t *testing.T, l *record.Ladder) {
			if state(l.Client, "CLOSING").State == "" || state(l.Server, "CLOSING").State == "" {
				t.Error("the FINs did not cross")
			}
			if !slices.ContainsFunc(l.Steps, func(s record.LadderStep) bool { return s.Code == "arrives" }) {
				t.Error("no FIN arrives after the other side had sent its own")
			}
		},
	},
	"lost-last-ack, once":        {from: "fin_first", steps: again(1), client: activePath, server: passivePath},
	"lost-last-ack, twice":       {from: "fin_first", steps: again(2), client: activePath, server: passivePath},
	"lost-last-ack, three times": {from: "fin_first", steps: again(3), client: activePath, server: passivePath},
	"lost-fin": {
		from: "fin_first", steps: []string{"client fin_first, lost", "client fin_again", "server fin_merged", "client last_ack"},
		client: activePath, server: passivePath,
	},
	"lost-syn": {
		steps:  []string{"client syn, lost", "client syn_again", "server syn_ack", "client open", "client data", "server data", "client fin_first", "server fin_merged", "client last_ack"},
		client: activePath, server: passivePath,
	},
	"lost-syn-ack": {
		from: "fin_first", steps: []string{"client fin_first", "server fin_merged", "client last_ack"}, client: activePath, server: passivePath,
		also: func(t *testing.T, l *record.Ladder) {
			if l.Packets[1].Fate != record.Lost || !slices.ContainsFunc(l.Steps, func(s record.LadderStep) bool { return s.Code == "syn_ack_again" }) {
				t.Error("no SYN|ACK was lost, and sent again")
			}
		},
	},
	"linger-rst": {from: "rst_linger", steps: []string{"client rst_linger"}, client: "ESTABLISHED > CLOSED", server: "ESTABLISHED > CLOSED"},
	"unread":     {from: "rst_unread", steps: []string{"client rst_unread"}, client: "ESTABLISHED > CLOSED", server: "ESTABLISHED > CLOSED"},
	"fin-wait-2-timeout": {
		from: "fin_first", steps: []string{"client fin_first", "client fin_wait_2_ends", "server fin_merged", "client rst_no_socket"},
		client: "ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2 > CLOSED", server: passivePath,
	},
	"close-wait-leak": {
		from: "fin_first", steps: []string{"client fin_first", "client fin_wait_2_ends"},
		client: "ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2 > CLOSED", server: "ESTABLISHED > CLOSE_WAIT",
		also: func(t *testing.T, l *record.Ladder) {
			if d := state(l.Client, "FIN_WAIT_2").DwellS(); d < 0.99 || d > 30 {
				t.Errorf("FIN_WAIT_2 lasted %v s", d)
			}
		},
	},
	"time-wait-reopened-by-syn": {
		from:   "fin_first",
		steps:  []string{"server fin_first", "client fin_merged", "server last_ack", "client syn_reopens", "server syn_ack", "client open"},
		client: passivePath + " > SYN_SENT > ESTABLISHED", server: activePath + " > SYN_RECV > ESTABLISHED",
	},
	"time-wait-assassination, rfc1337 off": {
		from:   "fin_first",
		steps:  []string{"client fin_first", "server fin_merged", "client last_ack", "server replayed", "client time_wait_answers", "server rst_kills_time_wait"},
		client: activePath + " > CLOSED", server: passivePath,
	},
	"time-wait-assassination, rfc1337 on": {
		from:   "fin_first",
		steps:  []string{"client fin_first", "server fin_merged", "client last_ack", "server replayed", "client time_wait_answers", "server rst_ignored"},
		client: activePath, server: passivePath,
	},
	"port-reuse": {
		from:   "fin_first",
		steps:  []string{"client fin_first", "server fin_merged", "client last_ack", "client bind_refused", "client syn_reuses", "server syn_ack", "client open"},
		client: activePath + " > SYN_SENT > ESTABLISHED", server: passivePath + " > SYN_RECV > ESTABLISHED",
	},
}

// Each drill shows what it teaches.
func TestDrills(t *testing.T) {
	shown := 0
	for _, s := range Drilled(AllDrills) {
		name := strings.TrimSuffix(s.Drill+", "+s.Case, ", ")
		want, ok := lessons[name]
		if !ok {
			t.Errorf("%s: nothing is asserted", name)
			continue
		}
		shown++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := watched(t, s)
			check(t, l)
			mustHave(t, l, want.from, want.steps...)
			for side, w := range []string{want.client, want.server} {
				got := path([]*record.LadderEnd{&l.Client, &l.Server}[side])
				if !like(got, w) {
					t.Errorf("%v: %s, want %s", sockstate.Side(side), got, w)
				}
			}
			if want.also != nil {
				want.also(t, l)
			}
			if l.Drill != s.Drill || l.Teaches == "" {
				t.Errorf("ladder of %q teaches %q", l.Drill, l.Teaches)
			}
			t.Logf("%.2f s", l.LastsS)
		})
	}
	if shown != len(lessons) {
		t.Errorf("%d of %d lessons are shown", shown, len(lessons))
	}
}

// A drill takes less than 2 s by what it plans to wait for, or names the timeout that it waits for.
func TestDrillWaits(t *testing.T) {
	for _, d := range Drills() {
		longest := time.Duration(0)
		for _, c := range d.cases {
			longest = max(longest, c.spec.waits())
		}
		switch {
		case d.Waits == Timeout{} && longest >= 2*time.Second:
			t.Errorf("%s plans to wait for %v, and names no timeout", d.Name, longest)
		case d.Waits.Lasts > longest:
			t.Errorf("%s names %q, and plans to wait for %v", d.Name, d.Waits, longest)
		case d.Waits != Timeout{} && d.Waits.Lasts < time.Second:
			t.Errorf("%s names %q, which takes no time", d.Name, d.Waits)
		}
	}
	slow := Spec{Lose: Lose{What: loseLastACK, Times: 4}, Hold: time.Second}
	if got := slow.waits(); got != 4*time.Second {
		t.Errorf("a last ACK lost four times, and a second: %v", got)
	}
}

// What a drill teaches takes two sentences, and its names are as they are typed.
func TestDrillWords(t *testing.T) {
	names := DrillNames()
	if len(names) != 16 || names[len(names)-1] != AllDrills {
		t.Errorf("names: %v", names)
	}
	for _, d := range Drills() {
		if strings.ToLower(d.Name) != d.Name || strings.ContainsAny(d.Name, " _") {
			t.Errorf("the name %q", d.Name)
		}
		if got := Drilled(d.Name); len(got) != len(d.cases) || got[0].Drill != d.Name {
			t.Errorf("%s: %+v", d.Name, got)
		}
		for _, s := range Drilled(d.Name) {
			if n := strings.Count(s.Teaches, ". ") + strings.Count(s.Teaches, ".\" "); n != 1 || !strings.HasSuffix(s.Teaches, ".") {
				t.Errorf("%s %s: %d sentences: %s", d.Name, s.Case, n+1, s.Teaches)
			}
			if _, err := Resolve(s); err != nil {
				t.Errorf("%s: %v", d.Name, err)
			}
		}
	}
	if got := Drilled("nothing"); got != nil {
		t.Errorf("%+v", got)
	}
}

// leastRTO is the least timeout of what has a round trip (TCP_RTO_MIN). It doubles each time.
const leastRTO = 200 * time.Millisecond

// waits is how long the connection takes by what it plans to wait for: programs that wait, packets that are lost, and the end of a FIN_WAIT_2
// without a process. A TIME_WAIT that is followed is not in it.
func (s *Spec) waits() time.Duration {
	sum := s.Hold + s.OnEOF.Delay
	switch s.Lose.What {
	case loseSYN, loseSYNACK:
		sum += time.Duration(s.Lose.Times) * synTimeout
	case loseFIN, loseLastACK:
		sum += leastRTO<<s.Lose.Times - leastRTO
	case loseRST:
		sum += stalled // nobody learns of it
	}
	setup := Setup{*s}
	if slices.Contains(setup.Awaits(), sockstate.FinWait2) {
		sum += sockstate.OrphanLasts(s.finTimeout(), 0).Min
	}
	return sum
}
