package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"lastack/bench/sandbox"
	"lastack/bench/shard"
)

func TestEngineLog(t *testing.T) {
	long := strings.Repeat("x", 200_000)
	for _, tc := range []struct{ name, in, want string }{
		{"nothing", "", ""},
		{"one record", `{"a":1}`, `{"a":1}`},
		{"messages around records", "lastack: one\n{\n \"lastack: no\": 2\n}\nlastack: two\n{}\nlastack: cut off", "{\n \"lastack: no\": 2\n}\n{}\n"},
		{"long lines", "lastack: " + long + "\n{" + long + "}\nlastack: " + long, "{" + long + "}\n"},
		{"somebody else's", "oops: killed\n{}\n", "{}\n"},
		{"a crash", "{}\npanic: x\n\ngoroutine 1 [running]:\n\tmain.go:1\n  more\n{\n \"a\": 1\n}\nexit status 2\n{}", "{}\n\n{\n \"a\": 1\n}\n{}"},
		{"a crash in a record", "{\n \"a\": [\n  1\nfatal error: x\n\n  [x]\n}\n{\n \"b\": 1\n}\n", "{\n \"a\": [\n  1\n\n{\n \"b\": 1\n}\n"},
		{"a crash in a line", "{\"a\": [panic: x\n\tmain.go:1\ngoroutine 1\n\tmain.go:1\n{}\n", "{\"a\": [panic: x\n\tmain.go:1\n{}\n"},
		{"a crash with labels", "0: {\"a\": 1}\n1: panic: x\n1: \n1: \tmain.go:1\n2: {}\n", "{\"a\": 1}\n{}\n"},
		{"a record after one that is cut off, with labels", "0: {\"schema\": \"x\n0: {\"schema\": 1}\n1: {\n1: {\n1:  \"schema\": 1\n1: }\n", "{\"schema\": \"x\n{\"schema\": 1}\n{\n{ \"schema\": 1}\n"},
		{"nothing between", "{\n}{\n \"a\": 1\n}{}\n{}", "{\n}{\n \"a\": 1\n}{}\n{}"},
		{"other layouts", "{\r\n\t\"a\": [\r\n\t]\r\n}\r\n { \"a\":\n\"b\"\n}\n", "{\r\n\t\"a\": [\r\n\t]\r\n}\r\n { \"a\":\n\"b\"\n}\n"},
		{"compressed", "\x1f\x8b12", "\x1f\x8b12"},
		{"progress", "      t conn/s fail/s  open    p50    p99 |  EST\n   1.0s    101      0     1  636us  2.1ms |    - load\n{\n \"a\": 1\n}\n", "{\n \"a\": 1\n}\n"},
		{"labels of srun", "srun: job 1 has been allocated resources\n0: lastack: one\n0: {\"a\":1}\n13: \n13: {\"b\":2}\n", "{\"a\":1}\n{\"b\":2}\n"},
		{"of kubectl", "[pod/lastack-0-x7k2p/lastack] {\n[pod/lastack-0-x7k2p/lastack]  \"a\": 1\n[pod/lastack-0-x7k2p/lastack] }", "{ \"a\": 1}\n"},
		{"alternating", "0: {\n1: {\n1:  \"b\": [2,\n0:  \"a\":\n0: lastack: late\n0: \"}\\\"\"}\n1: 3]}\n", "{ \"a\":\"}\\\"\"}\n{ \"b\": [2,3]}\n"},
		{"a line that srun broke", "0: {\"a\": \"on\n0: e\"\n0: }\n", "{\"a\": \"one\"}\n"},
		{"long lines with labels", "1: lastack: " + long + "\n0: {\"a\":\"" + long + "\"}\n1: {}", "{\"a\":\"" + long + "\"}\n{}\n"},
		{"what looks like a label", "{}\n[1, 2]\n[pod/x\n12\n: {}\n0:{}\n", "{}\n"},
		{"cut off", "0: {\n1: {}\n2: {\n0: \"a", "{}\n{\"a\n{\n"},
	} {
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(tc.in), "by bytes": iotest.OneByteReader(strings.NewReader(tc.in))} {
			got, err := io.ReadAll(newEngineLog(r, true))
			if err != nil || string(got) != tc.want {
				t.Errorf("%s, %s: %d bytes %.80q, %v; want %d bytes %.80q", tc.name, name, len(got), got, err, len(tc.want), tc.want)
			}
		}
	}
	for in, want := range map[string]string{
		"0: {\n1: {}\n1: oops: killed\n0: }\n": `line 3 is neither of a record nor a message of lastack: "1: oops: killed"`,
		"{}\n\npanic: x\n{}\n":                 `line 3 is neither of a record nor a message of lastack: "panic: x"`,
	} {
		if got, err := io.ReadAll(newEngineLog(strings.NewReader(in), false)); err == nil || err.Error() != want || strings.TrimSpace(string(got)) != "{}" {
			t.Errorf("%q: %q, %v; want the record before it and %s", in, got, err, want)
		}
	}
	broken := io.MultiReader(strings.NewReader("{}\n"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if got, err := io.ReadAll(newEngineLog(broken, false)); string(got) != "{}\n" || err == nil {
		t.Errorf("a broken stream gives %q, %v; want its record and the error", got, err)
	}
}

// What lastack says of a crash in a sandbox is a message in each line.
func TestCrashInLog(t *testing.T) {
	var said bytes.Buffer
	_ = lost(&said, &sandbox.DiedError{Code: 2, Stderr: "panic: x\n\ngoroutine 1 [running]:\n\tmain.go:1\n"})
	if n := bytes.Count(said.Bytes(), []byte("\n")); n != 4 {
		t.Errorf("%d lines: %q", n, said.Bytes())
	}
	if got, err := io.ReadAll(newEngineLog(&said, false)); len(got) > 0 || err != nil {
		t.Errorf("passed on: %q, %v", got, err)
	}
}

// Whatever a log has, it does not matter in what parts it comes.
func FuzzEngineLog(f *testing.F) {
	f.Add([]byte("0: {\"a\":\n1: lastack: x\n[pod/a/b] {}\n0: 1}\n{}\n"))
	f.Add([]byte("0: {\"\\\n0: \"}}\nsrun: x\n   1.0s 1 1 1 1 1 | 1\n0: x"))
	f.Fuzz(func(t *testing.T, log []byte) {
		whole, err := io.ReadAll(newEngineLog(bytes.NewReader(log), len(log)%2 > 0))
		parts, perr := io.ReadAll(newEngineLog(iotest.OneByteReader(bytes.NewReader(log)), len(log)%2 > 0))
		if !bytes.Equal(whole, parts) || (err == nil) != (perr == nil) {
			t.Errorf("%q, %v; by bytes %q, %v", whole, err, parts, perr)
		}
	})
}

// A record is found by where it begins in the text that is passed on.
func TestWhere(t *testing.T) {
	g := newEngineLog(strings.NewReader("lastack: x\n{\n \"a\": 1\n}{\n}\n7: {}\n7: lastack: y\n{}{}\n"), false)
	all, err := io.ReadAll(g)
	if err != nil {
		t.Fatal(err)
	}
	var got []beginning
	for at, c := range string(all) {
		if c == '{' {
			b := g.where(int64(at))
			b.at = 0
			got = append(got, b)
		}
	}
	want := []beginning{{line: 2}, {line: 4}, {line: 6, label: "7:"}, {line: 8}, {line: 8}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// The records that have begun and not ended are those of a load's processes. What claims to have more is refused before it takes time and memory.
func TestEngineLogOfTooMany(t *testing.T) {
	var log strings.Builder
	for i := range shard.Most + 1 {
		fmt.Fprintf(&log, "%d: {\n", i)
	}
	if _, err := io.ReadAll(newEngineLog(strings.NewReader(log.String()), true)); err == nil || !strings.Contains(err.Error(), "more than 10000 processes at a time") {
		t.Error(err)
	}
}
