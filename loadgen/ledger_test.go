package loadgen

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lastack/sockstate/sockio"
)

func TestLedgerSums(t *testing.T) {
	var l Ledger
	for o := range l.Outcomes {
		l.Outcomes[o] = 1 << o // so that every sum tells its terms
	}
	l.Outcomes[NoOutcome] = 0
	l.Unexpected = 1
	ends := int64(1<<FIN + 1<<RSTSent + 1<<RSTReceived)
	if got, want := l.Completed(), ends-1; got != want {
		t.Errorf("Completed() = %b, want %b", got, want)
	}
	if got, want := l.Unfinished(), int64(1<<Held+1<<Interrupted); got != want {
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

func TestOutcomeNames(t *testing.T) {
	seen := make(map[string]Outcome)
	for o := FIN; int(o) < NumOutcomes; o++ {
		if o.String() == "" {
			t.Errorf("outcome %d has no name", o)
		}
		if p, ok := seen[o.String()]; ok {
			t.Errorf("outcomes %d and %d are both %q", o, p, o)
		}
		seen[o.String()] = o
	}
	failures := []Outcome{
		Refused, ConnectTimeout, NoLocalPort, NoFd, NoMemory, Unreachable, CutInRequest, ClosedEarly, HTTPStatus,
		RequestTimeout, CloseTimeout, Other,
	}
	var got []Outcome
	for o := NoOutcome; int(o) < NumOutcomes; o++ {
		if o.Failed() {
			got = append(got, o)
		}
	}
	if d := cmp.Diff(failures, got); d != "" {
		t.Errorf("failures (-want +got):\n%s", d)
	}
	for m := range Metric(NumMetrics) {
		if m.String() == "" {
			t.Errorf("metric %d has no name", m)
		}
	}
}

func TestDialOutcome(t *testing.T) {
	for _, tc := range []struct {
		op   sockio.Op
		e    sockio.Errno
		want Outcome
	}{
		{sockio.OpConnect, unix.ECONNREFUSED, Refused},
		{sockio.OpConnect, unix.ETIMEDOUT, ConnectTimeout},
		{sockio.OpConnect, unix.EADDRNOTAVAIL, NoLocalPort},
		{sockio.OpBind, unix.EADDRNOTAVAIL, Other}, // an address that is not local
		{sockio.OpBind, unix.EADDRINUSE, NoLocalPort},
		{sockio.OpConnect, unix.EADDRINUSE, NoLocalPort},
		{sockio.OpSocket, unix.EMFILE, NoFd},
		{sockio.OpSocket, unix.ENFILE, NoFd},
		{sockio.OpSocket, unix.ENOMEM, NoMemory},
		{sockio.OpSocket, unix.ENOBUFS, NoMemory},
		{sockio.OpConnect, unix.ENOBUFS, NoMemory},
		{sockio.OpSetsockopt, unix.ENOMEM, NoMemory},
		{sockio.OpConnect, unix.ENETUNREACH, Unreachable},
		{sockio.OpConnect, unix.EHOSTUNREACH, Unreachable},
		{sockio.OpConnect, unix.EHOSTDOWN, Unreachable},
		{sockio.OpConnect, unix.ENETDOWN, Unreachable},
		{sockio.OpConnect, unix.EACCES, Other},
		{sockio.OpConnect, unix.EPERM, Other},
		{sockio.OpSocket, unix.EAFNOSUPPORT, Other},
		{sockio.OpSetsockopt, unix.ENOPROTOOPT, Other},
	} {
		if got := dialOutcome(tc.op, tc.e, false); got != tc.want {
			t.Errorf("%v fails with %v: %v, want %v", tc.op, tc.e, got, tc.want)
		}
	}
}

func TestRecordBounds(t *testing.T) {
	h := NewHistogram()
	for _, ns := range []int64{-5, 0, 1, 3_600_000_000_000, 1 << 62} {
		record(h, ns)
	}
	if h.TotalCount() != 5 {
		t.Errorf("%d of 5 samples are in the histogram", h.TotalCount())
	}
}

func TestResultTotal(t *testing.T) {
	group := func(n int64) GroupResult {
		g := GroupResult{Latency: newLatencies(), Info: newInfoSample(), Errnos: map[sockio.Errno]int64{unix.EPROTO: n}}
		g.Ledger.Attempted, g.Warmup.Attempted = n, 10*n
		g.Scheduled, g.Capped, g.Dropped, g.PeakOpen, g.Info.Sampled = n, n, n, n, n
		record(g.Latency[Connect], n)
		return g
	}
	r := Result{Groups: []GroupResult{group(1), group(2)}}
	got := r.Total()
	if got.Ledger.Attempted != 3 || got.Warmup.Attempted != 30 || got.Scheduled != 3 || got.Capped != 3 || got.Dropped != 3 ||
		got.PeakOpen != 3 || got.Info.Sampled != 3 || got.Errnos[unix.EPROTO] != 3 || got.Latency[Connect].TotalCount() != 2 {
		t.Errorf("Total() = %+v", got)
	}
	if r.Groups[0].Errnos[unix.EPROTO] != 1 {
		t.Error("Total changed its groups")
	}
}
