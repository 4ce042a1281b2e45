package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"lastack/bench/cell"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/bench/setup"
	"lastack/loadgen"
)

// crash is a run that panics in another goroutine once its load has begun.
var crash = cell.Job[setup.Setup]{Name: "crash", Do: func(ctx context.Context, s setup.Setup, env cell.Env) (*record.Run, error) {
	emit := env.Emit
	env.Emit = func(e record.Event) {
		if e.Phase != nil {
			go func() { panic("told to") }()
		}
		emit(e)
	}
	return Run(ctx, s, env)
}}

// TestEightRuns makes eight runs side by side: one is killed, one crashes and one is refused. The other five have a record each, in which
// every connection is accounted for, and nothing is left.
func TestEightRuns(t *testing.T) {
	const killed, crashed, refused, lifecycles = 2, 4, 6, 300
	ignore := goleak.IgnoreCurrent()
	spec := setup.Spec{
		Plan: counted(t, lifecycles, "client:fin", "close", "echo:1,1"), Server: &setup.Server{}, Sandbox: &sandbox.Spec{},
		Given: []string{"count"},
	}
	endless := spec
	endless.Plan.Count, endless.Plan.Duration, endless.Given = 0, loadgen.MaxTime, []string{"duration"}

	runs, errs := make([]*record.Run, 8), make([]error, 8)
	var wg sync.WaitGroup
	for i := range runs {
		wg.Go(func() {
			job, spec := Job, spec
			switch i {
			case killed:
				spec = endless
			case crashed:
				job, spec = crash, endless
			case refused:
				box := *spec.Sandbox
				box.Sysctls = sysctls(t, "net.ipv4.tcp_no_such_key=1")
				spec.Sandbox = &box
			}
			s, err := resolved(spec)
			if err != nil {
				errs[i] = err
				return
			}
			c, err := job.Start(t.Context(), *s.Sandbox, s)
			if err != nil {
				errs[i] = err
				return
			}
			runs[i], errs[i] = c.Record(func(e record.Event) {
				if i == killed && e.Phase != nil {
					c.Kill()
				}
			})
		})
	}
	wg.Wait()

	spaces := make(map[string]bool)
	for i, r := range runs {
		switch died, ok := errors.AsType[*sandbox.DiedError](errs[i]); i {
		case killed:
			if !ok || died.Signal != syscall.SIGKILL || r != nil {
				t.Errorf("killed: %v", errs[i])
			}
		case crashed:
			if !ok || died.Code != 2 || !strings.HasPrefix(died.Stderr, "panic: told to") || r != nil {
				t.Errorf("crashed: %v", errs[i])
			}
		case refused:
			if e, ok := errors.AsType[*sandbox.SysctlError](errs[i]); !ok || e.Sysctl.Key != "net.ipv4.tcp_no_such_key" {
				t.Errorf("refused: %v", errs[i])
			}
		default:
			if errs[i] != nil || r == nil {
				t.Errorf("run %d: %v", i, errs[i])
				continue
			}
			spaces[r.Hosts[0].NetNS] = true
			if n := r.Connections.Completed; n != lifecycles || len(r.Accounting) == 0 {
				t.Errorf("run %d: %d completed, %d accounts", i, n, len(r.Accounting))
			}
			for _, c := range r.Accounting {
				if !c.OK {
					t.Errorf("run %d: %+v", i, c)
				}
			}
		}
	}
	if len(spaces) != 5 && !t.Failed() {
		t.Errorf("the runs were in %d network namespaces, want 5", len(spaces))
	}
	if err := goleak.Find(ignore); err != nil {
		t.Error(err)
	}
	if left := children(t); len(left) > 0 {
		t.Errorf("processes are left: %d", left)
	}
}

// children lists this process's, but for the drivers of tests that run beside.
func children(t *testing.T) (pids []int) {
	t.Helper()
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lists {
		b, err := os.ReadFile(l)
		if err != nil {
			continue // the thread has ended
		}
		for _, field := range strings.Fields(string(b)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			args, err := os.ReadFile("/proc/" + field + "/cmdline")
			if err == nil && slices.Contains(strings.Split(string(args), "\x00"), "cell") {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
