package drain

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastack/bench/metric"
	"lastack/bench/record"
)

// small is a load for what is not about the load.
func small() Load {
	// Clients that do not pause would take the CPUs from the tests beside.
	return Load{Idle: 3, InFlight: 2, Arrivals: 100, Think: 2 * time.Millisecond, Reconnect: 20 * time.Millisecond}
}

// TestRestart has the server come back, and the clients with it.
func TestRestart(t *testing.T) {
	t.Parallel()
	ref := reference{Shutdown: "graceful", Exchange: http, Addr: at}
	tr := trial{
		Load: small(), Repeat: 2,
		Stop: Stop{Exec: ref.args(), Restart: ref.args(), After: 20 * time.Millisecond, Watch: 2500 * time.Millisecond},
	}
	for n, r := range tr.drained(t).Drain.Tries {
		l := &r.Listener
		if l.FirstRefusalS == nil || l.AcceptsAgainS == nil || l.RefusedWindowS <= 0 {
			t.Errorf("try %d: listener %+v, want a window of refusals, and its end", n, l)
		}
		if c := &r.Reconnect; c.Clients != 5 || c.Landed[string(ownerNew)] != 5 || c.Failed != 0 {
			t.Errorf("try %d: reconnect %+v, want all 5 clients with the new server", n, c)
		}
		if r.Port.Reuse != record.DrainBound {
			t.Errorf("try %d: port %+v, want it to be free with SO_REUSEADDR", n, r.Port)
		}
		if r.Leftover.TimeWait == 0 || r.Port.Plain == record.DrainBound {
			t.Errorf("try %d: left %+v, port %+v: the server closed first, so TIME_WAIT holds the port", n, r.Leftover, r.Port)
		}
	}
}

// TestThen has a server that never stops: the second signal ends it.
func TestThen(t *testing.T) {
	t.Parallel()
	ref := reference{Shutdown: "graceful", Exchange: http, Addr: at, Stubborn: true}
	tr := trial{
		Load: small(),
		Stop: Stop{Exec: ref.args(), After: 20 * time.Millisecond, Grace: 100 * time.Millisecond, Then: syscall.SIGKILL, Watch: 20 * time.Millisecond},
	}
	s := tr.drained(t).Drain.Tries[0].Server
	if !s.ThenSent || s.ExitSignal != "SIGKILL" || s.Stayed || s.ExitS == nil {
		t.Errorf("server %+v, want it killed after the grace", s)
	}

	tr.Stop.Then = 0
	r := tr.drained(t).Drain.Tries[0]
	if s := r.Server; s.ThenSent || !s.Stayed || s.ExitS != nil {
		t.Errorf("server %+v, want it to stay", s)
	}
	if r.Connections.Never == 0 || r.Unknown["leftover"] == "" {
		t.Errorf("connections %+v, unknown %v: want some that never ended, and what is left unknown", r.Connections, r.Unknown)
	}
}

// TestHung stops a server that goes on having its listener and answers nobody: every request is lost, and it is said that
// the kernel alone took the connections.
func TestHung(t *testing.T) {
	t.Parallel()
	l := small()
	l.ConnectTimeout, l.RequestTimeout = time.Second, time.Second
	tr := trial{
		Load: l,
		Stop: Stop{
			Exec: reference{Shutdown: "graceful", Exchange: http, Addr: at}.args(), Signal: syscall.SIGSTOP,
			After: 20 * time.Millisecond, Grace: 200 * time.Millisecond, Watch: 200 * time.Millisecond,
		},
	}
	run := tr.drained(t)
	r := &run.Drain.Tries[0]
	if q := &r.Requests; q.Lost() == 0 || q.TimedOut != q.Lost() || q.Open != 0 || !q.GapOpen {
		t.Errorf("requests %+v, want all that were not answered before it was halted to time out", q)
	}
	if l := &r.Listener; l.Unserved == 0 || l.UnservedFromS == nil || l.Sum() != l.Attempts {
		t.Errorf("listener %+v, want connects to be taken by the kernel alone", l)
	}
	for _, d := range disagreements(r) {
		t.Error(d)
	}
	kept(t, run, map[string]bool{"lost==0": false, "refused_window<100ms": false, "failed==0": false, "answer_gap<10s": false, "refused==0": true})

	// With a short accept queue, SYNs are dropped when it is full: connects hang too.
	tr.Sysctls = []string{"net.core.somaxconn=2"}
	run = tr.drained(t)
	r = &run.Drain.Tries[0]
	if l := &r.Listener; l.TimedOut == 0 || l.Pending != 0 || l.Sum() != l.Attempts {
		t.Errorf("listener %+v, want connects to time out", l)
	}
	for _, d := range disagreements(r) {
		t.Error(d)
	}
	kept(t, run, map[string]bool{"connect_timed_out==0": false, "failed==0": false})
}

