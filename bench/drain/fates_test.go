package drain

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/wire"
)

const ms = int64(1e6)

// packet is one at a time in ms, of the client of ConnEntries without an address of their own.
func packet(at int64, fromServer bool, flags wire.Flags) wire.Packet {
	return wire.Packet{At: at * ms, Client: client.Addr().As16(), ClientPort: client.Port(), FromServer: fromServer, Flags: flags}
}

var client = netip.MustParseAddrPort("127.0.0.1:40000")

func TestRetry(t *testing.T) {
	// The connection was opened at 10 ms, its request of 50 bytes sent at 100 ms, its end seen at 120 ms.
	conn := loadgen.NewConnEntry(loadgen.ConnEntry{ID: 1, Began: 9 * ms, Opened: 10 * ms, Ended: 120 * ms}, client)
	open := []wire.Packet{packet(9, false, wire.SYN), packet(10, true, wire.SYN|wire.ACK)}
	open[0].Seq = 1<<32 - 21 // what is received wraps around
	fin := func(at int64, received uint32) wire.Packet {
		p := packet(at, true, wire.FIN|wire.ACK)
		p.Acked = open[0].Seq + 1 + received
		return p
	}
	for _, tt := range []struct {
		name    string
		packets []wire.Packet
		blind   bool // without packets
		fate    loadgen.Fate
		nth     int32
		touched bool
		aborts  bool
		unacked bool
		want    retry
	}{
		{name: "FIN, all received", packets: []wire.Packet{fin(110, 50)}, fate: loadgen.CutByFIN, want: unsafeRetry},
		{name: "FIN, nothing received", packets: []wire.Packet{fin(110, 0)}, fate: loadgen.CutByFIN, want: racedRetry},
		{name: "FIN, a part received", packets: []wire.Packet{fin(110, 49)}, fate: loadgen.CutByFIN, want: racedRetry},
		{name: "FIN before the request", packets: []wire.Packet{fin(90, 0)}, fate: loadgen.CutByFIN, want: racedRetry},
		{name: "FIN before the second request", packets: []wire.Packet{fin(90, 50)}, fate: loadgen.CutByFIN, nth: 1, want: racedRetry},
		{name: "FIN after the second request", packets: []wire.Packet{fin(110, 100)}, fate: loadgen.CutByFIN, nth: 1, want: unsafeRetry},
		{name: "FIN, and RST for what came then", packets: []wire.Packet{fin(101, 0), packet(102, true, wire.RST)}, fate: loadgen.CutByRST, want: racedRetry},
		{name: "FIN for a request that was read, and RST later", packets: []wire.Packet{fin(101, 50), packet(102, true, wire.RST)}, fate: loadgen.CutByRST, want: unsafeRetry},
		{name: "RST: not read", packets: []wire.Packet{packet(110, true, wire.RST|wire.ACK)}, fate: loadgen.CutByRST, want: safeRetry},
		{name: "RST where some abort", packets: []wire.Packet{packet(110, true, wire.RST|wire.ACK)}, fate: loadgen.CutByRST, aborts: true, want: unsafeRetry},
		{name: "RST before the request", packets: []wire.Packet{packet(90, true, wire.RST|wire.ACK)}, fate: loadgen.CutByRST, aborts: true, want: racedRetry},
		{name: "some of the reply had come", packets: []wire.Packet{packet(110, true, wire.RST|wire.ACK)}, fate: loadgen.CutByRST, touched: true, want: unsafeRetry},
		{name: "timed out", packets: nil, fate: loadgen.RequestTimedOut, want: unsafeRetry},
		{name: "no packets at all", blind: true, fate: loadgen.CutByRST, want: unsafeRetry},
		{name: "no packets, not acknowledged", blind: true, fate: loadgen.CutByFIN, unacked: true, want: racedRetry},
		{name: "the next connection of the port", packets: []wire.Packet{
			fin(110, 50), packet(125, false, wire.SYN), packet(126, true, wire.RST|wire.ACK),
		}, fate: loadgen.CutByFIN, want: unsafeRetry},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := evidence{groups: []groupKind{{bytes: 50}}}
			if !tt.blind {
				e.trace = wire.NewTrace(append(append([]wire.Packet(nil), open...), tt.packets...))
			}
			r := loadgen.RequestEntry{Conn: 1, Fate: tt.fate, Nth: tt.nth, Touched: tt.touched, Unacked: tt.unacked, Sent: 100 * ms, Ended: 120 * ms}
			if got := e.retry(&r, &conn, tt.aborts); got != tt.want {
				t.Errorf("retry %d, want %d", got, tt.want)
			}
		})
	}
}

