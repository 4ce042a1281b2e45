package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
	"lastack/bench/record/recordtest"
)

// hostSysctls reads all of the host's sysctls of networks, as far as this user may. It leaves out those that change by themselves, and those of
// interfaces: other namespaces' appear and go in the host's while they are made.
func hostSysctls(t *testing.T) map[string]string {
	t.Helper()
	values := map[string]string{}
	err := filepath.WalkDir("/proc/sys/net", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)):
			return nil
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "conf" || d.Name() == "neigh"):
			return fs.SkipDir
		case d.IsDir(), d.Name() == "nf_conntrack_count", d.Name() == "fib_multipath_hash_seed", d.Name() == "netdev_rss_key":
			return nil
		}
		if b, err := os.ReadFile(path); err == nil { // some are write-only
			values[path] = string(b)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, all := range []string{"conf/all", "conf/default", "neigh/default"} {
		files, err := filepath.Glob("/proc/sys/net/ipv[46]/" + all + "/*")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if b, err := os.ReadFile(f); err == nil {
				values[f] = string(b)
			}
		}
	}
	if len(values) < 200 {
		t.Fatalf("only %d sysctls", len(values))
	}
	return values
}

// namespaces lists the network namespaces of all processes that this user sees.
func namespacesInUse() map[string]bool {
	links, _ := filepath.Glob("/proc/[0-9]*/ns/net") // the pattern is valid
	used := map[string]bool{}
	for _, l := range links {
		if ns, err := os.Readlink(l); err == nil {
			used[ns] = true
		}
	}
	return used
}

// sweepArgs is a sweep of four long runs side by side, whose cells have sysctls that the host does not have.
var sweepArgs = []string{
	"sweep", "--vary", "tcp_fin_timeout=7,8,9", "--sysctl", "net.ipv4.tcp_tw_reuse=1", "-R", "50", "--blocks", "2", "--base", "default", "--seed", "1", "--parallel", "4", "-w", "1",
}

// A sweep that is killed leaves no process and no namespace, and has written no sysctl of the host.
func TestSweepKilled(t *testing.T) {
	t.Parallel()
	before := hostSysctls(t)
	for name, tt := range map[string]struct {
		args  []string
		begun string
	}{
		"grid":   {append(slices.Clone(sweepArgs), "-d", "60s"), "(?m)^lastack: 8 runs of 3 cells in 2 blocks"},
		"preset": {[]string{"sweep", "--preset", "tw-reuse", "--parallel", "4", "-w", "1"}, "(?m)^lastack: 7 runs of 6 cells in 1 block"},
	} {
		t.Run(name, func(t *testing.T) {
			users(t, func(t *testing.T, dir string, as []string) {
				r := begin(t, dir, as, append(tt.args, "-o", "sweep.json")...)
				r.await(t, tt.begun)
				var cells []string
				until(t, "four cells", func() bool {
					cells = r.children(t)
					return len(cells) == 4
				})
				var spaces []string
				for _, pid := range cells {
					until(t, "a namespace of "+pid, func() bool {
						ns, err := os.Readlink("/proc/" + pid + "/ns/net")
						spaces = append(spaces, ns)
						return err == nil
					})
				}
				r.send(t, syscall.SIGKILL)
				_ = r.cmd.Wait() // by a signal
				until(t, "the end of the cells", func() bool {
					return !slices.ContainsFunc(cells, func(pid string) bool { return alive(pid) })
				})
				until(t, "the end of the namespaces", func() bool {
					used := namespacesInUse()
					return !slices.ContainsFunc(spaces, func(ns string) bool { return used[ns] })
				})
				if files, err := filepath.Glob(filepath.Join(dir, "*sweep*")); err != nil || len(files) > 0 {
					t.Errorf("left behind: %v (%v)", files, err)
				}
			})
		})
	}
	if d := cmp.Diff(before, hostSysctls(t)); d != "" {
		t.Errorf("the host's sysctls changed:\n%s", d)
	}
}