// kept holds thresholds against a record.
func kept(t *testing.T, run *record.Run, want map[string]bool) {
	t.Helper()
	for expr, ok := range want {
		th, err := metric.ParseThreshold(record.KindDrain, expr)
		if err != nil {
			t.Fatal(err)
		}
		if got := th.Evaluate(run); got.OK != ok {
			t.Errorf("%s: %+v, want it met: %v", expr, got, ok)
		}
	}
}

// TestHalted halts the drain itself while it watches: what it then saw is no statement about the server.
func TestHalted(t *testing.T) {
	t.Parallel()
	tr := trial{
		Load: small(), Outside: &reference{Shutdown: "graceful", Exchange: http, Addr: at},
		Stop: Stop{Hook: "kill -STOP $DRAIN; kill -TERM $SERVER; sleep 1.5; kill -CONT $DRAIN", After: 20 * time.Millisecond, Watch: 20 * time.Millisecond},
	}
	run := tr.drained(t)
	if h := run.Drain.Tries[0].HaltedS; h < 1.4 || run.Verdict.Valid || !strings.Contains(strings.Join(run.Verdict.Reasons, " "), "this program did not run for") {
		t.Errorf("halted for %v s, verdict %+v: want it not valid, because this program did not run", h, run.Verdict)
	}
}

// TestRejected stops a server by a firewall that rejects by ICMP: who connects is refused, and no request is lost.
func TestRejected(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skipf("the firewall is nft's: %v", err)
	}
	nft := "nft 'add table inet t; add chain inet t in { type filter hook input priority 0; }; " +
		"add rule inet t in tcp dport 8080 tcp flags & (syn|ack) == syn reject with icmp type port-unreachable'"
	tr := trial{
		Load: small(), Outside: &reference{Shutdown: "graceful", Exchange: http, Addr: at},
		Stop: Stop{Hook: nft, Grace: 500 * time.Millisecond, After: 500 * time.Millisecond, Watch: 100 * time.Millisecond},
	}
	run := tr.drained(t)
	r := &run.Drain.Tries[0]
	if s := &r.Server; s.HookCode == nil || *s.HookCode != 0 {
		t.Fatalf("server %+v, want a command that succeeded", s)
	}
	if l := &r.Listener; l.Refused == 0 || l.Sum() != l.Attempts {
		t.Errorf("listener %+v, want connects that are refused", l)
	}
	nothingLost(t, r)
	for _, d := range disagreements(r) {
		t.Error(d)
	}
	kept(t, run, map[string]bool{"lost==0": true, "refused==0": false})
}

// TestReload has a server reload by SIGHUP, or SIGUSR2: it stays, and the watch does not wait for its end.
func TestReload(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR2} {
		t.Run(sig.String(), func(t *testing.T) { reload(t, sig) })
	}
}

