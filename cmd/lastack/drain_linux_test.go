package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"lastack/bench/record"
)

// descendants are the processes below pid, in other PID namespaces too.
func descendants(t *testing.T, pid string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/" + pid + "/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ESRCH) { // a thread that has ended
			t.Fatal(err)
		}
		for _, child := range strings.Fields(string(b)) {
			all = append(append(all, child), descendants(t, child)...)
		}
	}
	return all
}

// The progress of a drain.
const (
	drainHolds   = `(?m)^holding$`
	drainWatches = `(?m)^watching$`
)

// stubborn is a server that takes its time to stop, with a child that would outlive it, and one that has left its
// session.
const stubborn = `sh -c 'sleep 1001 & setsid sleep 1002 & exec lastack serve --listen ADDR --exchange http:/ --shutdown lame-duck=10m'`

// TestDrainInterrupted ends a drain by any signal that ends a program: what it has started is gone, the server's
// children too, and what was seen is saved.
func TestDrainInterrupted(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		contain string
		at      string
		signals []syscall.Signal
		tries   int // in the record; -1: there is none
		sandbox bool
	}{
		"SIGINT":                       {"auto", drainWatches, []syscall.Signal{syscall.SIGINT}, 1, false},
		"SIGINT before the stop":       {"auto", drainHolds, []syscall.Signal{syscall.SIGINT}, 0, false},
		"SIGTERM in a group":           {"group", drainWatches, []syscall.Signal{syscall.SIGTERM}, 1, false},
		"SIGHUP in a group":            {"group", drainHolds, []syscall.Signal{syscall.SIGHUP}, 0, false},
		"SIGQUIT in a group":           {"group", drainHolds, []syscall.Signal{syscall.SIGQUIT}, 0, false},
		"as timeout(1) sends it":       {"auto", drainWatches, []syscall.Signal{syscall.SIGINT, syscall.SIGINT}, 1, false},
		"SIGKILL":                      {"auto", drainWatches, []syscall.Signal{syscall.SIGKILL}, -1, false},
		"SIGKILL in a group":           {"group", drainHolds, []syscall.Signal{syscall.SIGKILL}, -1, false},
		"in a sandbox":                 {"auto", drainWatches, []syscall.Signal{syscall.SIGINT}, 1, true},
		"in a sandbox before the stop": {"group", drainHolds, []syscall.Signal{syscall.SIGTERM}, 0, true},
		"SIGKILL in a sandbox":         {"auto", drainHolds, []syscall.Signal{syscall.SIGKILL}, -1, true},
		"SIGKILL in a sandbox's group": {"group", drainWatches, []syscall.Signal{syscall.SIGKILL}, -1, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, addr, after := t.TempDir(), freeAddr(t), "10m"
			if tt.at == drainWatches {
				after = "100ms"
			}
			r := begin(t, dir, nil, "drain", addr, "--exec", strings.ReplaceAll(stubborn, "ADDR", addr),
				"--contain", tt.contain, fmt.Sprintf("--sandbox=%t", tt.sandbox), "--after", after, "--grace", "10m", "--idle", "2", "--in-flight", "2", "-R", "20", "-o", "run.json")
			r.await(t, tt.at)
			below := descendants(t, strconv.Itoa(r.cmd.Process.Pid))
			if len(below) < 3 {
				t.Errorf("it has started %v, want a server and its children", below)
			}
			r.send(t, tt.signals...)
			want := exitInterrupted
			if tt.tries < 0 {
				want = -1 // killed
			}
			if code := r.end(t); code != want {
				t.Errorf("exit code %d, want %d; %s", code, want, r.stderr.String())
			}
			for _, pid := range below {
				until(t, "the end of process "+pid, func() bool { return !alive(pid) })
			}
			if tt.tries < 0 {
				return
			}
			saved, err := record.Read(strings.NewReader(content(t, filepath.Join(dir, "run.json"))))
			if err != nil {
				t.Fatal(err)
			}
			if !saved.Interrupted || len(saved.Drain.Tries) != tt.tries || r.stdout.Len() == 0 {
				t.Errorf("interrupted %t, drain %+v, %d bytes printed", saved.Interrupted, saved.Drain, r.stdout.Len())
			}
		})
	}
}
