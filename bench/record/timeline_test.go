package record

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wide is an interval whose histograms are as wide as those of a busy server, with n lifecycles between 20 us and 10 s.
func wide(t testing.TB, r *rand.Rand, at float64, n int) Interval {
	t.Helper()
	h := NewHistogram()
	for range n {
		if err := h.RecordValue(int64(20e3 * math.Pow(5e5, r.Float64()))); err != nil {
			t.Fatal(err)
		}
	}
	l, err := NewLatency(h)
	if err != nil {
		t.Fatal(err)
	}
	connect := l
	return Interval{TS: at, Phase: "load", Started: int64(n), Opened: int64(n), Completed: int64(n), P50Us: l.P50Us, P99Us: l.P99Us, MaxUs: l.MaxUs, Lifecycle: &l, Connect: &connect}
}

// A long timeline keeps within its bounds, and what its intervals count and time adds up to the same.
func TestTimelineFolds(t *testing.T) {
	const n, rows, size = 96, 20, 8_000
	r := rand.New(rand.NewPCG(1, 2))
	var line Timeline
	all, sum, longest := NewHistogram(), int64(0), 0.0
	for i := range n {
		iv := wide(t, r, float64(i+1), 20)
		iv.Failed, iv.Failures, iv.Counters = 1, map[string]int64{"refused": 1}, map[string]int64{"TcpRetransSegs": 2}
		switch {
		case i < 12:
			iv.Phase = "warmup"
		case i%7 == 0:
			iv.Client, iv.PortsInUse = map[string]int{"ESTABLISHED": i}, i
		}
		if h, err := iv.Lifecycle.Histogram(); err != nil {
			t.Fatal(err)
		} else {
			all.Merge(h)
		}
		sum, longest = sum+iv.Completed, max(longest, iv.MaxUs)
		line.add(iv, rows, size)
		if got := line.Last().TS; got != float64(i+1) {
			t.Fatalf("the last interval ends at %v, want %d", got, i+1)
		}
		if i > 2*rows && (line.len() > rows+rows/4 || line.histograms > size+size/4) {
			t.Fatalf("after %d: %d intervals, %d bytes of histograms", i, line.len(), line.histograms)
		}
	}
	folded, merged, at := line.Intervals(), NewHistogram(), 0.0
	var completed, failed, refused, retransmitted int64
	highest, censuses := 0.0, 0
	for i := range folded {
		iv := &folded[i]
		h, err := iv.Lifecycle.Histogram()
		if err != nil || iv.TS <= at || h.TotalCount() != iv.Completed || iv.Connect.Count != iv.Completed || iv.P99Us != iv.Lifecycle.P99Us {
			t.Fatalf("%d: %+v, %v", i, iv, err)
		}
		merged.Merge(h)
		at = iv.TS
		completed, failed, refused, retransmitted = completed+iv.Completed, failed+iv.Failed, refused+iv.Failures["refused"], retransmitted+iv.Counters["TcpRetransSegs"]
		highest = max(highest, iv.MaxUs)
		if iv.Census() {
			if censuses++; float64(iv.Client["ESTABLISHED"]) != iv.TS-1 {
				t.Errorf("a census at %v is of %d s", iv.TS, iv.Client["ESTABLISHED"])
			}
		}
	}
	if completed != sum || failed != n || refused != n || retransmitted != 2*n || highest != longest || at != n || censuses == 0 || len(folded) >= n {
		t.Errorf("%d intervals until %v: %d completed, %d failed, %d refused, %d retransmitted, longest %v, %d censuses", len(folded), at, completed, failed, refused, retransmitted, highest, censuses)
	}
	if d := cmp.Diff(Summarize(all), Summarize(merged)); d != "" {
		t.Error(d)
	}
}

// Below its bounds a timeline stays as it is, and beyond them it stops to grow, even where nothing can be folded soon.
func TestTimelineShort(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var line Timeline
	if line.Last() != nil || len(line.Intervals()) != 0 {
		t.Error("there is one")
	}
	var want []Interval
	for i := range 50 {
		iv := wide(t, r, float64(i), 5)
		want = append(want, iv)
		line.Add(iv)
	}
	if d := cmp.Diff(want, line.Intervals()); d != "" {
		t.Error(d)
	}
	var odd Timeline
	for i, phase := range []string{"warmup", "load", "drain", "settle", "load", "settle"} {
		odd.add(Interval{TS: float64(i), Phase: phase}, 1, 1)
	}
	if n := len(odd.Intervals()); n != 6 {
		t.Errorf("%d intervals, want 6", n)
	}
}

// What the longest run writes can be read: its text, its values and its objects are within the limits, and an interval is as short as is
// reckoned.
func TestTimelineReadable(t *testing.T) {
	iv := wide(t, rand.New(rand.NewPCG(5, 6)), 604_799.123456789, 1000)
	big := int64(1) << 40
	iv.Requests, iv.InFlight, iv.Failed = big, big, big
	iv.AcceptQueue, iv.NotAccepted, iv.FinWait2Mini, iv.Orphans, iv.PortsInUse, iv.PortsReusable, iv.Fds, iv.MemBytes = 1<<20, 1<<20, 1<<20, 1<<20, 1<<20, 1<<20, 1<<20, big
	iv.Client, iv.Server = map[string]int{}, map[string]int{}
	for _, state := range []string{"ESTABLISHED", "SYN_SENT", "FIN_WAIT_1", "FIN_WAIT_2", "TIME_WAIT", "CLOSE_WAIT", "LAST_ACK", "CLOSING"} {
		iv.Client[state], iv.Server[state] = 1<<20, 1<<20
	}
	iv.Failures = map[string]int64{"connect_timeout": big, "no_local_port": big, "refused": big}
	iv.Counters = map[string]int64{"TcpRetransSegs": big, "TcpExtListenDrops": big, "TcpExtListenOverflows": big, "TcpExtTCPTimeouts": big}
	run := sample(t)
	run.Timeline = nil
	none, err := Marshal(run, " ")
	if err != nil {
		t.Fatal(err)
	}
	run.Timeline = []Interval{iv, iv}
	two, err := Marshal(run, " ")
	if err != nil {
		t.Fatal(err)
	}
	row := string(two[len(none):])
	if n := len(row)/2 - iv.histograms(); n > maxRow {
		t.Errorf("an interval has %d bytes without its histograms, reckoned with %d", n, maxRow)
	}
	values, objects := strings.Count(string(two), ",")-strings.Count(string(none), ","), strings.Count(string(two), "{")-strings.Count(string(none), "{")
	for name, c := range map[string][2]int{
		"bytes":     {mostRows*maxRow + mostHistograms, maxSize - 64<<20},
		"values":    {mostRows * values / 2, maxValues},
		"objects":   {mostRows * objects / 2, maxContainers},
		"intervals": {mostRows, maxIntervals},
	} {
		if c[0] > c[1] {
			t.Errorf("%s: a long run writes %d, and %d are read", name, c[0], c[1])
		}
	}
}