func reload(t *testing.T, sig syscall.Signal) {
	tr := trial{
		Load: small(),
		Stop: Stop{
			Exec: reference{Shutdown: "graceful", Addr: at, Reloads: true}.args(), Signal: sig,
			After: 20 * time.Millisecond, Grace: 30 * time.Second, Watch: 300 * time.Millisecond,
		},
	}
	tr.Load.InFlight = 0 // those that are asking may keep their connection for good
	run := tr.drained(t)
	r := &run.Drain.Tries[0]
	if s := &r.Server; !s.Stayed || s.ThenSent || r.WatchedS > 20 || !run.Verdict.Valid {
		t.Errorf("server %+v, watched for %v s, verdict %+v: want it to stay, and the watch to end", s, r.WatchedS, run.Verdict)
	}
	if r.Server.EndedByReload {
		t.Error("it is said that the reload ended the server")
	}
	if g := r.Group(groupIdle); g.Connections.FIN < 3 || g.Connections.Kept != 3 || r.Reconnect.Failed != 0 {
		t.Errorf("idle %+v, reconnect %+v: want FIN for all, and all back", g.Connections, r.Reconnect)
	}
	kept(t, run, map[string]bool{"failed==0": true})
}

// TestReloadKills has a server that knows no reload: SIGHUP ends it, which is told first.
func TestReloadKills(t *testing.T) {
	t.Parallel()
	if signal.Ignored(syscall.SIGHUP) {
		t.Skip("SIGHUP is ignored here (nohup), and so it is by every server that is started from here")
	}
	tr := trial{
		Load: small(),
		Stop: Stop{
			Exec: reference{Shutdown: "graceful", Exchange: http, Addr: at}.args(), Signal: syscall.SIGHUP,
			After: 20 * time.Millisecond, Watch: 100 * time.Millisecond,
		},
	}
	run := tr.drained(t)
	const want = "the server ended by the reload's signal"
	if s := run.Drain.Tries[0].Score; !strings.HasPrefix(s, want) {
		t.Errorf("score %q, want it to begin with %q", s, want)
	}
	if v := run.Verdict; !v.Valid || v.Reasons[0] != "try 1: "+want {
		t.Errorf("verdict %+v, want it valid, and said that %s", v, want)
	}
}

// TestStatuses has a server whose replies are not 2xx, all the time or from the signal on.
func TestStatuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		ref   reference
		valid bool
		want  map[string]bool
		after string // the class of most replies after the signal
		says  string
	}{
		{"200, then 503", reference{AfterHUP: 503}, true, map[string]bool{"lost==0": true, "failed==0": false, "http_5xx==0": false, "http_5xx_before==0": true}, "5xx", ""},
		{"503 all the time", reference{Status: 503}, false, map[string]bool{"failed==0": false, "http_5xx==0": false, "http_5xx_before==0": false}, "5xx", "replies before the stop were not 2xx (5xx"},
		{"404 all the time", reference{Status: 404}, true, map[string]bool{"failed==0": true, "http_4xx==0": false, "http_4xx_before==0": false, "http_5xx==0": true}, "4xx", "replies before the stop were not 2xx (4xx"},
		{"a status that is none", reference{AfterHUP: 999}, true, map[string]bool{"failed==0": false, "lost==0": false, "http_invalid==0": false, "http_5xx==0": true}, "invalid", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.ref.Shutdown, tt.ref.Addr, tt.ref.Reloads = "graceful", at, true
			// Where all replies are 5xx, clients never keep a connection.
			tr := trial{
				Load: Load{Arrivals: 200},
				Stop: Stop{Exec: tt.ref.args(), Signal: syscall.SIGHUP, After: 1500 * time.Millisecond, Grace: 10 * time.Second, Watch: 300 * time.Millisecond},
			}
			run := tr.drained(t)
			r := &run.Drain.Tries[0]
			for _, d := range disagreements(r) {
				t.Error(d)
			}
			kept(t, run, tt.want)
			if run.Verdict.Valid != tt.valid || r.Requests.HTTP[tt.after] == 0 {
				t.Errorf("verdict %+v, replies %v: want valid %v, %s", run.Verdict, r.Requests.HTTP, tt.valid, tt.after)
			}
			if said := strings.Join(r.Warnings, "\n"); tt.says != "" && !strings.Contains(said, tt.says) {
				t.Errorf("warnings %q, want %q", said, tt.says)
			}
			var inTime int64
			for i := range r.Slices {
				inTime += r.Slices[i].Answered5xx
			}
			if inTime != r.Requests.HTTP["5xx"] {
				t.Errorf("%d replies of 5xx in the timeline, want %d", inTime, r.Requests.HTTP["5xx"])
			}
		})
	}
}

