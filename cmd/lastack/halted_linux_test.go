package main

import (
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"lastack/bench/record"
	"lastack/bench/record/recordtest"
)

// A load that was stopped for a while is no statement about its target, in closed loop as in open loop.
func TestHaltedRun(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		args []string
	}{
		{"closed loop, epoll", []string{"--engine", "epoll"}},
		{"open loop", []string{"-R", "200"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r := begin(t, dir, nil, append([]string{"run", "-d", "3s", "-c", "8", "--interval", "100ms", "-o", "run.json"}, tc.args...)...)
			r.await(t, loadRow)
			var pids []int
			for _, c := range append(r.children(t), strconv.Itoa(r.cmd.Process.Pid)) {
				pid, err := strconv.Atoi(c)
				if err != nil {
					t.Fatal(err)
				}
				pids = append(pids, pid)
			}
			for _, pid := range pids {
				if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second) // the halt
			for _, pid := range pids {
				if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
					t.Fatal(err)
				}
			}
			if code := r.end(t); code != 3 {
				t.Errorf("exit %d, want 3; stderr:\n%s", code, r.stderr.String())
			}
			run := recordtest.Read(t, filepath.Join(dir, "run.json"))
			if g := run.Generator; g == nil || g.Halts < 1 || g.HaltedS < 0.8 {
				t.Errorf("generator: %+v", g)
			}
			if v := run.Verdict; v.Valid || v.LimitedBy != record.LimitHalted {
				t.Errorf("verdict: %+v", v)
			}
		})
	}
}