// TestAborts tells resets by SO_LINGER 0 from those that late data brought.
func TestAborts(t *testing.T) {
	conn := loadgen.NewConnEntry(loadgen.ConnEntry{ID: 1, Began: 9 * ms, Opened: 10 * ms, Ended: 120 * ms}, client)
	fin := packet(101, true, wire.FIN)
	fin.Acked = 1 // the SYN, and nothing more
	late := wire.NewTrace([]wire.Packet{packet(9, false, wire.SYN), fin, packet(102, true, wire.RST)})
	for _, tt := range []struct {
		name  string
		trace *wire.Trace
		count int64
		own   bool
		want  bool
	}{
		{"none", late, 0, true, false},
		{"late data", late, 1, true, false},
		{"one more", late, 2, true, true},
		{"others count too", late, 0, false, true},
		{"no packets", nil, 0, true, true},
	} {
		e := evidence{
			groups: []groupKind{{bytes: 50}}, trace: tt.trace, own: tt.own,
			journal:  &loadgen.Journal{Conns: []loadgen.ConnEntry{conn}, Requests: []loadgen.RequestEntry{{Conn: 1, Fate: loadgen.CutByRST}}},
			counters: sockstate.Counters{"TcpExtTCPAbortOnData": tt.count},
		}
		if got := e.aborts(); got != tt.want {
			t.Errorf("%s: aborts %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestFates gives each kind of end its fate.
func TestFates(t *testing.T) {
	const signal, concluded = 100, 200
	groups := []groupKind{{name: groupIdle, keep: loadgen.KeepIdle}, {name: groupArrivals}, {name: groupPartial, keep: loadgen.KeepPartial}}
	for _, tt := range []struct {
		name string
		c    loadgen.ConnEntry
		want record.DrainConnections
	}{
		{"idle FIN", loadgen.ConnEntry{Opened: 1, Ended: 110, End: loadgen.EndByFIN, Outcome: loadgen.FIN}, record.DrainConnections{Opened: 1, FIN: 1}},
		{"idle RST", loadgen.ConnEntry{Opened: 1, Ended: 110, End: loadgen.EndByRST, Outcome: loadgen.RSTReceived}, record.DrainConnections{Opened: 1, RST: 1}},
		{"cut", loadgen.ConnEntry{Group: 1, Opened: 1, Ended: 110, End: loadgen.EndByRST, Outcome: loadgen.CutInRequest}, record.DrainConnections{Opened: 1, Cut: 1}},
		{"half a request is not cut", loadgen.ConnEntry{Group: 2, Opened: 1, Ended: 110, End: loadgen.EndByFIN, Outcome: loadgen.CutInRequest}, record.DrainConnections{Opened: 1, FIN: 1}},
		{"done", loadgen.ConnEntry{Group: 1, Opened: 105, Ended: 110, End: loadgen.EndByClient, Outcome: loadgen.FIN}, record.DrainConnections{Opened: 1, Done: 1}},
		{"never ended", loadgen.ConnEntry{Opened: 1, Ended: 201, End: loadgen.EndByClient, Outcome: loadgen.FIN}, record.DrainConnections{Opened: 1, Never: 1}},
		{"kept by the new server", loadgen.ConnEntry{Opened: 150, Ended: 201, End: loadgen.EndByClient, Outcome: loadgen.FIN}, record.DrainConnections{Opened: 1, Never: 1, Kept: 1}},
		{"interrupted", loadgen.ConnEntry{Opened: 1, Ended: 150, End: loadgen.EndOpen, Outcome: loadgen.Interrupted}, record.DrainConnections{Opened: 1, Never: 1}},
		{"its request timed out", loadgen.ConnEntry{Group: 1, Opened: 1, Ended: 150, End: loadgen.EndByClient, Outcome: loadgen.RequestTimeout}, record.DrainConnections{Opened: 1, Other: 1}},
		{"before the signal", loadgen.ConnEntry{Opened: 1, Ended: 99, End: loadgen.EndByFIN, Outcome: loadgen.FIN}, record.DrainConnections{}},
		{"before the journal was armed", loadgen.ConnEntry{Opened: 1, Ended: 110, Early: true, End: loadgen.EndByFIN, Outcome: loadgen.FIN}, record.DrainConnections{}},
		{"refused", loadgen.ConnEntry{Ended: 110, End: loadgen.EndNotOpened, Outcome: loadgen.Refused}, record.DrainConnections{}},
	} {
		e := evidence{
			groups: groups, signal: signal, concluded: concluded, journal: &loadgen.Journal{Conns: []loadgen.ConnEntry{tt.c}},
			atEnd: loadgen.Snapshot{Groups: make([]loadgen.GroupSnapshot, len(groups))},
		}
		var r record.DrainTry
		e.fates(&r)
		if diff := cmp.Diff(tt.want, r.Connections); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if got := r.Connections.Sum(); got != r.Connections.Opened {
			t.Errorf("%s: %d fates of %d connections", tt.name, got, r.Connections.Opened)
		}
	}
}

// TestListener reads the refused window off packets, and off what clients saw.
func TestListener(t *testing.T) {
	opened := func(at int64) loadgen.ConnEntry {
		return loadgen.ConnEntry{Began: at * ms, Opened: at*ms + 1, Ended: 900 * ms, End: loadgen.EndByClient}
	}
	refused := func(at int64) loadgen.ConnEntry {
		return loadgen.ConnEntry{Began: at * ms, Ended: at*ms + 1, End: loadgen.EndNotOpened, Outcome: loadgen.Refused}
	}
	for _, tt := range []struct {
		name                string
		conns               []loadgen.ConnEntry
		last, first, again  float64 // ms after the signal, -1: nil
		window              float64
		attempts, refusedBy int64
	}{
		{"nobody refused", []loadgen.ConnEntry{opened(110), opened(190)}, -1, -1, -1, 0, 2, 0},
		{"refused to the end", []loadgen.ConnEntry{opened(110), refused(120), refused(150)}, 10, 20, -1, 880, 3, 2},
		{"back", []loadgen.ConnEntry{opened(110), refused(120), refused(150), opened(160), opened(170)}, 10, 20, 60, 40, 5, 2},
		{"back and gone and back", []loadgen.ConnEntry{refused(120), opened(130), refused(150), opened(160)}, -1, 20, 60, 40, 4, 2},
		{"before the signal", []loadgen.ConnEntry{refused(50), opened(60)}, -1, -1, -1, 0, 0, 0},
	} {
		var packets []wire.Packet
		for i := range tt.conns {
			c := &tt.conns[i]
			p := wire.Packet{At: c.Began, ClientPort: uint16(1000 + i), Flags: wire.SYN}
			packets = append(packets, p)
			p.FromServer, p.At, p.Flags = true, p.At+1, wire.RST|wire.ACK
			if c.Opened != 0 {
				p.Flags = wire.SYN | wire.ACK
			}
			packets = append(packets, p)
		}
		for _, trace := range []*wire.Trace{nil, wire.NewTrace(packets)} {
			e := evidence{signal: 100 * ms, concluded: 1000 * ms, trace: trace, journal: &loadgen.Journal{Conns: tt.conns}}
			var r record.DrainTry
			e.listener(&r)
			l := r.Listener
			got := []float64{rounded(l.LastAcceptS), rounded(l.FirstRefusalS), rounded(l.AcceptsAgainS), rounded(&l.RefusedWindowS)}
			if diff := cmp.Diff([]float64{tt.last, tt.first, tt.again, tt.window}, got); diff != "" {
				t.Errorf("%s, packets %v: last accept, first refusal, accepts again, window (-want +got):\n%s", tt.name, trace != nil, diff)
			}
			if l.Attempts != tt.attempts || l.Refused != tt.refusedBy {
				t.Errorf("%s: %d attempts, %d refused, want %d and %d", tt.name, l.Attempts, l.Refused, tt.attempts, tt.refusedBy)
			}
		}
	}
}

// rounded is a time in whole ms, -1 for none.
func rounded(s *float64) float64 {
	if s == nil {
		return -1
	}
	return float64(int64(*s*1000 + 0.5))
}