// TestWrapper drains a shell around a server: the shell ends, and the server listens on.
func TestWrapper(t *testing.T) {
	t.Parallel()
	args := reference{Shutdown: "graceful", Exchange: http, Addr: at}.args()
	shell := []string{"/bin/sh", "-c", `"$0" "$@"; true`}
	tr := trial{
		Load: small(),
		Stop: Stop{Exec: append(shell, args...), After: 20 * time.Millisecond, Grace: 300 * time.Millisecond, Watch: 20 * time.Millisecond},
	}
	run := tr.drained(t)
	r := &run.Drain.Tries[0]
	if r.Server.ExitS == nil || len(r.Server.StillListening) != 1 || run.Verdict.Valid {
		t.Errorf("server %+v, verdict %+v: want a child that listens still, and no valid statement", r.Server, run.Verdict)
	}

	tr.Stop.Then = syscall.SIGKILL
	run = tr.drained(t)
	r = &run.Drain.Tries[0]
	if !r.Server.ThenSent || len(r.Server.StillListening) != 0 || !r.Leftover.Known {
		t.Errorf("server %+v, left %+v: want the child killed after the grace", r.Server, r.Leftover)
	}
	if said := strings.Join(run.Verdict.Reasons, "\n"); run.Verdict.Valid || !strings.Contains(said, "is the command a shell around the server?") {
		t.Errorf("verdict %+v: want it not valid, as the signal never came to the server", run.Verdict)
	}
	if !strings.Contains(r.Score, "listened on until the grace was over") {
		t.Errorf("score %q: want it said that the server did not stop", r.Score)
	}
}

// TestMaster drains a server whose signalled process passes the signal on and ends, while its child, which has closed the
// listener, has requests to finish until the grace is over: that is a stop.
func TestMaster(t *testing.T) {
	t.Parallel()
	args := reference{Shutdown: "graceful", Exchange: http, Addr: at, Delay: 4 * time.Second}.args()
	shell := []string{"/bin/sh", "-c", `"$0" "$@" & trap "kill -TERM $!; exit 0" TERM; wait`}
	l := small()
	l.ConnectTimeout, l.RequestTimeout = time.Minute, time.Minute // far above the delay, for a busy machine
	l.Arrivals = 20
	tr := trial{
		Load: l,
		Stop: Stop{Exec: append(shell, args...), After: 20 * time.Millisecond, Grace: 3 * time.Second, Then: syscall.SIGKILL, Watch: 20 * time.Millisecond},
	}
	run := tr.drained(t)
	r := &run.Drain.Tries[0]
	if s := &r.Server; s.ThenSent || len(s.ListenedOn) > 0 || !run.Verdict.Valid {
		t.Errorf("server %+v, verdict %+v: want a valid stop without a second signal", s, run.Verdict)
	}
	nothingLost(t, r)
}

// TestNoKeepAlive has a server that ends each connection after the reply: there are no idle clients, and it is said.
func TestNoKeepAlive(t *testing.T) {
	t.Parallel()
	l := small()
	l.Arrivals = 50
	tr := trial{
		Load: l, Outside: &reference{Shutdown: "graceful", Exchange: http, Addr: at, Once: true},
		Stop: Stop{After: 20 * time.Millisecond, Watch: 20 * time.Millisecond},
	}
	run := tr.drained(t)
	r := &run.Drain.Tries[0]
	// All may have a connection for a moment; then it is seen later that it does not last.
	if said := strings.Join(r.Warnings, "\n"); !strings.Contains(said, "does not keep connections alive") && !strings.Contains(said, "or it keeps none") {
		t.Errorf("warnings %q: want it said that there is no keep-alive", said)
	}
	if r.WatchedS > 5 {
		t.Errorf("watched for %v s: there was nothing to wait for", r.WatchedS)
	}
}