// A cell that dies is a run with its reason. Ctrl-C keeps the runs that have ended, and --resume goes on from them.
func TestSweepInterrupted(t *testing.T) {
	t.Parallel()
	before := hostSysctls(t)
	dir := t.TempDir()
	args := append(slices.Clone(sweepArgs), "-d", "1s", "-o", "sweep.json")
	r := begin(t, dir, nil, args...)
	r.await(t, "^lastack: 8 runs of 3 cells in 2 blocks") // the sandbox that tries the sysctls is gone
	until(t, "a cell", func() bool { return len(r.children(t)) > 0 })
	pid, err := strconv.Atoi(r.children(t)[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.await(t, `(?m)^4/8 `)
	r.send(t, syscall.SIGINT)
	if code := r.end(t); code != exitInterrupted {
		t.Fatalf("exit code %d: %s", code, r.stderr.String())
	}
	path := filepath.Join(dir, "sweep.json")
	old := recordtest.Read(t, path)
	ended := len(old.Sweep.Runs)
	crashed := slices.DeleteFunc(slices.Clone(old.Sweep.Runs), func(r record.SweepRun) bool { return r.Error == "" })
	if !old.Interrupted || ended < 4 || ended > 8 || len(crashed) != 1 || !strings.Contains(crashed[0].Error, "killed") {
		t.Fatalf("interrupted: %t, %d runs, crashed: %+v", old.Interrupted, ended, crashed)
	}

	again := runIn(t, dir, "lastack", append(slices.Clone(args), "--resume", "sweep.json", "-o", "whole.json")...)
	if again.code != exitOK && again.code != exitInvalid {
		t.Fatalf("exit code %d: %s", again.code, again.stderr)
	}
	whole := recordtest.Read(t, filepath.Join(dir, "whole.json"))
	if whole.Interrupted || len(whole.Sweep.Runs) != 8 || slices.ContainsFunc(whole.Sweep.Runs, func(r record.SweepRun) bool { return r.Error != "" }) {
		t.Errorf("%d runs: %s", len(whole.Sweep.Runs), again.stderr)
	}
	for _, run := range old.Sweep.Runs {
		if run.Error == "" && !slices.ContainsFunc(whole.Sweep.Runs, func(w record.SweepRun) bool { return cmp.Equal(w, run) }) {
			t.Errorf("lost: %+v", run)
		}
	}
	for _, c := range whole.Sweep.Cells {
		box := whole.Sandbox
		if c.Sandbox != nil {
			box = *c.Sandbox
		}
		if box.Sysctls["net.ipv4.tcp_fin_timeout"] != c.Levels[0] || box.Sysctls["net.ipv4.tcp_tw_reuse"] != "1" || box.Topology != "veth" {
			t.Errorf("cell %v ran in %+v", c.Levels, box)
		}
	}

	other := runIn(t, dir, "lastack", append(slices.Clone(args), "--resume", "sweep.json", "--hold", "1s")...)
	if other.code != exitUsage || !strings.Contains(other.stderr, "it is another sweep: plan.groups[0].hold_ns differs") {
		t.Errorf("exit code %d: %s", other.code, other.stderr)
	}
	if d := cmp.Diff(before, hostSysctls(t)); d != "" {
		t.Errorf("the host's sysctls changed:\n%s", d)
	}
}

// Of sweeps of a factor that has no effect at most one in twenty claims anything: of 50, 7 or fewer in 99 % of cases. That takes five minutes.
func TestSweepOfNothing(t *testing.T) {
	if os.Getenv("LASTACK_LONG") == "" {
		t.Skip("five minutes of load: set LASTACK_LONG=1")
	}
	const sweeps, most = 50, 7
	claim := 0
	for seed := range sweeps {
		dir := t.TempDir()
		r := runIn(t, dir, "lastack", "sweep", "--vary", "tcp_fin_timeout=60,59", "-R", "500", "-d", "300ms", "--close", "client:rst", "--seed", strconv.Itoa(seed+1), "-q", "-o", "sweep.json")
		run := recordtest.Read(t, filepath.Join(dir, "sweep.json"))
		if a := run.Sweep.Analysis; r.code != exitOK && r.code != exitInvalid || a == nil {
			t.Fatalf("seed %d: exit code %d: %s", seed+1, r.code, r.stderr)
		} else if len(a.Claims) > 0 {
			claim++
			t.Logf("seed %d claims: %s", seed+1, r.stdout)
		}
	}
	if t.Logf("%d of %d sweeps claim a difference", claim, sweeps); claim > most {
		t.Errorf("want at most %d", most)
	}
}
