package ladder

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
	"lastack/sockstate"
)

// play is a watch under construction: packets between two ends, with the states that they lead to.
type play struct {
	w   Watch
	now int64
	is  [sockstate.NumSides]sockstate.State
}

var (
	testClient = netip.MustParseAddrPort("10.0.0.1:40000")
	testServer = netip.MustParseAddrPort("10.0.0.2:80")
)

func newPlay() *play {
	p := &play{w: Watch{Client: testClient, Server: testServer, Began: [...]sockstate.State{sockstate.Closed, sockstate.Listen}}}
	p.is = p.w.Began
	return p
}

func (p *play) event(e Event) {
	p.now += 1e6
	e.At, e.States = p.now, p.is
	p.w.Events = append(p.w.Events, e)
}

// send has a side send a packet, which takes it to a state, and returns the packet's index.
func (p *play) send(side sockstate.Side, flags Flags, seq, ack uint32, state sockstate.State) int {
	s := Packet{Source: testClient, Destination: testServer, Flags: flags, Seq: seq, Ack: ack}
	if side == sockstate.Server {
		s.Source, s.Destination = s.Destination, s.Source
	}
	p.w.Packets = append(p.w.Packets, s)
	p.is[side] = state
	p.event(Event{Kind: Sent, Packet: len(p.w.Packets) - 1})
	return len(p.w.Packets) - 1
}

// arrive has it arrive, which takes the other side to a state.
func (p *play) arrive(packet int, state sockstate.State) {
	p.is[p.w.Packets[packet].from(testClient).Other()] = state
	p.event(Event{Kind: Arrived, Packet: packet})
}

// pass is both.
func (p *play) pass(side sockstate.Side, flags Flags, seq, ack uint32, own, other sockstate.State) {
	p.arrive(p.send(side, flags, seq, ack, own), other)
}

func (p *play) open() {
	p.pass(sockstate.Client, SYN, 1000, 0, sockstate.SynSent, sockstate.SynRecv)
	p.pass(sockstate.Server, SYN|ACK, 5000, 1001, sockstate.SynRecv, sockstate.Established)
	p.pass(sockstate.Client, ACK, 1001, 5001, sockstate.Established, sockstate.Established)
}

func (p *play) build() record.Ladder {
	p.w.End = p.now + 1e6
	return Build(&p.w, [...]string{record.SeenByDiag, record.SeenByDiag})
}

// steps are the codes of a ladder with the states after each.
func stepsOf(l *record.Ladder) (all []string) {
	for i := range l.Steps {
		s := &l.Steps[i]
		all = append(all, s.Side+" "+s.Code+": "+s.States.Client+" "+s.States.Server)
	}
	return all
}

