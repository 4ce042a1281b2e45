package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"lastack/bench/sandbox"
)

func TestEngineLog(t *testing.T) {
	long := strings.Repeat("x", 200_000)
	for _, tc := range []struct{ name, in, want string }{
		{"nothing", "", ""},
		{"one record", `{"a":1}`, `{"a":1}`},
		{"messages around records", "lastack: one\n{\n \"lastack: no\": 2\n}\nlastack: two\n{}\nlastack: cut off", "{\n \"lastack: no\": 2\n}\n{}\n"},
		{"long lines", "lastack: " + long + "\n{" + long + "}\nlastack: " + long, "{" + long + "}\n"},
		{"somebody else's", "oops: killed\n{}\n", "oops: killed\n{}\n"},
		{"progress", "      t conn/s fail/s  open    p50    p99 |  EST\n   1.0s    101      0     1  636us  2.1ms |    - load\n{\n \"a\": 1\n}\n", "{\n \"a\": 1\n}\n"},
		{"labels of srun", "srun: job 1 has been allocated resources\n0: lastack: one\n0: {\"a\":1}\n13: \n13: {\"b\":2}\n", "{\"a\":1}\n{\"b\":2}\n"},
		{"of kubectl", "[pod/lastack-0-x7k2p/lastack] {\n[pod/lastack-0-x7k2p/lastack]  \"a\": 1\n[pod/lastack-0-x7k2p/lastack] }", "{ \"a\": 1}\n"},
		{"alternating", "0: {\n1: {\n1:  \"b\": [2,\n0:  \"a\":\n0: lastack: late\n0: \"}\\\"\"}\n1: 3]}\n", "{ \"a\":\"}\\\"\"}\n{ \"b\": [2,3]}\n"},
		{"a line that srun broke", "0: {\"a\": \"on\n0: e\"\n0: }\n", "{\"a\": \"one\"}\n"},
		{"long lines with labels", "1: lastack: " + long + "\n0: {\"a\":\"" + long + "\"}\n1: {}", "{\"a\":\"" + long + "\"}\n{}\n"},
		{"what looks like a label", "[1, 2]\n[pod/x\n12\n: {}\n0:{}\n", "[1, 2]\n[pod/x\n12\n: {}\n0:{}\n"},
		{"cut off", "0: {\n1: {}\n2: {\n0: \"a", "{}\n{\"a\n{\n"},
	} {
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(tc.in), "by bytes": iotest.OneByteReader(strings.NewReader(tc.in))} {
			got, err := io.ReadAll(newEngineLog(r))
			if err != nil || string(got) != tc.want {
				t.Errorf("%s, %s: %d bytes %.80q, %v; want %d bytes %.80q", tc.name, name, len(got), got, err, len(tc.want), tc.want)
			}
		}
	}
	got, err := io.ReadAll(newEngineLog(strings.NewReader("0: {\n1: {}\n1: oops: killed\n0: }\n")))
	if want := `line 3 of the log is neither of a record nor a message of lastack: "1: oops: killed"`; err == nil || err.Error() != want || string(got) != "{}\n" {
		t.Errorf("somebody else's with a label: %q, %v; want the record before it and %s", got, err, want)
	}
	broken := io.MultiReader(strings.NewReader("{}\n"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if got, err := io.ReadAll(newEngineLog(broken)); string(got) != "{}\n" || err == nil {
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
	if got, err := io.ReadAll(newEngineLog(&said)); len(got) > 0 || err != nil {
		t.Errorf("passed on: %q, %v", got, err)
	}
}

// Whatever a log has, it does not matter in what parts it comes.
func FuzzEngineLog(f *testing.F) {
	f.Add([]byte("0: {\"a\":\n1: lastack: x\n[pod/a/b] {}\n0: 1}\n{}\n"))
	f.Add([]byte("0: {\"\\\n0: \"}}\nsrun: x\n   1.0s 1 1 1 1 1 | 1\n0: x"))
	f.Fuzz(func(t *testing.T, log []byte) {
		whole, err := io.ReadAll(newEngineLog(bytes.NewReader(log)))
		parts, perr := io.ReadAll(newEngineLog(iotest.OneByteReader(bytes.NewReader(log))))
		if !bytes.Equal(whole, parts) || (err == nil) != (perr == nil) {
			t.Errorf("%q, %v; by bytes %q, %v", whole, err, parts, perr)
		}
	})
}
