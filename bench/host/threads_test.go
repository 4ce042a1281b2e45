package host

import (
	"strings"
	"testing"
)

func TestThreadsError(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&threadsError{12, 22, pidsMax, 16}, "only 12 more threads may be started here (pids.max of the control group is 16), but about 22 are needed: raise it to 26 or more (TasksMax= in a systemd unit, --pids-limit for a container)"},
		{&threadsError{-3, 22, nproc, 100}, "only 0 more threads may be started here (RLIMIT_NPROC is 100), but about 22 are needed: raise it to 125 or more (ulimit -u, LimitNPROC= in a systemd unit)"},
		{&threadsError{1, 8, threadsMax, 2000}, "only 1 more threads may be started here (kernel.threads-max is 2,000), but about 8 are needed: raise it to 2,007 or more"},
		{&addressSpaceError{1 << 30}, "RLIMIT_AS allows this process 1.00 GiB of address space, and a Go program reserves more than half of that at start: raise it to 2.00 GiB or more (ulimit -v), or lift it"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("%s\nwant %s", got, tt.want)
		}
	}
}

func TestParseTasks(t *testing.T) {
	for s, want := range map[string]int64{"0.20 0.18 0.12 1/80 11206\n": 80, "0 0 0 80 1": 0, "0 0 0": 0, "0 0 0 1/x 1": 0} {
		if n, ok := parseTasks(strings.NewReader(s)); n != want && ok || ok != (want > 0) {
			t.Errorf("%q: %d, %v, want %d", s, n, ok, want)
		}
	}
}

func FuzzParseTasks(f *testing.F) {
	f.Add("0.20 0.18 0.12 1/80 11206\n")
	f.Fuzz(func(t *testing.T, s string) {
		if n, ok := parseTasks(strings.NewReader(s)); ok && n <= 0 {
			t.Errorf("%d tasks in %q", n, s)
		}
	})
}