// TestImpatient has a server that waits for the rest of a request for less than --after: why there are none is said.
func TestImpatient(t *testing.T) {
	t.Parallel()
	tr := trial{
		Load: Load{Idle: 2, Partial: 3},
		Stop: Stop{Exec: reference{Addr: at, Impatient: 200 * time.Millisecond}.args(), After: 500 * time.Millisecond, Watch: 20 * time.Millisecond},
	}
	run := tr.drained(t)
	if said := strings.Join(run.Drain.Tries[0].Warnings, "\n"); !strings.Contains(said, "ended 3 connections of partial before the stop: its timeout for a request's header") {
		t.Errorf("warnings %q do not say why no partial client is left", said)
	}
	if said := strings.Join(run.Verdict.Reasons, "\n"); run.Verdict.Valid || !strings.Contains(said, "no client of partial had a connection when the stop began") || !strings.Contains(said, "see the warnings") {
		t.Errorf("verdict %+v", run.Verdict)
	}
}

// TestFork drains a server that has put itself into the background: at once, while the load is held, or so late that whom it left
// behind is there still when the signal comes.
func TestFork(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ linger, after time.Duration }{
		{0, 20 * time.Millisecond}, {500 * time.Millisecond, time.Second}, {time.Minute, 20 * time.Millisecond},
	} {
		t.Run(fmt.Sprintf("the launcher stays for %v", tt.linger), func(t *testing.T) {
			t.Parallel()
			ref := reference{Shutdown: "graceful", Exchange: http, Addr: at, Fork: true, Linger: tt.linger}
			tr := trial{Load: small(), Stop: Stop{Exec: ref.args(), After: tt.after, Watch: 20 * time.Millisecond}}
			run := tr.drained(t)
			r := run.Drain.Tries[0]
			if s := r.Server; s.ExitS == nil || s.Stayed || len(s.StillListening) > 0 || r.Requests.Sent == 0 || !run.Verdict.Valid {
				t.Errorf("server %+v, requests %+v, verdict %+v: want the process signalled that listens", s, r.Requests, run.Verdict)
			}
			if !strings.Contains(strings.Join(r.Warnings, "\n"), "background") {
				t.Errorf("warnings %q do not say that the server forked", r.Warnings)
			}
			nothingLost(t, &r)
		})
	}
}

// TestStartErrors has servers that do not come up, or not for long.
func TestStartErrors(t *testing.T) {
	t.Parallel()
	port, beside := "127.0.0.1:8081", "127.0.0.2:8080"
	for _, tt := range []struct {
		name string
		stop Stop
		want []string
	}{
		{"no such program", Stop{Exec: []string{"/nonexistent/server"}}, []string{"cannot start", "no such file"}},
		{"ends at once", Stop{Exec: []string{"/bin/sh", "-c", "echo out of luck >&2; exit 3"}}, []string{"exit code 3", "before it listened", "out of luck"}},
		{
			"dies before the signal",
			Stop{Exec: reference{Exchange: http, Shutdown: "graceful", Addr: at, Brief: 3 * time.Second}.args(), After: time.Minute},
			[]string{"before the signal was sent", "exit code 7", "enough is enough"},
		},
		{
			"the restart ends",
			Stop{
				Exec: reference{Exchange: http, Shutdown: "graceful", Addr: at}.args(), Watch: 10 * time.Millisecond,
				Restart: []string{"/bin/sh", "-c", "echo no more >&2; exit 4"},
			},
			[]string{"restart", "exit code 4", "no more"},
		},
		{
			"the restart is elsewhere",
			Stop{
				Exec: reference{Exchange: http, Shutdown: "graceful", Addr: at}.args(), Watch: 10 * time.Millisecond,
				Restart: reference{Exchange: http, Shutdown: "graceful", Addr: port}.args(),
			},
			[]string{"restart", "listens on " + port, "not on the target"},
		},
		{
			"the restart is on another address",
			Stop{
				Exec: reference{Exchange: http, Shutdown: "graceful", Addr: at}.args(), Watch: 10 * time.Millisecond,
				Restart: reference{Exchange: http, Shutdown: "graceful", Addr: beside}.args(),
			},
			[]string{"restart", "listens on " + beside, "not on the target " + at},
		},
		{"no such process", Stop{PID: 1 << 22}, []string{"--pid", "there is no process"}},
		{"an ancestor", Stop{PID: 1}, []string{"--pid 1", "descends from it"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tr := trial{Load: small(), Stop: tt.stop}
			if tt.name == "the restart is elsewhere" {
				tr.Patience = 10 * time.Second // all of it is waited for
			}
			began := time.Now()
			f := tr.carryOut(t)
			if took := time.Since(began); took >= startAtMost {
				t.Errorf("it took %v to see that nothing is to be waited for", took)
			}
			said := f.Err
			if f.Run != nil {
				for _, r := range f.Run.Drain.Tries {
					said += strings.Join(r.Warnings, "\n")
					if r.Restart != nil {
						said += "restart: " + r.Restart.Failed
						if r.Restart.Failed != "" && f.Run.Verdict.Valid {
							t.Errorf("the verdict is valid, though the restart failed")
						}
					}
				}
			}
			for _, w := range tt.want {
				if !strings.Contains(said, w) {
					t.Errorf("it says %q, want %q in it", said, w)
				}
			}
		})
	}
}

