package drain

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Beside a server there is another, in front of it or behind.
const behindAddr = "127.0.0.1:9001"

// TestBehind stops a backend, of which clients see what a proxy makes of that.
func TestBehind(t *testing.T) {
	t.Parallel()
	proxy := reference{Addr: at, Proxy: behindAddr}
	backend := reference{Shutdown: "graceful", Exchange: http, Addr: behindAddr}
	tr := trial{
		Load: small(), Repeat: 2, Also: [][]string{proxy.args()},
		Stop: Stop{Exec: backend.args(), Restart: backend.args(), After: 20 * time.Millisecond, Watch: 300 * time.Millisecond},
	}
	tr.Load.Reconnect = 0
	run := tr.drained(t)
	if !run.Verdict.Valid || len(run.Drain.Tries) != 2 {
		t.Fatalf("%d tries, verdict %+v", len(run.Drain.Tries), run.Verdict)
	}
	for n, r := range run.Drain.Tries {
		if s := r.Server; s.ExitS == nil || s.ExitCode == nil || *s.ExitCode != 0 {
			t.Errorf("try %d: server %+v, want the backend stopped", n, s)
		}
		if r.Restart == nil || r.Restart.ListensS == nil {
			t.Errorf("try %d: restart %+v, want the backend back", n, r.Restart)
		}
		// The proxy listens all the time, and keeps whom it has until the backend ends them.
		if r.Listener.Refused != 0 || r.Connections.FIN+r.Connections.Cut < 5 {
			t.Errorf("try %d: listener %+v, connections %+v", n, r.Listener, r.Connections)
		}
		if r.Unknown["port"] == "" || r.Unknown["leftover"] == "" {
			t.Errorf("try %d: unknown %v: want the port, which is the proxy's", n, r.Unknown)
		}
		if len(r.Also) != 1 || r.Also[0].Ended != "" || len(r.Also[0].Listens) != 1 || r.Also[0].Listens[0] != at {
			t.Errorf("try %d: beside it %+v", n, r.Also)
		}
		if !strings.Contains(strings.Join(r.Warnings, "\n"), "it listens on "+behindAddr) {
			t.Errorf("try %d: warnings %q", n, r.Warnings)
		}
	}
}

// TestInFront stops a proxy, whose backend goes on.
func TestInFront(t *testing.T) {
	t.Parallel()
	tr := trial{
		Load: small(), Also: [][]string{reference{Shutdown: "graceful", Exchange: http, Addr: behindAddr}.args()},
		Stop: Stop{Exec: reference{Addr: at, Proxy: behindAddr}.args(), After: 20 * time.Millisecond, Watch: 300 * time.Millisecond},
	}
	run := tr.drained(t)
	r := run.Drain.Tries[0]
	if r.Server.ExitSignal != "SIGTERM" || r.Listener.Refused == 0 || len(r.Also) != 1 || r.Also[0].Ended != "" || !run.Verdict.Valid {
		t.Errorf("server %+v, listener %+v, beside it %+v, verdict %+v", r.Server, r.Listener, r.Also, run.Verdict)
	}
}

// TestAlsoDies has what runs beside the server end: at once, before the stop, and after it.
func TestAlsoDies(t *testing.T) {
	t.Parallel()
	server := reference{Shutdown: "lame-duck=10s", Exchange: http, Addr: at}
	dies := func(after time.Duration) [][]string {
		return [][]string{reference{Addr: behindAddr, Proxy: at, Brief: after}.args()}
	}
	for _, tt := range []struct {
		name  string
		also  [][]string
		after time.Duration
		want  []string
	}{
		{"it does not start", [][]string{{"/nonexistent/proxy"}}, 0, []string{"cannot start", "no such file"}},
		{"at once", [][]string{{"/bin/sh", "-c", "echo out of luck >&2; exit 3"}}, 0, []string{"exit code 3", "--also", "out of luck"}},
		{"before the stop", dies(2 * time.Second), time.Minute, []string{"exit code 7", "--also", "enough is enough"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tr := trial{Load: small(), Also: tt.also, Stop: Stop{Exec: server.args(), After: tt.after, Watch: 20 * time.Millisecond}}
			f := tr.carryOut(t)
			for _, w := range tt.want {
				if !strings.Contains(f.Err, w) {
					t.Errorf("it says %q, want %q in it", f.Err, w)
				}
			}
		})
	}
	t.Run("after the stop", func(t *testing.T) {
		t.Parallel()
		tr := trial{Load: small(), Also: dies(8 * time.Second), Stop: Stop{Exec: server.args(), After: 20 * time.Millisecond, Watch: 20 * time.Millisecond, Grace: 20 * time.Second}}
		run := tr.drained(t)
		r := run.Drain.Tries[0]
		if a := r.Also; len(a) != 1 || a[0].Ended != "exit code 7" || a[0].EndedS == nil || !strings.Contains(a[0].Said, "enough") || run.Verdict.Valid {
			t.Errorf("beside it %+v, verdict %+v: want its end, and no valid statement", a, run.Verdict)
		}
	})
}

// TestExecHook stops what was started by a command that finds it by its number, as nginx -s quit does.
func TestExecHook(t *testing.T) {
	t.Parallel()
	pid := filepath.Join(t.TempDir(), "pid")
	ref := reference{Shutdown: "graceful", Exchange: http, Addr: at, PIDFile: pid}
	tr := trial{
		Load: small(), Repeat: 2,
		Stop: Stop{Exec: ref.args(), Hook: "echo asked; kill -TERM $(cat " + pid + ")", After: 20 * time.Millisecond, Watch: 20 * time.Millisecond},
	}
	run := tr.drained(t)
	for n, r := range run.Drain.Tries {
		s := &r.Server
		if s.HookCode == nil || *s.HookCode != 0 || s.ExitCode == nil || *s.ExitCode != 0 || !strings.Contains(s.HookSaid, "asked") || !run.Verdict.Valid {
			t.Errorf("try %d: server %+v, verdict %+v: want a command that succeeded, and the server's own exit", n, s, run.Verdict)
		}
		nothingLost(t, &r)
	}
	// A command that stops nothing: the grace is over, and the server is killed.
	tr.Repeat, tr.Stop.Hook, tr.Stop.Grace, tr.Stop.Then = 1, "true", 200*time.Millisecond, 9
	if s := tr.drained(t).Drain.Tries[0].Server; !s.ThenSent || s.ExitSignal != "SIGKILL" {
		t.Errorf("server %+v, want it killed after the grace", s)
	}
}
