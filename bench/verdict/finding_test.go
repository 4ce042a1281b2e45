package verdict

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
)

// made are the codes that tests have produced.
var made sync.Map

// TestMain checks that the tests, all of them run, have made each code.
func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if code == 0 && flag.Lookup("test.run").Value.String() == "" {
		for _, c := range Codes() {
			if _, ok := made.Load(c.Name); !ok {
				fmt.Printf("no test makes the finding %s\n", c.Name)
				code = 1
			}
		}
	}
	os.Exit(code)
}

// words is Judge without the findings, which are checked to say the same.
func words(t *testing.T, r *record.Run) record.Verdict {
	t.Helper()
	v := Judge(r)
	reasons, advice := inWords(t, v.Findings)
	if d := cmp.Diff([][]string{v.Reasons, v.Advice}, [][]string{append([]string{}, reasons...), advice}); d != "" {
		t.Errorf("reasons and advice are not the findings' (-verdict +findings):\n%s", d)
	}
	v.Findings = nil
	return v
}

// inWords are findings in words, as they are after they have been saved and read.
func inWords(t *testing.T, findings []record.Finding) (reasons, advice []string) {
	t.Helper()
	known := Codes()
	for _, f := range findings {
		made.Store(f.Code, true)
		i := slices.IndexFunc(known, func(c Code) bool { return c.Name == f.Code })
		if i < 0 || known[i].Remedy != f.Remedy {
			t.Fatalf("a code that is not listed, or not as what it is: %+v", f)
		}
	}
	b, err := json.Marshal(findings)
	if err != nil {
		t.Fatal(err)
	}
	var read []record.Finding
	if err := json.Unmarshal(b, &read); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(findings, read); d != "" {
		t.Errorf("saved and read (-before +after):\n%s", d)
	}
	return sentences(read)
}

func TestCodes(t *testing.T) {
	name := regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)*$`)
	seen := make(map[string]bool)
	for _, c := range Codes() {
		if !name.MatchString(c.Name) || seen[c.Name] || c.Means == "" || c.pattern == "" || c.Remedy != (c.Do == "") {
			t.Errorf("%+v: want a name of its own, what it means, what to do about it if it is no remedy, and a sentence", c)
		}
		seen[c.Name] = true
		args(nil).fill(c.pattern) // of a record that somebody has edited
	}
}

// A finding of a later version has no sentence here; its record has one.
func TestUnknownCode(t *testing.T) {
	if reasons, advice := sentences([]record.Finding{{Code: "from_the_future"}}); len(reasons)+len(advice) > 0 {
		t.Errorf("%q, %q", reasons, advice)
	}
}

// A record whose shares are of nothing is written all the same.
func TestArgsAreFinite(t *testing.T) {
	zero := 0.0
	a := args{"none": zero / zero, "all": 1 / zero, "some": 3, "words": []string{"a"}}.plain()
	if d := cmp.Diff(map[string]any{"some": 3.0, "words": []any{"a"}}, a); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestFill(t *testing.T) {
	a := args{
		"n": 12_345.0, "one": 1.0, "cpus": 1.5, "took_s": 1.5, "p99_us": 412.0, "rate_per_s": 24_861.0, "limit_bytes": 4096.0, "part": 0.4212, "yes": true, "no": false, "name": "a b",
		"list": []any{"4xx 1,823", "5xx 2"}, "sentences": []any{"a (b, c)", "d"}, "min": 3.0, "max": 4.0,
		"time_wait_min_s": 60.0, "time_wait_max_s": 62.048, "keep_s": 62.048,
	}.plain()
	for pattern, want := range map[string]string{
		"plain":                           "plain",
		"{n} and {cpus}":                  "12,345 and 1.5",
		"{took_s}":                        "1.50 s",
		"{p99_us}":                        "412 µs",
		"{rate_per_s}/s":                  "24,861/s",
		"{rate_per_s:about}/s":            "25,000/s",
		"{limit_bytes}":                   "4.00 KiB",
		"{part:%.0f}":                     "42 %",
		"{part:%.3g}":                     "42.1 %",
		"{name:quoted}":                   `"a b"`,
		"{list}":                          "4xx 1,823, 5xx 2",
		"{sentences}":                     "a (b, c); d",
		"{range}":                         "3 to 4",
		"{time_wait}":                     "60 to 62.0 s",
		"{keep}":                          "up to 62.05 s",
		"a[, {n}][, {none}]":              "a, 12,345",
		"[{none}|{no}|{?yes}yes|{n}]!":    "yes!",
		"[{one:several} of them|the one]": "the one",
		"[each of {n:several}|the one]{?missing}": "each of 12,345",
		"{missing} [unclosed":                     " unclosed",
		"{unclosed":                               "",
	} {
		if got, _ := args(a).fill(pattern); got != want {
			t.Errorf("%q: %q, want %q", pattern, got, want)
		}
	}
}
