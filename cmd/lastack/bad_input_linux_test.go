package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"lastack/sockstate/socktest/golden"
)

// badInput is a file of command lines ("$ run -c 0"), each with the answer on the line after it.
const badInput = "testdata/bad_input.txt"

// TestBadInput gives every command line of the file to the program, which must refuse it
// in one sentence, with nothing on stdout and no file made or changed.
func TestBadInput(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(badInput)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	kept := map[string]string{
		"kept.json":  "kept",
		"run.json":   `{"schema": "lastack.run/v1", "kind": "run", "started": "2026-11-01T00:00:00Z", "connections": {"attempted": 2, "failed": 2}, "outcomes": {"refused": 2}}`,
		"drain.json": `{"schema": "lastack.run/v1", "kind": "drain", "drain": {"tries": [{"groups": []}]}}`,
		"newer.json": `{"schema": "lastack.run/v9", "kind": "run"}`,
	}
	for name, text := range kept {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	var commands [][]string
	for line := range strings.Lines(string(b)) {
		if command, isCommand := strings.CutPrefix(line, "$ "); isCommand {
			args, err := splitShell(strings.TrimSpace(command))
			if err != nil {
				t.Fatal(err)
			}
			commands = append(commands, args)
		}
	}
	answers := answersTo(t, dir, commands)

	var got strings.Builder
	answered := false
	for line := range strings.Lines(string(b)) {
		command, isCommand := strings.CutPrefix(line, "$ ")
		if !isCommand {
			if !answered || strings.TrimSpace(line) == "" {
				got.WriteString(line)
			}
			answered = false
			continue
		}
		e := answers[0]
		answers, answered = answers[1:], true
		fmt.Fprintf(&got, "%s%s", line, strings.TrimPrefix(e.Stderr, "lastack: "))
		if e.Code != exitUsage {
			t.Errorf("lastack %s: exit code %d, want %d", strings.TrimSpace(command), e.Code, exitUsage)
		}
		if e.Stdout != "" {
			t.Errorf("lastack %s: on stdout: %.200s", strings.TrimSpace(command), e.Stdout)
		}
		if !oneSentence.MatchString(e.Stderr) {
			t.Errorf("lastack %s: is not one sentence: %.500s", strings.TrimSpace(command), e.Stderr)
		}
	}
	golden.Check(t, badInput, got.String())

	for name, text := range kept {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != text {
			t.Errorf("%s holds %q, %v", name, b, err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(kept)+1 {
		t.Errorf("files were left behind: %v", entries)
	}
}

// manyCommands is a program that answers the command lines on standard input one after the other, so that hundreds of them take one
// process. What main does before Main is not in it; TestBadInputOpensNoSocket has that.
func manyCommands() {
	os.Args[0] = "lastack" // the name of its children
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var args []string
		if err := in.Decode(&args); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			panic(err)
		}
		var stdout, stderr strings.Builder
		code := Main(args, strings.NewReader(""), &stdout, &stderr)
		if err := out.Encode(answer{code, stdout.String(), stderr.String()}); err != nil {
			panic(err)
		}
	}
}

// An answer is what a command of manyCommands left.
type answer struct {
	Code           int
	Stdout, Stderr string
}

// answersTo runs the program in dir with each of the command lines.
func answersTo(t *testing.T, dir string, commands [][]string) (all []answer) {
	t.Helper()
	var in bytes.Buffer
	for _, args := range commands {
		if err := json.NewEncoder(&in).Encode(args); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), atMost)
	defer cancel()
	cmd := exec.CommandContext(ctx, "lastack-many")
	cmd.Dir, cmd.Stdin, cmd.Stderr = dir, &in, os.Stderr
	out, err := cmd.Output()
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var a answer
		if err := d.Decode(&a); err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	if err != nil || len(all) != len(commands) {
		t.Fatalf("%v after %d of %d, at %q", err, len(all), len(commands), commands[min(len(all), len(commands)-1)])
	}
	return all
}

// oneSentence is what an error looks like: one line, without a full stop.
var oneSentence = regexp.MustCompile(`^lastack: [^\n]*[^\n.]\n$`)

// TestBadInputOpensNoSocket watches the system calls of a few mistakes, those found last among them.
func TestBadInputOpensNoSocket(t *testing.T) {
	t.Parallel()
	needsStrace(t)
	for _, tt := range []struct {
		args []string
		want []string // the calls allowed
	}{
		{[]string{"run", "-d", "0s"}, nil},
		{[]string{"run", "-c", "90M"}, nil},
		{[]string{"run", "-c", "2", "--output", "/"}, nil},
		{[]string{"run", "--close", "client:unread", "--exchange", "none"}, nil},
		{[]string{"run", "--threshold", "foo<1"}, nil},
		{[]string{"run", "--sysctl", "kernel.pid_max=5"}, nil},
		{[]string{"run", "--sandbox", "127.0.0.1:9"}, nil},
		{[]string{"run", "192.0.2.1:80"}, nil},
		{[]string{"run", "-w", "0x10"}, nil},
		{[]string{"run", "--plateau", "0s"}, nil},
		{[]string{"run", "--source-ports", "1-1"}, nil},
		{[]string{"sweep", "--vary", "tcp_tw_reuse=1"}, nil},
		{[]string{"sweep", "--vary", "backlog=1,2", "--backlog", "3"}, nil},
		{[]string{"run", "169.254.169.254:80"}, nil},
		{[]string{"run", "[2002:808:808::1]:80"}, nil},
		{[]string{"run", "https://127.0.0.1/"}, nil},
		{[]string{"run", "127.0.0.1:9", "--exchange", "http://127.0.0.1/"}, nil},
		{[]string{"serve", "--listen", "255.255.255.255:9"}, nil},
		{[]string{"serve", "--backlog", "0"}, nil},
		// Binding is the only way to ask whether an address is local.
		{[]string{"run", "--source", "198.51.100.7", "127.0.0.1:9"}, []string{"socket(AF_INET, SOCK_DGRAM", "setsockopt(", "bind("}},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			trace := filepath.Join(t.TempDir(), "trace")
			args := append([]string{"-f", "-qq", "-e", "trace=network,io_uring_setup", "-o", trace, "lastack"}, tt.args...)
			if e := runIn(t, "", "strace", args...); e.code != exitUsage {
				t.Errorf("exit code %d: %s", e.code, e.stderr)
			}
			b, err := os.ReadFile(trace)
			if err != nil {
				t.Fatal(err)
			}
			var calls []string
			for line := range strings.Lines(string(b)) {
				// A ring of 4 entries is the question whether there is io_uring.
				if call := systemCall.FindString(line); call != "" && !strings.Contains(line, "io_uring_setup(4,") {
					calls = append(calls, line)
				}
			}
			for i, call := range calls {
				if i >= len(tt.want) || !strings.Contains(call, tt.want[i]) {
					t.Errorf("the program called %s", call)
				}
			}
		})
	}
}

// systemCall is a call in strace's output, and neither a signal nor an end.
var systemCall = regexp.MustCompile(`^\d+ +[a-z_0-9]+\(`)
