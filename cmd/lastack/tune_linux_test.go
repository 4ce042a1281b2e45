package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
	"lastack/bench/record/recordtest"
)

// tuneArgs is a load whose open connections take twice the local ports that there are. No TIME_WAIT is in it, so that it takes seconds.
var tuneArgs = []string{"tune", "-R", "40", "--hold", "2s", "--close", "client:rst", "-w", "1"}

// fewPorts is a directory with few.conf, whose local ports are too few for tuneArgs.
func fewPorts(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "few.conf"), []byte("net.ipv4.ip_local_port_range = 40000 40039\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The smallest remedy is found and confirmed, its file makes a fresh load pass, and the host's sysctls stay.
func TestTune(t *testing.T) {
	t.Parallel()
	before := hostSysctls(t)
	dir := fewPorts(t)
	r := runIn(t, dir, "lastack", append(slices.Clone(tuneArgs), "--base", "few.conf", "-o", "t.json", "-o", "t.conf")...)
	if r.code != exitOK {
		t.Fatalf("exit code %d: %s\n%s", r.code, r.stderr, r.stdout)
	}
	run := recordtest.Read(t, filepath.Join(dir, "t.json"))
	tune := run.Tune
	if tune.Result != record.TuneChange || tune.LimitedBy != record.LimitPorts || len(tune.Answer) != 1 || tune.Remedies[tune.Answer[0]].Code != "range" {
		t.Errorf("%+v", tune)
	}
	failed := map[string]bool{}
	confirmed := 0
	for _, trial := range tune.Trials {
		for _, i := range trial.Remedies {
			failed[tune.Remedies[i].Code] = !trial.Sustained
		}
		if trial.Confirms {
			confirmed++
		}
		if p := trial.Predicted; len(trial.Remedies) == 0 && (trial.Sustained || trial.FailedAfterS < 0.9 || trial.FailedAfterS > 2 || p == nil || p.Ports != 40 || p.ExhaustedS != 1) {
			t.Errorf("as it is: %+v, predicted %+v", trial, p)
		}
	}
	if d := cmp.Diff(map[string]bool{"range": false, "addresses": false, "addresses_of_first_pass": false, "server_closes": true, "fin_timeout": true, "somaxconn": true}, failed); d != "" || confirmed == 0 {
		t.Errorf("%d confirm; failed: %s", confirmed, d)
	}
	conf, err := os.ReadFile(filepath.Join(dir, "t.conf"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\nnet.ipv4.ip_local_port_range = 32768 65535\n", "\n# evidence: 0 of ", "\n# risk: ", "\n# does not help: tcp_fin_timeout=15: "} {
		if !strings.Contains(string(conf), want) {
			t.Errorf("%q is not in\n%s", want, conf)
		}
	}
	if !strings.Contains(r.stdout, "  net.ipv4.ip_local_port_range = 32768 65535\n") {
		t.Errorf("not to copy:\n%s", r.stdout)
	}

	again := runIn(t, dir, "lastack", append(slices.Clone(tuneArgs), "--base", "t.conf", "--format", "json", "-q")...)
	if again.code != exitOK || !strings.Contains(again.stdout, `"result": "sustained"`) || again.stderr != "" {
		t.Errorf("exit code %d: %s%s", again.code, again.stdout, again.stderr)
	}
	if d := cmp.Diff(before, hostSysctls(t)); d != "" {
		t.Errorf("the host's sysctls changed:\n%s", d)
	}
}

// Remedies of other kinds are found by experiment too, and a pair of which neither suffices. Those that take half a minute, or several, need
// LASTACK_LONG.
func TestTuneFinds(t *testing.T) {
	short := func(args ...string) []string {
		return append([]string{"tune", "--hold", "2s", "--close", "client:rst", "-w", "1", "--keep", "sources", "--keep", "close"}, args...)
	}
	for _, tt := range []struct {
		name string
		long bool
		args []string
		want []string
	}{
		{"reserved ports", false, short("-R", "10", "--sysctl", "net.ipv4.ip_local_port_range=40000 40039", "--sysctl", "net.ipv4.ip_local_reserved_ports=40010-40039", "--keep", "ip_local_port_range"), []string{"unreserve"}},
		{"a range, and reserved ports", false, short("-R", "40", "--sysctl", "net.ipv4.ip_local_port_range=40000 40019", "--sysctl", "net.ipv4.ip_local_reserved_ports=1024-39999,40010-65500"), []string{"range", "unreserve"}},
		{"buckets", true, []string{"tune", "-R", "100", "-w", "1", "--sysctl", "net.ipv4.tcp_max_tw_buckets=1000", "--keep", "close"}, []string{"buckets"}},
		{"orphans", true, []string{
			"tune", "-R", "10", "-w", "1", "--on-eof", "never", "--sysctl", "net.ipv4.ip_local_port_range=40000 40099",
			"--keep", "ip_local_port_range", "--keep", "sources", "--keep", "close",
		}, []string{"fin_timeout_orphans"}},
		{"accept queue", true, []string{"tune", "-R", "2k", "--close", "client:rst", "--delay", "5ms", "--backlog", "1", "--sysctl", "net.core.somaxconn=1"}, []string{"backlog"}},
		{"SYN queue", true, []string{
			"tune", "-R", "500", "-w", "1", "--close", "client:rst", "--exchange", "none", "--loss", "3%", "--allow", "5%",
			"--sysctl", "net.ipv4.tcp_max_syn_backlog=8", "--sysctl", "net.ipv4.tcp_syncookies=0",
		}, []string{"syn_backlog"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.long && os.Getenv("LASTACK_LONG") == "" {
				t.Skip("up to three minutes of load: set LASTACK_LONG=1")
			}
			if slices.Contains(tt.args, "net.ipv4.tcp_syncookies=0") && os.Getuid() != 0 {
				t.Skip("tcp_syncookies is root's, in a sandbox too")
			}
			t.Parallel()
			dir := t.TempDir()
			r := runFor(t, 6*time.Minute, dir, "lastack", append(tt.args, "-q", "-o", "t.json")...)
			tune := recordtest.Read(t, filepath.Join(dir, "t.json")).Tune
			var found []string
			for _, i := range tune.Answer {
				found = append(found, tune.Remedies[i].Code)
			}
			if d := cmp.Diff(tt.want, found); d != "" || tune.Result != record.TuneChange || r.code != exitOK {
				t.Errorf("exit code %d, %s: %s\n%s", r.code, tune.Result, d, r.stdout)
			}
		})
	}
}

// A client that closes first, on the kernel's defaults: within five minutes the smallest remedy is found, and its file makes a fresh load pass.
func TestTuneSmallest(t *testing.T) {
	if os.Getenv("LASTACK_LONG") == "" {
		t.Skip("four minutes of load: set LASTACK_LONG=1")
	}
	dir := t.TempDir()
	load := []string{"tune", "-R", "1k", "--close", "client:fin", "--topology", "veth", "-q"}
	r := runFor(t, 5*time.Minute, dir, "lastack", append(slices.Clone(load), "--base", "default", "-o", "t.json", "-o", "t.conf")...)
	tune := recordtest.Read(t, filepath.Join(dir, "t.json")).Tune
	if r.code != exitOK || tune.Result != record.TuneChange || tune.LimitedBy != record.LimitPorts || len(tune.Answer) != 1 || tune.Remedies[tune.Answer[0]].Code != "reuse" {
		t.Fatalf("exit code %d, %s by %s, answer %v: %s%s", r.code, tune.Result, tune.LimitedBy, tune.Answer, r.stdout, r.stderr)
	}
	again := runFor(t, 3*time.Minute, dir, "lastack", append(slices.Clone(load), "--base", "t.conf", "--format", "json")...)
	if again.code != exitOK || !strings.Contains(again.stdout, `"result": "sustained"`) {
		t.Errorf("exit code %d: %s%s", again.code, again.stdout, again.stderr)
	}
}

// Nothing that may change suffices.
func TestTuneFindsNothing(t *testing.T) {
	t.Parallel()
	dir := fewPorts(t)
	none := runIn(t, dir, "lastack", append(slices.Clone(tuneArgs), "--base", "few.conf", "--keep", "ip_local_port_range", "--keep", "sources")...)
	if none.code != exitInvalid || !strings.Contains(none.stdout, "nothing on this list sustains 40.0/s: it takes 3 addresses, each with 40 local ports") {
		t.Errorf("exit code %d: %s%s", none.code, none.stdout, none.stderr)
	}
}

// Ctrl-C keeps what was tried, and leaves no cell.
func TestTuneInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := begin(t, dir, nil, "tune", "-R", "20", "--sysctl", "net.ipv4.ip_local_port_range=40000 40039", "-w", "1", "-o", "t.json")
	r.await(t, `(?m)^1/1 .* as it is`) // as it is, it fails after two seconds; the remedies take a minute
	until(t, "a trial of a remedy", func() bool { return len(r.children(t)) > 1 })
	r.send(t, syscall.SIGINT)
	if code := r.end(t); code != exitInterrupted {
		t.Fatalf("exit code %d: %s", code, r.stderr.String())
	}
	run := recordtest.Read(t, filepath.Join(dir, "t.json"))
	if !run.Interrupted || run.Tune.Result != "" || len(run.Tune.Trials) == 0 || run.Tune.LimitedBy != record.LimitPorts || len(run.Tune.Remedies) < 4 {
		t.Errorf("%+v", run.Tune)
	}
}

// What was tried in the rounds that ended is kept though tune is killed. It shows, and is not overwritten by mistake.
func TestTuneKilled(t *testing.T) {
	t.Parallel()
	before := hostSysctls(t)
	dir := t.TempDir()
	args := []string{"tune", "-R", "20", "--sysctl", "net.ipv4.ip_local_port_range=40000 40039", "-w", "1", "-o", "t.json"}
	r := begin(t, dir, nil, args...)
	r.await(t, `(?m)^1/1 .* as it is`)
	until(t, "a trial of a remedy", func() bool { return len(r.children(t)) > 1 })
	cells := r.children(t)
	r.send(t, syscall.SIGKILL)
	_ = r.cmd.Wait() // by a signal
	until(t, "the end of the cells", func() bool {
		return !slices.ContainsFunc(cells, func(pid string) bool { return alive(pid) })
	})
	shown := runIn(t, dir, "lastack", "report", "t.json"+journalSuffix)
	if shown.code != exitOK || !strings.Contains(shown.stdout, "the search was interrupted") || !strings.Contains(shown.stdout, "as it is, in full") {
		t.Errorf("exit code %d: %s%s", shown.code, shown.stdout, shown.stderr)
	}
	again := runIn(t, dir, "lastack", args...)
	if again.code != exitUsage || !strings.Contains(again.stderr, "has left its results in ") {
		t.Errorf("exit code %d: %s", again.code, again.stderr)
	}
	if d := cmp.Diff(before, hostSysctls(t)); d != "" {
		t.Errorf("the host's sysctls changed:\n%s", d)
	}
}
