package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lastack/bench/record"
)

// keysOf decodes a JSON object and returns its members.
func keysOf(t *testing.T, text string) map[string]json.RawMessage {
	t.Helper()
	var keys map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &keys); err != nil {
		t.Fatalf("%v: %.200s", err, text)
	}
	return keys
}

// wantKeys are the keys of every record of a run that scripts rely on. Those that a record has only where they
// apply are not here: shard, groups, thresholds.
var wantKeys = []string{
	"schema", "version", "kind", "started", "elapsed_s", "plan", "hosts", "sandbox", "connections", "outcomes", "rate", "latency",
	"tcp_info", "states", "time_wait", "counters", "pressure", "observer", "timeline", "predicted", "verdict", "warnings",
}

func TestJSON(t *testing.T) {
	t.Parallel()
	e := lastack(t, "run", "-n", "300", "-q", "--format", "json", "--threshold", "connections.attempted==300")
	if e.code != exitOK && e.code != exitInvalid || e.stderr != "" { // invalid where others keep this machine busy
		t.Fatalf("exit code %d: %s", e.code, e.stderr)
	}
	keys := keysOf(t, e.stdout)
	for _, k := range append([]string{"thresholds"}, wantKeys...) {
		if _, ok := keys[k]; !ok {
			t.Errorf("the record lacks %s", k)
		}
	}
	run, err := record.Read(strings.NewReader(e.stdout))
	if err != nil {
		t.Fatal(err)
	}
	if run.Schema != record.Schema || run.Kind != "run" || run.Connections.Attempted != 300 || run.Outcomes["fin"] != 300 {
		t.Errorf("%s, %s, %+v, %v", run.Schema, run.Kind, run.Connections, run.Outcomes)
	}
	inner := map[string][]string{
		"connections": {"attempted", "opened", "completed", "failed", "unfinished"},
		"rate":        {"opened_per_s", "completed_per_s"},
		"latency":     {"connect", "exchange", "lifecycle"},
		"states":      {"source", "peak"},
		"time_wait":   {"peak", "entered"},
		"counters":    {"TcpActiveOpens", "TcpPassiveOpens", "TcpExtTW"},
		"pressure":    {"ports", "fds", "memory", "cpu"},
		"observer":    {"census", "trace", "cost"},
		"verdict":     {"valid", "limited_by", "reasons"},
		"sandbox":     {"mode"},
		"plan":        {"groups"},
	}
	for k, want := range inner {
		have := keysOf(t, string(keys[k]))
		for _, w := range want {
			if _, ok := have[w]; !ok {
				t.Errorf("%s lacks %s", k, w)
			}
		}
	}
}

// TestJSONLines checks the lines of jsonl: the intervals as they end, then the record with an empty
// timeline.
func TestJSONLines(t *testing.T) {
	t.Parallel()
	saved := filepath.Join(t.TempDir(), "run.json")
	e := lastack(t, "run", "-d", "500ms", "-c", "16", "-q", "--interval", "100ms", "--format", "jsonl", "-o", saved)
	if e.code != exitOK && e.code != exitInvalid || e.stderr != "" { // invalid where others keep this machine busy
		t.Fatalf("exit code %d: %s", e.code, e.stderr)
	}
	lines := strings.Split(strings.TrimSuffix(e.stdout, "\n"), "\n")
	for i, line := range lines {
		keys := keysOf(t, line)
		_, isInterval := keys["t_s"]
		if last := i == len(lines)-1; isInterval == last {
			t.Errorf("line %d of %d is in the wrong place: %.100s", i+1, len(lines), line)
		}
	}
	keys := keysOf(t, lines[len(lines)-1])
	for _, k := range wantKeys {
		if _, ok := keys[k]; !ok {
			t.Errorf("the last line lacks %s", k)
		}
	}
	if got := string(keys["timeline"]); got != "[]" && got != "null" {
		t.Errorf("the last line repeats the intervals: %.100s", got)
	}

	b, err := os.ReadFile(saved)
	if err != nil {
		t.Fatal(err)
	}
	var timeline []json.RawMessage
	if err := json.Unmarshal(keysOf(t, string(b))["timeline"], &timeline); err != nil {
		t.Fatal(err)
	}
	if len(timeline) != len(lines)-1 {
		t.Errorf("%d intervals were printed, %d saved", len(lines)-1, len(timeline))
	}
	// What a report makes of the file is what the run has printed.
	if r := lastack(t, "report", "--format", "jsonl", saved); r.code != exitOK || r.stdout != e.stdout {
		t.Errorf("the report differs: exit code %d, %d bytes, and the run printed %d", r.code, len(r.stdout), len(e.stdout))
	}
}
