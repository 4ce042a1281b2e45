package drain

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/capture"
)

const ms = int64(1e6)

// packet is one at a time in ms, of the client of ConnEntries without an address of their own.
func packet(at int64, fromServer bool, flags capture.Flags) capture.Packet {
	return capture.Packet{At: at * ms, Client: client.Addr().As16(), ClientPort: client.Port(), FromServer: fromServer, Flags: flags}
}

var client = netip.MustParseAddrPort("127.0.0.1:40000")

func TestRetry(t *testing.T) {
	// The connection was opened at 10 ms, its request of 50 bytes sent at 100 ms, its end seen at 120 ms.
	conn := entryAt(loadgen.ConnEntry{ID: 1, Began: 9 * ms, Opened: 10 * ms, Ended: 120 * ms}, client)
	open := []capture.Packet{packet(9, false, capture.SYN), packet(10, true, capture.SYN|capture.ACK)}
	open[0].Seq = 1<<32 - 21 // what is received wraps around
	fin := func(at int64, received uint32) capture.Packet {
		p := packet(at, true, capture.FIN|capture.ACK)
		p.Acked = open[0].Seq + 1 + received
		return p
	}
	// rst is that of a close (tcp_send_active_reset), which acknowledges; one in answer to a segment does not.
	rst := func(at int64, received uint32) capture.Packet {
		p := packet(at, true, capture.RST|capture.ACK)
		p.Acked = open[0].Seq + 1 + received
		return p
	}
	for _, tt := range []struct {
		name    string
		packets []capture.Packet
		blind   bool // without packets
		fate    loadgen.Fate
		nth     int32
		touched bool
		aborts  bool
		unacked bool
		unsent  bool
		want    retry
	}{
		{name: "FIN, all received", packets: []capture.Packet{fin(110, 50)}, fate: loadgen.CutByFIN, want: retryUnsafe},
		{name: "FIN, nothing received", packets: []capture.Packet{fin(110, 0)}, fate: loadgen.CutByFIN, want: retryArrivedLate},
		{name: "FIN, a part received", packets: []capture.Packet{fin(110, 49)}, fate: loadgen.CutByFIN, want: retryArrivedLate},
		{name: "FIN before the request", packets: []capture.Packet{fin(90, 0)}, fate: loadgen.CutByFIN, want: retryArrivedLate},
		{name: "FIN before the second request", packets: []capture.Packet{fin(90, 50)}, fate: loadgen.CutByFIN, nth: 1, want: retryArrivedLate},
		{name: "FIN after the second request", packets: []capture.Packet{fin(110, 100)}, fate: loadgen.CutByFIN, nth: 1, want: retryUnsafe},
		{name: "FIN, and RST for what came then", packets: []capture.Packet{fin(101, 0), packet(102, true, capture.RST)}, fate: loadgen.CutByRST, want: retryArrivedLate},
		{name: "FIN for a request that was read, and RST later", packets: []capture.Packet{fin(101, 50), packet(102, true, capture.RST)}, fate: loadgen.CutByRST, want: retryUnsafe},
		{name: "RST: not read", packets: []capture.Packet{rst(110, 50)}, fate: loadgen.CutByRST, want: retrySafe},
		{name: "RST where some abort", packets: []capture.Packet{rst(110, 50)}, fate: loadgen.CutByRST, aborts: true, want: retryUnsafe},
		{name: "RST with ack 1: nothing received", packets: []capture.Packet{rst(110, 0)}, fate: loadgen.CutByRST, aborts: true, want: retryUnreceived},
		{name: "RST, a part received", packets: []capture.Packet{rst(110, 49)}, fate: loadgen.CutByRST, aborts: true, want: retryUnreceived},
		{name: "RST, the second request not received", packets: []capture.Packet{rst(110, 50)}, fate: loadgen.CutByRST, nth: 1, aborts: true, want: retryUnreceived},
		{name: "RST, the second request received", packets: []capture.Packet{rst(110, 100)}, fate: loadgen.CutByRST, nth: 1, aborts: true, want: retryUnsafe},
		{name: "RST in answer to a segment", packets: []capture.Packet{packet(110, true, capture.RST)}, fate: loadgen.CutByRST, aborts: true, want: retryUnsafe},
		{name: "never left", packets: []capture.Packet{packet(110, true, capture.RST)}, fate: loadgen.CutByRST, aborts: true, unsent: true, want: retryUnreceived},
		{name: "never left, without packets", blind: true, fate: loadgen.CutByRST, aborts: true, unsent: true, want: retryUnreceived},
		{name: "RST before the request", packets: []capture.Packet{packet(90, true, capture.RST|capture.ACK)}, fate: loadgen.CutByRST, aborts: true, want: retryArrivedLate},
		{name: "some of the reply had come", packets: []capture.Packet{packet(110, true, capture.RST|capture.ACK)}, fate: loadgen.CutByRST, touched: true, want: retryUnsafe},
		{name: "timed out", packets: nil, fate: loadgen.RequestTimedOut, want: retryUnsafe},
		{name: "no packets at all", blind: true, fate: loadgen.CutByRST, want: retryUnsafe},
		{name: "no packets, not acknowledged", blind: true, fate: loadgen.CutByFIN, unacked: true, want: retryArrivedLate},
		{name: "the next connection of the port", packets: []capture.Packet{
			fin(110, 50), packet(125, false, capture.SYN), packet(126, true, capture.RST|capture.ACK),
		}, fate: loadgen.CutByFIN, want: retryUnsafe},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := loadgen.RequestEntry{Conn: 1, Fate: tt.fate, Nth: tt.nth, Touched: tt.touched, Unacked: tt.unacked, Unsent: tt.unsent, Sent: 100 * ms, Ended: 120 * ms}
			e := evidence{
				groups:  groups{{bytes: 50}},
				journal: &loadgen.Journal{Conns: []loadgen.ConnEntry{conn}, Requests: []loadgen.RequestEntry{r}},
			}
			if !tt.blind {
				e.packets = capture.NewTrace(append(append([]capture.Packet(nil), open...), tt.packets...))
			}
			j := join(&e)
			if got := j.retry(&j.requests[0], tt.aborts); got != tt.want {
				t.Errorf("retry %d, want %d", got, tt.want)
			}
		})
	}
}

