package loadgen

import (
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/sockstate"
	"lastack/sockstate/sockio"
)

func TestLedgerSums(t *testing.T) {
	var l Ledger
	for o := range l.Outcomes {
		if c := sockstate.Outcome(o).Class(); c != sockstate.ClassUnknown && c != sockstate.ClassServer {
			l.Outcomes[o] = 1 << o // so that every sum tells its terms
		}
	}
	l.Unexpected = 1
	ends := int64(1<<sockstate.OutcomeFIN + 1<<sockstate.OutcomeRSTSent + 1<<sockstate.OutcomeRSTReceived)
	if got, want := l.Completed(), ends-1; got != want {
		t.Errorf("Completed() = %b, want %b", got, want)
	}
	if got, want := l.Unfinished(), int64(1<<sockstate.OutcomeHeld+1<<sockstate.OutcomeInterrupted); got != want {
		t.Errorf("Unfinished() = %b, want %b", got, want)
	}
	var sum int64
	for _, n := range l.Outcomes {
		sum += n
	}
	if got := l.Completed() + l.Failed() + l.Unfinished(); got != sum {
		t.Errorf("completed, failed and unfinished are %b, the outcomes %b", got, sum)
	}
}

func TestLedgerAdd(t *testing.T) {
	fill := func(by int64) (l Ledger) {
		l = Ledger{Attempted: by, Opened: 2 * by, NoSYN: 3 * by, Unexpected: 4 * by, Requests: 5 * by}
		for o := range l.Outcomes {
			l.Outcomes[o] = int64(o) * by
		}
		for c := range l.Statuses {
			l.Statuses[c] = int64(c) * by
		}
		for f := range l.Faults {
			l.Faults[f] = int64(f) * by
		}
		return l
	}
	got, b := fill(1), fill(10)
	got.Add(&b)
	if d := cmp.Diff(fill(11), got); d != "" {
		t.Errorf("Add (-want +got):\n%s", d)
	}
}

func TestDialOutcome(t *testing.T) {
	for _, tc := range []struct {
		op   sockio.Op
		e    sockio.Errno
		want sockstate.Outcome
	}{
		{sockio.OpConnect, syscall.ECONNREFUSED, sockstate.OutcomeRefused},
		{sockio.OpConnect, syscall.ETIMEDOUT, sockstate.OutcomeConnectTimeout},
		{sockio.OpConnect, syscall.EADDRNOTAVAIL, sockstate.OutcomeNoLocalPort},
		{sockio.OpBind, syscall.EADDRNOTAVAIL, sockstate.OutcomeOther}, // an address that is not local
		{sockio.OpBind, syscall.EADDRINUSE, sockstate.OutcomeNoLocalPort},
		{sockio.OpConnect, syscall.EADDRINUSE, sockstate.OutcomeNoLocalPort},
		{sockio.OpSocket, syscall.EMFILE, sockstate.OutcomeNoFD},
		{sockio.OpSocket, syscall.ENFILE, sockstate.OutcomeNoFD},
		{sockio.OpSocket, syscall.ENOMEM, sockstate.OutcomeNoMemory},
		{sockio.OpSocket, syscall.ENOBUFS, sockstate.OutcomeNoMemory},
		{sockio.OpConnect, syscall.ENOBUFS, sockstate.OutcomeNoMemory},
		{sockio.OpSetsockopt, syscall.ENOMEM, sockstate.OutcomeNoMemory},
		{sockio.OpConnect, syscall.ENETUNREACH, sockstate.OutcomeUnreachable},
		{sockio.OpConnect, syscall.EHOSTUNREACH, sockstate.OutcomeUnreachable},
		{sockio.OpConnect, syscall.EHOSTDOWN, sockstate.OutcomeUnreachable},
		{sockio.OpConnect, syscall.ENETDOWN, sockstate.OutcomeUnreachable},
		{sockio.OpConnect, syscall.EACCES, sockstate.OutcomeOther},
		{sockio.OpConnect, syscall.EPERM, sockstate.OutcomeOther},
		{sockio.OpSocket, syscall.EAFNOSUPPORT, sockstate.OutcomeOther},
		{sockio.OpSetsockopt, syscall.ENOPROTOOPT, sockstate.OutcomeOther},
	} {
		if got := dialOutcome(tc.op, tc.e, false); got != tc.want {
			t.Errorf("%v fails with %v: %v, want %v", tc.op, tc.e, got, tc.want)
		}
	}
}

func TestRecordBounds(t *testing.T) {
	h := newHistogram()
	for _, ns := range []int64{-5, 0, 1, 3_600_000_000_000, 1 << 62} {
		record(h, ns)
	}
	if h.TotalCount() != 5 {
		t.Errorf("%d of 5 samples are in the histogram", h.TotalCount())
	}
}

func TestResultTotal(t *testing.T) {
	group := func(n int64) GroupResult {
		g := newGroupResult("")
		g.Errnos[syscall.EPROTO] = n
		g.Ledger.Attempted, g.Warmup.Attempted = n, 10*n
		g.Scheduled, g.Capped, g.Dropped, g.PeakOpen, g.Info.Sampled = n, n, n, n, n
		record(g.Latency[sockstate.LatencyConnect], n)
		return g
	}
	r := Result{Groups: []GroupResult{group(1), group(2)}}
	got := r.Total()
	if got.Ledger.Attempted != 3 || got.Warmup.Attempted != 30 || got.Scheduled != 3 || got.Capped != 3 || got.Dropped != 3 ||
		got.PeakOpen != 3 || got.Info.Sampled != 3 || got.Errnos[syscall.EPROTO] != 3 || got.Latency[sockstate.LatencyConnect].TotalCount() != 2 {
		t.Errorf("Total() = %+v", got)
	}
	if r.Groups[0].Errnos[syscall.EPROTO] != 1 {
		t.Error("Total changed its groups")
	}
}

// Of several workers' first failures the earliest is the load's.
func TestFirstFailure(t *testing.T) {
	all := newGroupResult("")
	for _, at := range []int64{0, 500, 300, 400, 0} {
		one := newGroupResult("")
		one.FirstFailure[sockstate.OutcomeNoLocalPort] = at
		all.Add(&one)
	}
	var want [sockstate.NumOutcomes]int64
	want[sockstate.OutcomeNoLocalPort] = 300
	if all.FirstFailure != want {
		t.Errorf("%v, want %v", all.FirstFailure, want)
	}
	g := &group{GroupResult: newGroupResult("")}
	g.failed(sockstate.OutcomeRefused, 7)
	g.failed(sockstate.OutcomeRefused, 8)
	if at := g.FirstFailure[sockstate.OutcomeRefused]; at != 7 {
		t.Errorf("%d, want the first, 7", at)
	}
}

func BenchmarkHistogramRecord(b *testing.B) {
	h := newHistogram()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		record(h, int64(i)*977%10_000_000)
	}
}