func TestOrderly(t *testing.T) {
	p := newPlay()
	p.open()
	p.event(Event{Kind: Called, Side: sockstate.Client, Call: CallClose})
	p.pass(sockstate.Client, FIN|ACK, 1001, 5001, sockstate.FinWait1, sockstate.CloseWait)
	p.pass(sockstate.Server, ACK, 5001, 1002, sockstate.CloseWait, sockstate.FinWait2)
	p.pass(sockstate.Server, FIN|ACK, 5001, 1002, sockstate.LastAck, sockstate.TimeWait)
	lost := p.send(sockstate.Client, ACK, 1002, 5002, sockstate.TimeWait)
	p.event(Event{Kind: Dropped, Packet: lost})
	p.pass(sockstate.Server, FIN|ACK, 5001, 1002, sockstate.LastAck, sockstate.TimeWait)
	p.pass(sockstate.Client, ACK, 1002, 5002, sockstate.TimeWait, sockstate.Closed)
	p.is[sockstate.Client] = sockstate.Closed
	p.event(Event{Kind: Changed, Side: sockstate.Client})
	l := p.build()
	want := []string{
		"client syn: SYN_SENT SYN_RECV",
		"server syn_ack: ESTABLISHED SYN_RECV",
		"client open: ESTABLISHED ESTABLISHED",
		"client fin_first: FIN_WAIT_1 CLOSE_WAIT",
		"server ack_of_fin: FIN_WAIT_2 CLOSE_WAIT",
		"server fin_second: TIME_WAIT LAST_ACK",
		"client last_ack: TIME_WAIT LAST_ACK",
		"server fin_again: TIME_WAIT LAST_ACK",
		"client last_ack_again: TIME_WAIT CLOSED",
		"client time_wait_ends: CLOSED CLOSED",
	}
	if diff := cmp.Diff(want, stepsOf(&l)); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if s := l.Steps[6].Text; s != sentences(steps[codeLastACK].lost, sockstate.Client) {
		t.Errorf("the lost packet's step: %q", s)
	}
	wantStates := []record.LadderState{
		{State: "CLOSED", Ended: true},
		{State: "SYN_SENT", ToS: 0.003, Ended: true, Step: 1},
		{State: "ESTABLISHED", FromS: 0.003, ToS: 0.007, Ended: true, Step: 2},
		{State: "FIN_WAIT_1", FromS: 0.007, ToS: 0.010, Ended: true, Step: 4},
		{State: "FIN_WAIT_2", FromS: 0.010, ToS: 0.012, Ended: true, Step: 5},
		{State: "TIME_WAIT", FromS: 0.012, ToS: 0.019, Ended: true, Step: 6},
		{State: "CLOSED", FromS: 0.019, ToS: 0.020, Step: 10},
	}
	if diff := cmp.Diff(wantStates, l.Client.States); diff != "" {
		t.Errorf("client's states (-want +got):\n%s", diff)
	}
	if a := l.Packets[4].Ack; a == nil || *a != 2 || l.Packets[4].Seq != 1 || l.Packets[7].Again != true || l.Packets[6].Fate != record.Lost {
		t.Errorf("packets: %+v", l.Packets)
	}
}

