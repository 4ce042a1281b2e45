package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// parsers by tool; h1load's as for a test of two seconds.
var parsers = []struct {
	tool  string
	parse func(string) (result, error)
}{
	{"wrk", parseWrk},
	{"ab", parseAb},
	{"hey", parseHey},
	{"httperf", parseHttperf},
	{"h1load", func(s string) (result, error) { return parseH1load(s, 2) }},
	{"neper", parseNeper},
	{"netperf", parseNetperf},
}

func parserOf(t *testing.T, file string) func(string) (result, error) {
	t.Helper()
	for _, p := range parsers {
		if tool, _, _ := strings.Cut(strings.TrimSuffix(file, ".txt"), "_"); tool == p.tool {
			return p.parse
		}
	}
	t.Fatalf("%s belongs to no parser", file)
	return nil
}

// TestParse reads what the tools printed: against nginx, against nothing that listens (refused), against a
// server that only fails (500), and one that stood still for a second (timeout).
func TestParse(t *testing.T) {
	missing := func(tool, want string) error { return &parseError{Tool: tool, Want: want} }
	none := func(tool string) error { return &runError{Command: tool, Err: errNone} }
	tests := map[string]struct {
		want result
		err  error
	}{
		"wrk.txt":          {want: result{Connections: 28888, PerSecond: 14274.94}},
		"wrk_timeout.txt":  {want: result{Connections: 8813, Failed: 4, PerSecond: 2918.57}},
		"wrk_500.txt":      {err: none("wrk")},
		"wrk_refused.txt":  {err: missing("wrk", "N requests in T")},
		"ab.txt":           {want: result{Connections: 24717, PerSecond: 12346.15}},
		"ab_500.txt":       {err: none("ab")},
		"ab_refused.txt":   {err: missing("ab", "Time taken for tests: T seconds")},
		"hey.txt":          {want: result{Connections: 20022, PerSecond: 10001.50}},
		"hey_500.txt":      {err: none("hey")},
		"hey_refused.txt":  {err: none("hey")},
		"httperf.txt":      {want: result{Connections: 9370, PerSecond: 4696.74}},
		"httperf_rate.txt": {want: result{Connections: 978, PerSecond: 804.94}},
		// The connections that were refused are failures, and nothing else was there.
		"httperf_refused.txt": {err: none("httperf")},
		// The rates of two lines, the counts of all four: the process lived that long.
		"h1load.txt":          {want: result{Connections: 21554, PerSecond: (5287.0 + 9017.0) / 2}},
		"h1load_refused.txt":  {err: none("h1load")},
		"neper.txt":           {want: result{Connections: 33962, PerSecond: 17408.86}},
		"neper_refused.txt":   {err: missing("neper", "num_transactions=N")},
		"netperf.txt":         {want: result{Connections: 4487, PerSecond: 4486.529}},
		"netperf_refused.txt": {err: missing("netperf", "TRANSACTION_RATE=R")},
	}
	files, err := filepath.Glob("testdata/*_*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, f := range files {
		if _, ok := tests[filepath.Base(f)]; !ok {
			t.Errorf("%s is in no test", f)
		}
	}
	for file, tt := range tests {
		t.Run(file, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("testdata", file))
			if err != nil {
				t.Fatal(err)
			}
			got, err := parserOf(t, file)(string(text))
			if diff := cmp.Diff(describe(tt.err), describe(err)); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateApprox(0, 0.01)); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
		})
	}
}

// describe tells errors of the package apart by type and fields, as their text has them all.
func describe(err error) string { return fmt.Sprintf("%T %v", err, err) }

// TestParseStrange gives each parser numbers that are none, or not of this world.
func TestParseStrange(t *testing.T) {
	tests := []struct{ tool, text string }{
		{"wrk", "  18446744073709551616 requests in 2.02s\nRequests/sec: 5\n"},
		{"wrk", "  5 requests in 2.02s\nRequests/sec: NaN\n"},
		{"ab", "Complete requests: 10\nTime taken for tests: Inf seconds\n"},
		{"hey", "  Total:\tx secs\nStatus code distribution:\n  [200]\t10 responses\n"},
		{"httperf", "Total: connections 1 requests 1 replies 1 test-duration -1 s\nReply status: 1xx=0 2xx=5 3xx=0 4xx=0 5xx=0\n"},
		{"h1load", "1 2 3\n"},
		{"h1load", "1 64 5 -5 0 0 100 1 1 1 1\n"},
		{"neper", "num_transactions=many\nthroughput=5\n"},
		{"netperf", "TRANSACTION_RATE=1e400\nELAPSED_TIME=1\n"},
	}
	for _, tt := range tests {
		_, err := parserOf(t, tt.tool)(tt.text)
		var pe *parseError
		if !errors.As(err, &pe) || pe.Tool != tt.tool || pe.Got == "" {
			t.Errorf("%s of %q: %v, want a *parseError with what was found", tt.tool, tt.text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for i := range parsers {
			f.Add(uint8(i), string(text))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		p := parsers[int(which)%len(parsers)]
		r, err := p.parse(text)
		if err != nil {
			var pe *parseError
			var re *runError
			if !errors.As(err, &pe) && !errors.As(err, &re) {
				t.Fatalf("%s: %T %v", p.tool, err, err)
			}
			if !cmp.Equal(r, result{}) {
				t.Fatalf("%s: an error, and %+v", p.tool, r)
			}
			return
		}
		if r.Connections <= 0 || r.Failed < 0 || r.PerSecond <= 0 || math.IsNaN(r.PerSecond) || math.IsInf(r.PerSecond, 0) {
			t.Fatalf("%s: %+v", p.tool, r)
		}
	})
}
