package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/lab"
)

// open is a testbed on the host's loopback, which is left alone.
func open(t *testing.T) *testbed {
	t.Helper()
	b, err := openTestbed(nil, t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func shell(script string) command {
	return command{path: "/bin/sh", args: []string{"-c", script}, lasts: time.Second}
}

func TestRun(t *testing.T) {
	t.Run("output and code", func(t *testing.T) {
		c := shell("echo out; echo err >&2; exit 3")
		c.codes = []int{3}
		e, err := run(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if e.stdout != "out\n" || e.stderr != "err\n" || e.code != 3 || e.cpu <= 0 {
			t.Errorf("%+v", e)
		}
	})
	t.Run("failure", func(t *testing.T) {
		_, err := run(t.Context(), shell("echo first >&2; echo unable to connect >&2; exit 1"))
		var re *runError
		var exit *exec.ExitError
		if !errors.As(err, &re) || re.Reason != "unable to connect" || !errors.As(err, &exit) {
			t.Errorf("%v, want a *runError with the last line and the exit status", err)
		}
	})
	t.Run("no program", func(t *testing.T) {
		_, err := run(t.Context(), command{path: "/nonexistent/wrk"})
		if !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v, want ErrNotExist", err)
		}
	})
	t.Run("interrupted when its time is over", func(t *testing.T) {
		c := shell(`trap 'echo summary; exit 0' INT; while :; do sleep 0.01; done`)
		c.lasts, c.interrupt = 200*time.Millisecond, true
		e, err := run(t.Context(), c)
		if err != nil || e.stdout != "summary\n" {
			t.Errorf("%q, %v", e.stdout, err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p, err := launch(ctx, shell("exec sleep 60"))
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := p.wait(); !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want Canceled", err)
		}
		if err := syscall.Kill(p.cmd.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d is still there: %v", p.cmd.Process.Pid, err)
		}
	})
	t.Run("too much output", func(t *testing.T) {
		e, err := run(t.Context(), shell("head -c 5000000 /dev/zero"))
		if err != nil || len(e.stdout) != outputLimit {
			t.Errorf("%d bytes, %v", len(e.stdout), err)
		}
	})
}

// TestServerThatEnds: the reason is the server's, not that its client found nobody.
func TestServerThatEnds(t *testing.T) {
	b := open(t)
	for name, tt := range map[string]struct{ script, want string }{
		"with an error": {"echo address in use >&2; exit 1", "address in use"},
		"without":       {"exit 0", "it ended before it listened"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.once(t.Context(), &contender{server: &service{command: shell(tt.script), port: 1, endless: true}, client: shell("exit 0"), read: said(parseNeper)})
			var re *runError
			if !errors.As(err, &re) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// TestMeasure: a contender's failure leaves a gap in its own row only; one that cannot
// take part leaves the table.
func TestMeasure(t *testing.T) {
	b := open(t)
	calls := make(map[string]int)
	calling := func(name string, f func(round int) (result, error)) contender {
		return contender{Name: name, Family: name, client: shell("exit 0"), read: func(ended) (result, error) {
			calls[name]++
			return f(calls[name] - 1)
		}}
	}
	boom := &runError{Command: "flaky", Reason: "boom"}
	all := field{
		Contenders: []contender{
			calling("steady", func(int) (result, error) { return result{Connections: 10, PerSecond: 5}, nil }),
			calling("flaky", func(round int) (result, error) {
				if round == 1 {
					return result{}, boom
				}
				return result{Connections: 20, PerSecond: 10}, nil
			}),
			calling("absent", func(int) (result, error) { return result{}, &unavailableError{Reason: "no such engine"} }),
		},
		Absent: []lab.Absence{{Name: "other", Reason: "no path"}},
	}
	told := 0
	m, err := b.measure(t.Context(), workloads()[0], all, 3, func(int, *row) { told++ })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"steady": 3, "flaky": 3, "absent": 1}, calls); diff != "" {
		t.Errorf("calls: %s", diff)
	}
	if diff := cmp.Diff([]lab.Absence{{Name: "other", Reason: "no path"}, {Name: "absent", Reason: "no such engine"}}, m.Absent); diff != "" {
		t.Error(diff)
	}
	if len(m.Rows) != 2 || m.Rows[0].completed() != 3 || m.Rows[1].completed() != 2 || told != 6 {
		t.Fatalf("%d rows, told of %d runs: %+v", len(m.Rows), told, m.Rows)
	}
	if got := m.Rows[1].Runs[1].Err; got != error(boom) {
		t.Errorf("%v, want %v", got, boom)
	}
	if m.Doubts != nil {
		t.Errorf("doubts: %q", m.Doubts)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancelling := field{Contenders: []contender{calling("cancels", func(int) (result, error) { cancel(); return result{}, ctx.Err() })}}
	if _, err := b.measure(ctx, workloads()[0], cancelling, 3, nil); !errors.Is(err, context.Canceled) || calls["cancels"] != 1 {
		t.Errorf("%v after %d calls, want Canceled after 1", err, calls["cancels"])
	}
}