// TestInterrupt ends a drain in each of its phases: what was measured is returned, and the server is gone.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	for _, phase := range []string{"starting", "connecting", "holding", "filling the accept queue", "stopping the server", "watching"} {
		t.Run(phase, func(t *testing.T) {
			t.Parallel()
			// The mark finds the server's process, whatever became of it.
			mark := fmt.Sprintf("/tmp/%s-%d", strings.ReplaceAll(phase, " ", "-"), os.Getpid())
			ref := reference{Shutdown: "graceful", Exchange: http, Addr: at, Stubborn: true, Ledger: mark}
			l := small()
			l.Queued = 2
			tr := trial{Load: l, CancelAt: phase, Stop: Stop{Exec: ref.args(), After: 20 * time.Millisecond, Watch: time.Second}}
			f := tr.carryOut(t)
			if phase == "watching" {
				if f.Run == nil || !f.Run.Interrupted || f.Err != "" {
					t.Errorf("run %+v, error %q: want an interrupted record", f.Run, f.Err)
				}
			} else if f.Run != nil && !f.Run.Interrupted {
				t.Errorf("the record does not say that it was interrupted")
			}
			if out, err := exec.Command("pgrep", "-f", mark).Output(); err == nil {
				t.Errorf("processes are left: %s", out)
			}
		})
	}
}

// TestHook stops a server by a command, of which only the listener's end and the clients tell.
func TestHook(t *testing.T) {
	t.Parallel()
	tr := trial{
		Load: small(), Outside: &reference{Shutdown: "graceful", Exchange: http, Addr: at},
		Stop: Stop{Hook: "echo stopping; kill -TERM $SERVER", After: 20 * time.Millisecond, Watch: 20 * time.Millisecond},
	}
	r := tr.drained(t).Drain.Tries[0]
	s := &r.Server
	if s.HookCode == nil || *s.HookCode != 0 || s.HookS == nil || !strings.Contains(s.Said, "stopping") {
		t.Errorf("server %+v, want a stop command that succeeded", s)
	}
	if s.ExitS != nil || r.Unknown["server.exit_s"] == "" {
		t.Errorf("exit %v, unknown %v: want the exit to be unknown", s.ExitS, r.Unknown)
	}
	if r.Port.Reuse != record.DrainBound || !r.Leftover.Known {
		t.Errorf("port %+v, left %+v: want both, as the listener was here", r.Port, r.Leftover)
	}
	nothingLost(t, &r)

	tr.Stop.Hook = "echo nothing to stop >&2; exit 5"
	tr.Stop.Grace = 3 * time.Second // the command has to end in it, on a busy machine too
	r = tr.drained(t).Drain.Tries[0]
	if s := &r.Server; s.HookCode == nil || *s.HookCode != 5 || r.Unknown["port"] == "" {
		t.Errorf("server %+v, unknown %v: want the hook's failure, and the port unknown", s, r.Unknown)
	}
}

