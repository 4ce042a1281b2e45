package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
)

func TestDrainJSONL(t *testing.T) {
	r := repeatedDrain(t)
	lines := bytes.Split(bytes.TrimSuffix(render(t, "jsonl", r), []byte("\n")), []byte("\n"))
	if len(lines) != len(r.Drain.Tries)+1 {
		t.Fatalf("%d lines, want %d tries and the rest", len(lines), len(r.Drain.Tries))
	}
	for i, want := range r.Drain.Tries {
		var got struct {
			Try int `json:"try"`
			record.DrainTry
		}
		if err := json.Unmarshal(lines[i], &got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got.DrainTry); d != "" || got.Try != i+1 {
			t.Errorf("line %d is of try %d: %s", i+1, got.Try, d)
		}
	}
	rest, err := record.Read(bytes.NewReader(lines[len(lines)-1]))
	if err != nil {
		t.Fatal(err)
	}
	if rest.Drain == nil || len(rest.Drain.Tries) != 0 || rest.Drain.Stop.Repeat != 20 {
		t.Errorf("the rest: %+v", rest.Drain)
	}
	if len(r.Drain.Tries) != 20 {
		t.Error("the caller's record lost its tries")
	}
}

// A reader of one page finds what is meant by the words of its score.
func TestDrainExplains(t *testing.T) {
	page := strings.Join(strings.Fields(string(render(t, "text", abruptDrain(t)))), " ")
	for _, want := range []string{"Unsafe: it may have", "raced the close: sent when", "lost are those never answered in whole"} {
		if strings.Count(page, want) != 1 {
			t.Errorf("%q is there %d times", want, strings.Count(page, want))
		}
	}
}

// Every metric of the spread has its words.
func TestMetricWords(t *testing.T) {
	for _, m := range record.Spread(nil) {
		if w := metricWords(m.Metric); w == "" || len(w) > 40 {
			t.Errorf("%s: %q", m.Metric, w)
		}
	}
}

func TestDrainWarnings(t *testing.T) {
	page := string(render(t, "text", repeatedDrain(t)))
	for _, want := range []string{"(in 3 of 20 tries)", "in try 4"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
}

// What servers and hooks say comes from elsewhere.
func TestDrainEscapes(t *testing.T) {
	r := rollingDrain(t)
	evil := "\x1b[2J\u202e\x00root# \xff" + strings.Repeat("x", 300)
	try := &r.Drain.Tries[0]
	try.Score, try.Server.Said, try.Order.Reason, try.Groups[0].Name = evil, evil+"\n\n"+evil, evil, evil
	try.Unknown = map[string]string{evil: evil}
	try.Moments[0].What, try.Warnings = evil, []string{evil}
	try.Reconnect.Landed[evil] = 1
	try.Leftover.States[evil], try.Port.Plain = 3, evil
	r.Drain.Stop.Command, r.Drain.Stop.Signal = []string{evil}, evil
	page := render(t, "text", r)
	checkPage(t, page)
	if bytes.ContainsAny(page, "\x1b\u202e") {
		t.Error("an escape got through")
	}
}

func TestDrainProgress(t *testing.T) {
	var b bytes.Buffer
	p := NewDrainProgress(&b)
	p.Phase(1, 1, "the load is complete: 1,120 connections open")
	p.Phase(3, 20, "SIGTERM\x1b[2J\n"+strings.Repeat("x", 200))
	lines := strings.Split(b.String(), "\n")
	if len(lines) != 3 || lines[0] != "the load is complete: 1,120 connections open" || !strings.HasPrefix(lines[1], "try  3 of 20: SIGTERM?[2J x") || !strings.HasSuffix(lines[1], "x…") {
		t.Errorf("%q", lines)
	}
	checkPage(t, b.Bytes())
	NewDrainProgress(brokenWriter{}).Phase(1, 1, "nobody listens")
}
