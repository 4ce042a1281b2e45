package drain

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"lastack/loadgen"
	"lastack/sockstate/capture"
)

// entryAt is e with its client's address.
func entryAt(e loadgen.ConnEntry, local netip.AddrPort) loadgen.ConnEntry {
	e.Addr, e.Port = local.Addr().As16(), local.Port()
	return e
}

// TestJoin gives connections their packets, or says why those cannot be relied on.
func TestJoin(t *testing.T) {
	conn := entryAt(loadgen.ConnEntry{ID: 1, Began: 9 * ms, Opened: 12 * ms, Ended: 120 * ms, End: loadgen.EndByFIN}, client)
	syn, synAck, fin := packet(9, false, capture.SYN), packet(11, true, capture.SYN|capture.ACK), packet(118, true, capture.FIN|capture.ACK)
	elsewhere := syn
	elsewhere.ClientPort++
	trace := func(p ...capture.Packet) *capture.Trace {
		tr := capture.NewTrace(p)
		tr.Link = "lo"
		return tr
	}
	stepped := trace(syn, synAck, fin)
	stepped.ClockStep = time.Second
	dropped := trace(elsewhere)
	dropped.Dropped = 1
	for _, tt := range []struct {
		name            string
		packets         *capture.Trace
		opened, ended   int64 // ms
		traced, refuses bool
		why             string
	}{
		{name: "none", opened: 12, ended: 120},
		{name: "all", packets: trace(syn, synAck, fin), opened: 11, ended: 118, traced: true},
		{name: "RST", packets: trace(syn, synAck, packet(117, true, capture.RST)), opened: 11, ended: 117, traced: true},
		{name: "without the server's end", packets: trace(syn, synAck), opened: 11, ended: 120, traced: true},
		{name: "without a begin", packets: trace(synAck, fin), opened: 11, ended: 120},
		{name: "the port's next connection", packets: trace(syn, synAck, packet(119, false, capture.SYN), packet(121, true, capture.FIN)), opened: 11, ended: 120, traced: true},
		{name: "refused before it", packets: trace(packet(1, false, capture.SYN), packet(2, true, capture.RST|capture.ACK), syn, synAck, fin), opened: 11, ended: 118, traced: true},
		{name: "other addresses", packets: trace(elsewhere), opened: 12, ended: 120, refuses: true, why: "1 connections were opened, of which 0 were seen on lo"},
		{name: "dropped", packets: dropped, opened: 12, ended: 120},
		{name: "the wall clock was set", packets: stepped, opened: 12, ended: 120, refuses: true, why: "the wall clock was set by 1s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := join(&evidence{packets: tt.packets, journal: &loadgen.Journal{Conns: []loadgen.ConnEntry{conn}}})
			c := &j.conns[0]
			if c.openedAt != tt.opened*ms || c.endedAt != tt.ended*ms || c.traced != tt.traced {
				t.Errorf("opened at %d, ended at %d, traced %v: want %d, %d, %v", c.openedAt/ms, c.endedAt/ms, c.traced, tt.opened, tt.ended, tt.traced)
			}
			if (j.packets == nil) != (tt.packets == nil || tt.refuses) {
				t.Errorf("packets %v, want them refused: %v", j.packets, tt.refuses)
			}
			if tt.why != "" && (j.noPackets == nil || !strings.Contains(j.noPackets.Error(), tt.why)) {
				t.Errorf("because %v, want %q", j.noPackets, tt.why)
			}
		})
	}
}

// TestHandshakes counts SYNs and what answered them.
func TestHandshakes(t *testing.T) {
	again := packet(2, false, capture.SYN) // the same SYN, sent again
	next := packet(20, false, capture.SYN)
	next.Seq = 7
	h := readHandshakes(capture.NewTrace([]capture.Packet{
		packet(1, false, capture.SYN), again, packet(3, true, capture.RST|capture.ACK), // refused
		packet(4, true, capture.RST), // answers no SYN
		next,
	}))
	if h.opening != 2 || len(h.refusals) != 1 || h.refusals[0] != 3*ms || h.unanswered != 1 {
		t.Errorf("%+v, want 2 SYNs, one refused at 3 ms, one unanswered", h)
	}
}

// TestOwner says who has a connection, as the kernel or the time tells.
func TestOwner(t *testing.T) {
	for _, tt := range []struct {
		name   string
		times  times
		owners map[netip.AddrPort]owner
		opened int64
		want   owner
	}{
		{"the kernel tells", times{exited: 50}, map[netip.AddrPort]owner{client: ownerNew}, 10, ownerNew},
		{"opened when the next one listened", times{exited: 50, restarted: 55, listening: 60}, nil, 70, ownerNew},
		{"opened before the only one ended", times{exited: 50}, nil, 10, ownerOld},
		{"both were there", times{exited: 50, restarted: 5, listening: 8}, nil, 10, ownerNone},
		{"nobody ended", times{}, nil, 10, ownerNone},
	} {
		conn := entryAt(loadgen.ConnEntry{Opened: tt.opened}, client)
		j := join(&evidence{times: tt.times, owners: tt.owners, journal: &loadgen.Journal{Conns: []loadgen.ConnEntry{conn}}})
		if got := j.conns[0].owner; got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