// TestPID drains a server that the run did not start, and leaves alone what it was not told to end.
func TestPID(t *testing.T) {
	t.Parallel()
	tr := trial{
		Load: small(), Outside: &reference{Shutdown: "graceful", Exchange: http, Addr: at},
		Stop: Stop{After: 20 * time.Millisecond, Watch: 20 * time.Millisecond},
	}
	r := tr.drained(t).Drain.Tries[0]
	if s := &r.Server; s.ExitS == nil || s.Contained != "" || s.Said != "" {
		t.Errorf("server %+v, want one that ended and was not contained", s)
	}
	nothingLost(t, &r)

	tr.Outside.Stubborn = true
	tr.Stop.Grace = 100 * time.Millisecond
	f := tr.carryOut(t)
	if f.Err != "" || !f.OutsideLives {
		t.Errorf("error %q, the server lives: %v; want it to live", f.Err, f.OutsideLives)
	}
}

// TestNobodyListens attaches to a server that listens elsewhere than the target.
func TestNobodyListens(t *testing.T) {
	t.Parallel()
	tr := trial{Load: small(), Outside: &reference{Shutdown: "graceful", Exchange: http, Addr: "127.0.0.1:8081"}}
	if f := tr.carryOut(t); !strings.Contains(f.Err, "nobody listens on "+at) || !f.OutsideLives {
		t.Errorf("error %q, the server lives: %v", f.Err, f.OutsideLives)
	}
}

// TestRollingPID rolls a server that was there before: what each try brings up is drained by the next.
func TestRollingPID(t *testing.T) {
	t.Parallel()
	ref := reference{Shutdown: "graceful", Exchange: http, Addr: at}
	tr := trial{
		Load: small(), Repeat: 3, Outside: &ref,
		Stop: Stop{Restart: ref.args(), After: 20 * time.Millisecond, Watch: 20 * time.Millisecond},
	}
	run := tr.drained(t)
	if n := len(run.Drain.Tries); n != 3 || !run.Verdict.Valid {
		t.Errorf("%d tries of 3, verdict %+v", n, run.Verdict)
	}
	tr.CancelAt = "watching"
	if f := tr.carryOut(t); f.Err != "" || f.Run == nil || !f.Run.Interrupted {
		t.Errorf("error %q, run %+v: want an interrupted record", f.Err, f.Run)
	}
}

// TestHookRestarts stops a server by a command that brings it back: what the command leaves running is left alone.
func TestHookRestarts(t *testing.T) {
	t.Parallel()
	ref := reference{Shutdown: "graceful", Exchange: http, Addr: at}
	args := ref.args()
	pidFile := filepath.Join(t.TempDir(), "pid")
	t.Cleanup(func() {
		b, err := os.ReadFile(pidFile)
		pid, perr := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil || perr != nil {
			t.Errorf("the server that came back cannot be found: %v, %v", err, perr)
		} else if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Errorf("the server that came back does not live: %v", err)
		}
	})
	again := fmt.Sprintf("'%s' '%s' '%s'", args[0], args[1], args[2])
	const listens = "i=0; until grep -q ':1F90 00000000:0000 0A' /proc/net/tcp || [ $((i+=1)) -gt 3000 ]; do sleep 0.01; done" // on port 8080
	tr := trial{
		Load: small(), Outside: &ref,
		Stop: Stop{
			Hook:  "kill -TERM $SERVER; while kill -0 $SERVER 2>/dev/null; do sleep 0.01; done; setsid " + again + " </dev/null >/dev/null 2>&1 & echo $! >" + pidFile + "; " + listens,
			After: 20 * time.Millisecond, Watch: time.Second, Grace: time.Minute,
		},
	}
	r := tr.drained(t).Drain.Tries[0]
	if r.Listener.AcceptsAgainS == nil || r.Server.HookCode == nil || *r.Server.HookCode != 0 {
		t.Errorf("listener %+v, server %+v: want the command to have brought it back", r.Listener, r.Server)
	}
}