// FINs that cross arrive after the other side has sent its own.
func TestCrossing(t *testing.T) {
	p := newPlay()
	p.open()
	a := p.send(sockstate.Server, FIN|ACK, 5001, 1001, sockstate.FinWait1)
	b := p.send(sockstate.Client, FIN|ACK, 1001, 5001, sockstate.FinWait1)
	p.arrive(a, sockstate.Closing)
	p.arrive(b, sockstate.Closing)
	p.pass(sockstate.Client, ACK, 1002, 5002, sockstate.Closing, sockstate.TimeWait)
	p.pass(sockstate.Server, ACK, 5002, 1002, sockstate.TimeWait, sockstate.TimeWait)
	l := p.build()
	want := []string{
		"server fin_first: ESTABLISHED FIN_WAIT_1",
		"client fin_crossing: FIN_WAIT_1 CLOSING",
		"server arrives: CLOSING FIN_WAIT_1",
		"client crossing_ack: CLOSING TIME_WAIT",
		"server crossing_ack: TIME_WAIT TIME_WAIT",
	}
	if diff := cmp.Diff(want, stepsOf(&l)[3:]); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

// Resets have names by what preceded them, and by what they meet.
func TestResets(t *testing.T) {
	for _, tt := range []struct {
		name string
		act  func(p *play)
		want string
	}{
		{"linger", func(p *play) {
			p.event(Event{Kind: Called, Side: sockstate.Client, Call: CallReset})
			p.pass(sockstate.Client, RST|ACK, 1001, 5001, sockstate.Closed, sockstate.Closed)
		}, "client rst_linger: CLOSED CLOSED"},
		{"unread", func(p *play) {
			p.event(Event{Kind: Called, Side: sockstate.Client, Call: CallUnread})
			p.pass(sockstate.Client, RST|ACK, 1001, 5001, sockstate.Closed, sockstate.Closed)
		}, "client rst_unread: CLOSED CLOSED"},
		{"other", func(p *play) {
			p.pass(sockstate.Client, RST|ACK, 1001, 5001, sockstate.Closed, sockstate.Closed)
		}, "client rst: CLOSED CLOSED"},
		{"TIME_WAIT", func(p *play) {
			p.is = [...]sockstate.State{sockstate.TimeWait, sockstate.Closed}
			p.event(Event{Kind: Called, Side: sockstate.Client})
			p.pass(sockstate.Server, RST, 5001, 0, sockstate.Closed, sockstate.Closed)
		}, "server rst_kills_time_wait: CLOSED CLOSED"},
		{"TIME_WAIT of RFC 1337", func(p *play) {
			p.is = [...]sockstate.State{sockstate.TimeWait, sockstate.Closed}
			p.event(Event{Kind: Called, Side: sockstate.Client})
			p.pass(sockstate.Server, RST, 5001, 0, sockstate.Closed, sockstate.TimeWait)
		}, "server rst_ignored: TIME_WAIT CLOSED"},
		{"no socket", func(p *play) {
			p.is = [...]sockstate.State{sockstate.Closed, sockstate.Closed}
			p.event(Event{Kind: Called, Side: sockstate.Client})
			p.pass(sockstate.Server, RST, 5001, 0, sockstate.Closed, sockstate.Closed)
		}, "server rst_no_socket: CLOSED CLOSED"},
	} {
		p := newPlay()
		p.open()
		tt.act(p)
		l := p.build()
		all := stepsOf(&l)
		if got := all[len(all)-1]; got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// The table of steps says of each what happens, where the kernel does it, and where RFC 9293 has it.
func TestStepsTable(t *testing.T) {
	function, section := regexp.MustCompile(`^[a-z_][a-z0-9_]+$`), regexp.MustCompile(`^3(\.\d+)+$`)
	texts := make(map[string]Code)
	for code, s := range steps {
		if !function.MatchString(s.function) || !section.MatchString(s.section) {
			t.Errorf("%s: function %q, section %q", code, s.function, s.section)
		}
		if !strings.HasSuffix(s.text, ".") || strings.Contains(s.text, "  ") {
			t.Errorf("%s: %q", code, s.text)
		}
		if other, has := texts[s.text]; has {
			t.Errorf("%s says what %s says", code, other)
		}
		texts[s.text] = code
	}
}

func TestCapital(t *testing.T) {
	for in, want := range map[string]string{
		"the client asks. the server agrees": "The client asks. The server agrees",
		`"just" it. a`:                       `"Just" it. A`,
		"tcp_fin_timeout. 3.5 is":            "Tcp_fin_timeout. 3.5 is",
	} {
		if got := capital(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// A change of state has the kernel's own time if it was traced after the states were looked up before.
func TestBuildTraced(t *testing.T) {
	const ms = int64(time.Millisecond)
	both := func(c, s sockstate.State) [sockstate.NumSides]sockstate.State {
		return [...]sockstate.State{c, s}
	}
	w := &Watch{
		Client: netip.MustParseAddrPort("198.18.0.1:40000"), Server: netip.MustParseAddrPort("198.19.0.1:80"), Trace: "on",
		Packets: make([]Packet, 1), Began: both(sockstate.FinWait1, sockstate.CloseWait), End: 90 * ms,
		Events: []Event{
			{At: 10 * ms, Kind: Changed, Side: sockstate.Client, States: both(sockstate.FinWait2, sockstate.CloseWait)},
			{At: 30 * ms, Kind: Changed, Side: sockstate.Client, States: both(sockstate.TimeWait, sockstate.CloseWait)},
			{At: 50 * ms, Kind: Changed, Side: sockstate.Server, States: both(sockstate.TimeWait, sockstate.LastAck)},
		},
	}
	w.Kernel[sockstate.Client] = []Change{
		{8 * ms, sockstate.FinWait1, sockstate.FinWait2},
		{9 * ms, sockstate.FinWait2, sockstate.Closed}, // the minisocket, still in FIN_WAIT_2
	}
	w.Kernel[sockstate.Server] = []Change{{60 * ms, sockstate.CloseWait, sockstate.LastAck}} // of later
	l := Build(w, [sockstate.NumSides]string{record.SeenByDiag, record.SeenByDiag})
	client, server := l.Client.States, l.Server.States
	if !client[1].Traced || client[1].State != "FIN_WAIT_2" || client[2].Traced || client[2].DwellS() < 0 || server[1].Traced {
		t.Errorf("client %+v, server %+v", client, server)
	}
	if got := client[2].FromS - client[1].FromS; got < 0.0219 || got > 0.0221 {
		t.Errorf("FIN_WAIT_2 lasted %v s", got)
	}
	if l.Trace != "on" {
		t.Errorf("trace %q", l.Trace)
	}
}