// TestAborts tells resets by SO_LINGER 0 from those that late data brought.
func TestAborts(t *testing.T) {
	conn := entryAt(loadgen.ConnEntry{ID: 1, Began: 9 * ms, Opened: 10 * ms, Ended: 120 * ms}, client)
	fin := packet(101, true, capture.FIN)
	fin.Acked = 1 // the SYN, and nothing more
	late := capture.NewTrace([]capture.Packet{packet(9, false, capture.SYN), fin, packet(102, true, capture.RST)})
	for _, tt := range []struct {
		name  string
		trace *capture.Trace
		count int64
		own   bool
		// unread is set where the counter was not read.
		unread bool
		want   bool
	}{
		{"none", late, 0, true, false, false},
		{"late data", late, 1, true, false, false},
		{"one more", late, 2, true, false, true},
		{"others count too", late, 0, false, false, true},
		{"no packets", nil, 0, true, false, true},
		{"not read", late, 0, true, true, true},
	} {
		e := evidence{
			groups: groups{{bytes: 50}}, packets: tt.trace, ownCounters: tt.own,
			journal: &loadgen.Journal{Conns: []loadgen.ConnEntry{conn}, Requests: []loadgen.RequestEntry{{Conn: 1, Fate: loadgen.CutByRST}}},
			before:  sockstate.Counters{"TcpExtTCPAbortOnData": 5}, after: sockstate.Counters{"TcpExtTCPAbortOnData": 5 + tt.count},
		}
		if tt.unread {
			e.after = nil
		}
		j := join(&e)
		if got := j.aborts(); got != tt.want {
			t.Errorf("%s: aborts %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestFates gives each kind of end its fate.
func TestFates(t *testing.T) {
	const signal, concluded = 100, 200
	groups := groups{{name: groupIdle, keep: loadgen.KeepIdle}, {name: groupArrivals}, {name: groupPartial, keep: loadgen.KeepPartial}}
	for _, tt := range []struct {
		name string
		c    loadgen.ConnEntry
		want record.DrainConnections
	}{
		{"idle FIN", loadgen.ConnEntry{Opened: 1, Ended: 110, End: loadgen.EndByFIN, Outcome: sockstate.OutcomeFIN}, record.DrainConnections{Opened: 1, FIN: 1}},
		{"idle RST", loadgen.ConnEntry{Opened: 1, Ended: 110, End: loadgen.EndByRST, Outcome: sockstate.OutcomeRSTReceived}, record.DrainConnections{Opened: 1, RST: 1}},
		{"cut", loadgen.ConnEntry{Group: 1, Opened: 1, Ended: 110, End: loadgen.EndByRST, Outcome: sockstate.OutcomeCutInRequest}, record.DrainConnections{Opened: 1, Cut: 1}},
		{"half a request is not cut", loadgen.ConnEntry{Group: 2, Opened: 1, Ended: 110, End: loadgen.EndByFIN, Outcome: sockstate.OutcomeCutInRequest}, record.DrainConnections{Opened: 1, FIN: 1}},
		{"done", loadgen.ConnEntry{Group: 1, Opened: 105, Ended: 110, End: loadgen.EndByClient, Outcome: sockstate.OutcomeFIN}, record.DrainConnections{Opened: 1, Done: 1}},
		{"never ended", loadgen.ConnEntry{Opened: 1, Ended: 201, End: loadgen.EndByClient, Outcome: sockstate.OutcomeFIN}, record.DrainConnections{Opened: 1, Never: 1}},
		{"kept by the new server", loadgen.ConnEntry{Opened: 150, Ended: 201, End: loadgen.EndByClient, Outcome: sockstate.OutcomeFIN}, record.DrainConnections{Opened: 1, Never: 1, Kept: 1}},
		{"interrupted", loadgen.ConnEntry{Opened: 1, Ended: 150, End: loadgen.EndOpen, Outcome: sockstate.OutcomeInterrupted}, record.DrainConnections{Opened: 1, Never: 1}},
		{"cut after the watch", loadgen.ConnEntry{Group: 1, Opened: 1, Ended: 205, End: loadgen.EndByRST, Outcome: sockstate.OutcomeCutInRequest}, record.DrainConnections{Opened: 1, Cut: 1}},
		{"timed out after the watch", loadgen.ConnEntry{Opened: 1, Ended: 205, End: loadgen.EndByClient, Outcome: sockstate.OutcomeRequestTimeout}, record.DrainConnections{Opened: 1, Other: 1}},
		{"answered after the watch", loadgen.ConnEntry{Group: 1, Opened: 1, Ended: 205, End: loadgen.EndByClient, Outcome: sockstate.OutcomeFIN}, record.DrainConnections{Opened: 1, Done: 1}},
		{"FIN after the watch", loadgen.ConnEntry{Opened: 1, Ended: 205, End: loadgen.EndByFIN, Outcome: sockstate.OutcomeFIN}, record.DrainConnections{Opened: 1, Never: 1}},
		{"its request timed out", loadgen.ConnEntry{Group: 1, Opened: 1, Ended: 150, End: loadgen.EndByClient, Outcome: sockstate.OutcomeRequestTimeout}, record.DrainConnections{Opened: 1, Other: 1}},
		{"before the signal", loadgen.ConnEntry{Opened: 1, Ended: 99, End: loadgen.EndByFIN, Outcome: sockstate.OutcomeFIN}, record.DrainConnections{}},
		{"before the mark", loadgen.ConnEntry{Opened: 1, Ended: 110, Early: true, End: loadgen.EndByFIN, Outcome: sockstate.OutcomeFIN}, record.DrainConnections{}},
		{"refused", loadgen.ConnEntry{Ended: 110, End: loadgen.EndNotOpened, Outcome: sockstate.OutcomeRefused}, record.DrainConnections{}},
	} {
		e := evidence{
			groups: groups, times: times{signal: signal, concluded: concluded},
			journal: &loadgen.Journal{Conns: []loadgen.ConnEntry{tt.c}, LoopLag: record.NewHistogram()},
			atEnd:   loadgen.Snapshot{Groups: make([]loadgen.GroupSnapshot, len(groups))},
		}
		r := fold(&e)
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
		return loadgen.ConnEntry{Began: at * ms, Ended: at*ms + 1, End: loadgen.EndNotOpened, Outcome: sockstate.OutcomeRefused}
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
		var packets []capture.Packet
		for i := range tt.conns {
			c := &tt.conns[i]
			p := capture.Packet{At: c.Began, ClientPort: uint16(1000 + i), Flags: capture.SYN}
			packets = append(packets, p)
			p.FromServer, p.At, p.Flags = true, p.At+1, capture.RST|capture.ACK
			if c.Opened != 0 {
				p.Flags = capture.SYN | capture.ACK
			}
			packets = append(packets, p)
		}
		for _, trace := range []*capture.Trace{nil, capture.NewTrace(packets)} {
			j := join(&evidence{times: times{signal: 100 * ms, concluded: 1000 * ms}, packets: trace, journal: &loadgen.Journal{Conns: tt.conns}})
			l := j.listener()
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

// TestUnserved tells connections that only the kernel took from those that a process accepted.
func TestUnserved(t *testing.T) {
	type conn struct {
		at   int64 // ms; 0: refused or dropped
		fate loadgen.Fate
		end  loadgen.End
		// outcome of an attempt that was not opened
		outcome sockstate.Outcome
		partial bool
		touched bool
	}
	hung := func(at int64) conn { return conn{at: at, fate: loadgen.RequestTimedOut, end: loadgen.EndByClient} }
	served := func(at int64) conn { return conn{at: at, fate: loadgen.Answered, end: loadgen.EndByClient} }
	for _, tt := range []struct {
		name     string
		conns    []conn
		unserved int64   // Undecided is in want
		from     float64 // ms after the signal, -1: nil
		want     record.DrainListener
	}{
		{"all answered", []conn{served(110), served(120)}, 0, -1, record.DrainListener{Attempts: 2, Opened: 2}},
		{"none answered", []conn{hung(110), {at: 120, end: loadgen.EndOpen}}, 1, 10, record.DrainListener{Attempts: 2, Opened: 2, Undecided: 1}},
		{"cut off by an interrupt", []conn{served(110), {at: 120, end: loadgen.EndOpen}, {at: 130, end: loadgen.EndOpen}}, 0, -1, record.DrainListener{Attempts: 3, Opened: 3, Undecided: 2}},
		{"cut off in the reply", []conn{{at: 120, touched: true, end: loadgen.EndOpen}}, 0, -1, record.DrainListener{Attempts: 1, Opened: 1}},
		{"from some time on", []conn{served(110), hung(120), hung(130)}, 2, 20, record.DrainListener{Attempts: 3, Opened: 3}},
		{"one in between", []conn{hung(110), served(120)}, 1, -1, record.DrainListener{Attempts: 2, Opened: 2}},
		{"a 5xx is served", []conn{hung(110), {at: 120, fate: loadgen.Answered5xx, end: loadgen.EndByClient}}, 1, -1, record.DrainListener{Attempts: 2, Opened: 2}},
		{"half a reply is served", []conn{hung(110), {at: 120, fate: loadgen.RequestTimedOut, touched: true, end: loadgen.EndByClient}}, 1, -1, record.DrainListener{Attempts: 2, Opened: 2}},
		{"FIN is a process's", []conn{hung(110), {at: 120, fate: loadgen.CutByFIN, end: loadgen.EndByFIN}}, 1, -1, record.DrainListener{Attempts: 2, Opened: 2}},
		{"RST may be the queue's", []conn{hung(110), {at: 120, fate: loadgen.CutByRST, end: loadgen.EndByRST}}, 1, 10, record.DrainListener{Attempts: 2, Opened: 2}},
		{"half a request wants no reply", []conn{{at: 110, fate: loadgen.RequestOpen, partial: true, end: loadgen.EndByClient}}, 0, -1, record.DrainListener{Attempts: 1, Opened: 1}},
		{"before the signal", []conn{hung(90), served(95)}, 0, -1, record.DrainListener{}},
		{
			"SYNs dropped",
			[]conn{{outcome: sockstate.OutcomeConnectTimeout}, {outcome: sockstate.OutcomeInterrupted}, {outcome: sockstate.OutcomeNoLocalPort}, {outcome: sockstate.OutcomeRefused}, {outcome: sockstate.OutcomeUnreachable}},
			0, -1,
			record.DrainListener{Attempts: 5, TimedOut: 1, Pending: 1, Unreachable: 1, Failed: 1, Refused: 1},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var j loadgen.Journal
			for i, c := range tt.conns {
				e := loadgen.ConnEntry{ID: loadgen.ConnID(i + 1), Began: c.at * ms, Opened: c.at * ms, Ended: 1200 * ms, End: c.end, Outcome: c.outcome}
				if c.at == 0 {
					e.Began, e.End = 150*ms, loadgen.EndNotOpened
				} else {
					j.Requests = append(j.Requests, loadgen.RequestEntry{Conn: e.ID, Fate: c.fate, Partial: c.partial, Touched: c.touched, Sent: c.at * ms, Ended: 1200 * ms})
				}
				if !c.fate.Lost() && c.fate != loadgen.RequestOpen {
					e.Requests = 1
				}
				j.Conns = append(j.Conns, e)
			}
			// The connects that are pending end after the watch.
			joined := join(&evidence{times: times{signal: 100 * ms, concluded: 1000 * ms}, journal: &j})
			l := joined.listener()
			if l.Unserved != tt.unserved || rounded(l.UnservedFromS) != tt.from {
				t.Errorf("%d unserved, from %v ms on, want %d from %v", l.Unserved, rounded(l.UnservedFromS), tt.unserved, tt.from)
			}
			got := record.DrainListener{Attempts: l.Attempts, Opened: l.Opened, Refused: l.Refused, TimedOut: l.TimedOut, Pending: l.Pending, Unreachable: l.Unreachable, Failed: l.Failed, Undecided: l.Undecided}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("connects (-want +got):\n%s", diff)
			}
		})
	}
}

// TestGap measures the longest time without a reply, and says where it had no end.
func TestGap(t *testing.T) {
	for _, tt := range []struct {
		name    string
		replies []int64
		want    float64
		open    bool
	}{
		{"none", nil, 900, true},
		{"to the end", []int64{110, 300}, 700, true},
		{"closed", []int64{110, 800, 950}, 690, false},
	} {
		e := evidence{times: times{signal: 100 * ms, concluded: 1000 * ms}, journal: &loadgen.Journal{}}
		for _, r := range tt.replies {
			e.journal.Requests = append(e.journal.Requests, loadgen.RequestEntry{Fate: loadgen.Answered, Ended: r * ms})
		}
		j := join(&e)
		if got, open := j.gap(); rounded(got) != tt.want || open != tt.open {
			t.Errorf("%s: %v ms, open %v, want %v, %v", tt.name, rounded(got), open, tt.want, tt.open)
		}
	}
}

// TestLateDoubts says that the program did not run, and guesses no reason.
func TestLateDoubts(t *testing.T) {
	for _, tt := range []struct {
		r    record.DrainTry
		want []string
	}{
		{record.DrainTry{}, nil},
		{record.DrainTry{HaltedS: 0.708}, []string{"order: this program did not run for 708 ms after the signal (halted, or without a CPU): what clients saw then came late"}},
		{record.DrainTry{HaltedS: 3}, nil}, // the verdict says it
		{record.DrainTry{Order: record.DrainOrder{UncertaintyUs: 1000}}, nil},
		{record.DrainTry{Order: record.DrainOrder{UncertaintyUs: 1004}}, []string{"order: what came within 1.00 ms of the signal, or of the stop command, may have come before it"}},
	} {
		var got sentences
		got.addLate(&tt.r)
		if diff := cmp.Diff(tt.want, []string(got)); diff != "" {
			t.Errorf("halted for %v s, uncertain by %v us (-want +got):\n%s", tt.r.HaltedS, tt.r.Order.UncertaintyUs, diff)
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
