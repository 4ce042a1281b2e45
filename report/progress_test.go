package report

import (
	"bytes"
	"errors"
	"io"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"lastack/bench/record"
	"lastack/sockstate/socktest/golden"
)

func progressOf(t *testing.T, server bool, width int, intervals []record.Interval) []byte {
	t.Helper()
	var b bytes.Buffer
	p := NewProgress(&b, server, width)
	for i := range intervals {
		if err := p.Interval(&intervals[i]); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func TestProgress(t *testing.T) {
	local := sample(t, "loss").Timeline
	local[0].Phase = "warmup"
	golden.Check(t, filepath.Join("testdata", "progress.txt"), string(progressOf(t, true, 0, local)))
	golden.Check(t, filepath.Join("testdata", "progress-narrow.txt"), string(progressOf(t, true, 80, local)))
	golden.Check(t, filepath.Join("testdata", "progress-remote.txt"), string(progressOf(t, false, 0, sample(t, "refused").Timeline)))
}

// Rows and headers are of one width, whatever the numbers.
func TestProgressWidth(t *testing.T) {
	numbers := []float64{0, 1, 9, 99, 999, 1000, 9999, 10_000, 99_999, 100_000, 999_499, 999_999, 1e6, 12_345_678, 1e9, 1e12, 1e15, 1e18}
	var intervals []record.Interval
	for _, n := range numbers {
		states := map[string]int{}
		for _, s := range stateOrder() {
			states[s] = int(n)
		}
		intervals = append(intervals, record.Interval{
			TS: n, Phase: "settle", Opened: int64(n), Failed: int64(n), InFlight: int64(n), P50Us: n, P99Us: n * 1.234, Client: states, Server: states,
			Fds: int(n), PortsInUse: int(n),
		})
	}
	intervals = append(
		intervals,
		record.Interval{}, record.Interval{TS: -5}, record.Interval{TS: math.Inf(1), P50Us: math.NaN(), P99Us: math.Inf(1)},
		record.Interval{Phase: "\x1b[J", Opened: math.MaxInt64, Client: map[string]int{"ESTABLISHED": -3}},
	)
	for _, c := range []struct {
		server bool
		width  int
	}{{false, 0}, {true, 0}, {true, 80}, {true, 40}, {true, 30}, {false, 1}} {
		out := string(progressOf(t, c.server, c.width, intervals))
		want := columns(NewProgress(io.Discard, c.server, c.width).groups)
		if c.width > 1 && want > c.width {
			t.Errorf("%+v: %d columns", c, want)
		}
		for _, l := range strings.Split(strings.TrimSuffix(out, "\n"), "\n") {
			if utf8.RuneCountInString(l) != want {
				t.Errorf("%+v: %d columns, want %d: %q", c, utf8.RuneCountInString(l), want, l)
			}
			if c.width == 0 && !IsProgress([]byte(l+"\n")) {
				t.Errorf("is not known as progress: %q", l)
			}
			if strings.ContainsAny(l, "\x1b…") {
				t.Errorf("a number was cut, or an escape got through: %q", l)
			}
		}
	}
}

func TestIsProgress(t *testing.T) {
	for _, l := range []string{"", "\n", " ", "  \"a\": \"b | c\",", "   12,", "12 |", " 1 2 | 3", "{}"} {
		if IsProgress([]byte(l)) {
			t.Errorf("%q is no progress", l)
		}
	}
}

func TestProgressHeader(t *testing.T) {
	out := string(progressOf(t, false, 0, make([]record.Interval, 45)))
	if n := strings.Count(out, "conn/s"); n != 3 {
		t.Errorf("%d headers for 45 rows, want 3", n)
	}
}

func TestProgressWriteError(t *testing.T) {
	if err := NewProgress(brokenWriter{}, false, 0).Interval(&record.Interval{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v, want the writer's error", err)
	}
}
