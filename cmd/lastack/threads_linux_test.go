package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Where too few threads may be started, or too little be mapped, one sentence says so, and what to raise: the Go
// runtime would end the program with a trace.
func TestTooFewThreads(t *testing.T) {
	t.Parallel()
	dir, err := nobodysDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // in the temporary directory
	program := filepath.Join(dir, "lastack")
	// Root is exempt from RLIMIT_NPROC, and an ordinary user's other processes count: a user that nobody else is has none.
	alone := []string{"setpriv", "--reuid", "40961", "--regid", "40961", "--clear-groups"}
	type test struct {
		name string
		cmd  []string
		want string // empty: it works
	}
	var tests []test
	if got := runIn(t, dir, alone[0], append(alone[1:], "true")...); got.code != 0 {
		t.Logf("RLIMIT_NPROC is not tried, as no user can be made that has no other processes: %s", got.stderr)
	} else {
		for _, n := range []int{9, 10, 12, 14, 16, 18, 20, 22} {
			tests = append(tests, test{
				fmt.Sprintf("RLIMIT_NPROC %d", n), append(slices.Clone(alone), "prlimit", fmt.Sprintf("--nproc=%d", n), program, "run", "-n", "10", "-q"),
				fmt.Sprintf(`^lastack: only \d+ more threads may be started here \(RLIMIT_NPROC is %d\), but about 22 are needed: raise it to \d+ or more \(ulimit -u, LimitNPROC= in a systemd unit\)\n$`, n),
			})
		}
	}
	tests = append(tests,
		test{"RLIMIT_AS", []string{"prlimit", "--as=2000000000", program, "run", "-n", "10", "-q"}, `^lastack: RLIMIT_AS allows this process 1\.86 GiB of address space, .*: raise it to 2\.00 GiB or more \(ulimit -v\), or lift it\n$`},
		test{"none", []string{program, "run", "-n", "10", "-q"}, ""})
	if group, why := newPidsGroup(t); why != "" {
		t.Log("pids.max is not tried: " + why)
	} else {
		for _, n := range []string{"9", "12", "16", "20", "24"} {
			enter := fmt.Sprintf("echo %s >%s/pids.max && echo $$ >%s/cgroup.procs && exec \"$@\"", n, group, group)
			tests = append(tests, test{
				"pids.max " + n,
				[]string{"sh", "-c", enter, "sh", program, "run", "-n", "10", "-q"},
				`^lastack: only \d+ more threads may be started here \(pids\.max of the control group is ` + n + `\), but about 22 are needed: raise it to \d+ or more \(TasksMax= in a systemd unit, --pids-limit for a container\)\n$`,
			})
		}
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := runIn(t, dir, tt.cmd[0], tt.cmd[1:]...)
			if tt.want == "" {
				if got.code != exitOK && got.code != exitInvalid || strings.Contains(got.stderr, "threads") {
					t.Errorf("exit code %d: %s", got.code, got.stderr)
				}
				return
			}
			if got.code != exitError || got.stdout != "" || !regexp.MustCompile(tt.want).MatchString(got.stderr) {
				t.Errorf("exit code %d, stdout %q, stderr %q; want %d and %s", got.code, got.stdout, got.stderr, exitError, tt.want)
			}
		})
	}
}

// newPidsGroup makes a control group that bounds threads, or says why it cannot.
func newPidsGroup(t *testing.T) (dir, why string) {
	t.Helper()
	for _, root := range []string{"/sys/fs/cgroup/pids", "/sys/fs/cgroup"} {
		dir = filepath.Join(root, fmt.Sprintf("lastack-test-%d", os.Getpid()))
		if err := os.Mkdir(dir, 0o755); err != nil {
			why = err.Error()
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, "pids.max")); err != nil {
			_ = os.Remove(dir) // it is new
			why = err.Error()
			continue
		}
		t.Cleanup(func() {
			if err := os.Remove(dir); err != nil {
				t.Error(err)
			}
		})
		return dir, ""
	}
	return "", why
}
