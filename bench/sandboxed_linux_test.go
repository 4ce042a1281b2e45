package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/cell"
	"lastack/bench/host"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/bench/setup"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/netns"
	"lastack/sockstate/socktest"
	"lastack/sockstate/teardown"
)

// Where a trial is for another user, or changes what its process may do, a test starts this binary as a driver, which resolves the trial,
// starts a cell for it, and prints what the cell found.
const envTrial = "BENCH_TEST_TRIAL"

func TestMain(m *testing.M) {
	sandbox.Main(map[string]sandbox.Func{"trial": inside, Job.Name: Job.Func, crash.Name: crash.Func})
	if os.Getenv(envTrial) != "" {
		os.Exit(drive())
	}
	socktest.Parallel(6)
	os.Exit(m.Run())
}

// trial is an experiment to be made in a sandbox.
type trial struct {
	Spec sandbox.Spec
	Plan loadgen.Plan
	// The embedded server's own settings; the rest is the first group's.
	Backlog int
	Delay   time.Duration
	V6      bool

	Engine   string
	Census   string
	Trace    string
	Interval time.Duration
	Settle   time.Duration
	Flush    bool
	// InterruptAt ends the run when that many lifecycles have started, at the end of an interval; 0: never.
	InterruptAt int64
	// Watch fills Seen, which takes long where there are many sockets.
	Watch bool
	// Simultaneous makes the one close of simultaneousClose instead of a run.
	Simultaneous bool
	// OwnPID has this process observed as a server's is.
	OwnPID bool
	// Nofile lowers RLIMIT_NOFILE, where it is not 0.
	Nofile uint64
	// Target is a server other than the embedded one, by its kind.
	Target string
	// Cgroups are files cgroup.procs of groups that the process enters.
	Cgroups []string
	// HaltAfter halts this process for a while.
	HaltAfter time.Duration
	// Burners are other processes that use the CPUs.
	Burners int
	// CheckOnly asks whether it would be refused.
	CheckOnly bool
	// MayFail leaves it to the test to look at the error.
	MayFail bool
	// ProbeConntrack tries to bound connection tracking.
	ProbeConntrack bool
}

// finding is what the inside saw of a trial. All but Run and Err are read by code that the
// product does not share.
type finding struct {
	Run *record.Run
	Err string
	// Events came through the pipe.
	Events []record.Event
	// Refused says why this host allows no sandbox.
	Refused string
	// Grown is the growth of the counters over the whole of bench.Run, by namespace: client's
	// and, where it has one of its own, server's.
	Grown []map[string]int64
	// Left counts the sockets that bench.Run left behind, by namespace and state.
	Left []map[string]int
	// Waiting counts the client's TIME_WAITs that bench.Run left behind, by the tuple's addresses without the local port, in hexadecimal.
	Waiting map[string]int
	// Seen is the same at the end of each interval of the timeline, with Watch.
	Seen [][]map[string]int
	// CheckErr and Probed are what CheckOnly and ProbeConntrack found.
	CheckErr, Probed string
	// Steps are the censuses of a simultaneous close.
	Steps []step
}

func drive() int {
	var tr trial
	f := finding{}
	if err := json.Unmarshal([]byte(os.Getenv(envTrial)), &tr); err != nil {
		f.Err = err.Error()
	} else {
		f = tr.found()
	}
	if err := json.NewEncoder(os.Stdout).Encode(f); err != nil {
		return 1
	}
	return 0
}

// found is drive with its error in the finding.
func (tr *trial) found() finding {
	f, err := tr.drive()
	se, refused := errors.AsType[*sandbox.Error](err)
	switch {
	case refused && se.Cause != "" && (errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.ENOSPC)):
		f.Refused = err.Error()
	case err != nil:
		f.Err = err.Error()
	}
	return f
}

// job is a trial on its way into the cell.
type job struct {
	Trial trial
	Setup setup.Setup
}

func (tr *trial) drive() (f finding, err error) {
	if err := tr.enterCgroups(); err != nil {
		return f, err
	}
	if tr.Nofile > 0 {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: tr.Nofile, Max: tr.Nofile}); err != nil {
			return f, err
		}
	}
	j := job{Trial: *tr}
	if !tr.Simultaneous {
		s, err := resolved(tr.ask())
		if tr.CheckOnly && err != nil {
			f.CheckErr, err = err.Error(), nil
			return f, err
		}
		if err != nil {
			return f, err
		}
		j.Setup = s
		tr.Spec = *s.Sandbox
	}
	c, err := sandbox.Start(context.Background(), tr.Spec, sandbox.Job{Name: "trial", Input: j})
	if err != nil {
		if tr.CheckOnly { // a cell looks after its threads too
			f.CheckErr, err = err.Error(), nil
		}
		return f, err
	}
	var events []record.Event
	for line := range c.Events() {
		var e record.Event
		if err := json.Unmarshal(line, &e); err != nil {
			return f, err
		}
		events = append(events, e)
	}
	result, err := c.Wait()
	if result != nil {
		err = errors.Join(err, json.Unmarshal(result, &f))
	}
	f.Events = events
	return f, err
}

func resolved(spec setup.Spec) (setup.Setup, error) {
	facts, err := setup.Read(&spec)
	if err != nil {
		return setup.Setup{}, err
	}
	return setup.Resolve(spec, facts)
}

func inside(_ context.Context, s *sandbox.Sandbox, input json.RawMessage, send func(any)) (any, error) {
	var j job
	var f finding
	err := json.Unmarshal(input, &j)
	if err == nil {
		err = j.carryOut(s, &f, send)
	}
	return f, err
}

func (j *job) carryOut(s *sandbox.Sandbox, f *finding, send func(any)) error {
	tr := &j.Trial
	if tr.Simultaneous {
		return simultaneousClose(s, f)
	}
	if tr.CheckOnly {
		if err := host.CheckThreads(int64(j.Setup.Threads)); err != nil {
			f.CheckErr = err.Error()
		}
		return nil
	}
	spaces := []*netns.NS{s.Client}
	if s.Server != s.Client {
		spaces = append(spaces, s.Server)
	}
	before, err := inEach(spaces, socktest.ReadCounters)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if tr.OwnPID {
		j.Setup.ServerPID = os.Getpid()
	}
	started := int64(0)
	emit := func(e record.Event) {
		send(e)
		iv := e.Interval
		if iv == nil {
			return
		}
		if tr.Watch {
			now, err := inEach(spaces, readStates)
			if err != nil {
				f.Err = err.Error()
			}
			f.Seen = append(f.Seen, now)
		}
		if started += iv.Started; tr.InterruptAt > 0 && started >= tr.InterruptAt {
			cancel()
		}
	}
	if tr.ProbeConntrack {
		f.Probed = tr.probeConntrack()
		return nil
	}
	if tr.Target != "" {
		if err := startTarget(tr.Target); err != nil {
			return err
		}
	}
	end, err := tr.prepare()
	defer end()
	if err != nil {
		return err
	}
	if f.Run, err = Run(ctx, j.Setup, cell.Env{Sandbox: s, Status: s.Status, Emit: emit}); err != nil {
		return err
	}
	after, err := inEach(spaces, socktest.ReadCounters)
	if err != nil {
		return err
	}
	for i := range after {
		grown := make(map[string]int64)
		for name, n := range after[i] {
			if n != before[i][name] {
				grown[name] = n - before[i][name]
			}
		}
		f.Grown = append(f.Grown, grown)
	}
	if f.Left, err = inEach(spaces, readStates); err != nil {
		return err
	}
	waiting, err := inEach(spaces[:1], readWaiting)
	f.Waiting = waiting[0]
	return err
}

// ask is what a person would ask for.
func (tr *trial) ask() setup.Spec {
	s := setup.Spec{
		Plan: tr.Plan, Sandbox: &tr.Spec, Engine: tr.Engine, Command: []string{"bench.test"},
		Common: setup.Common{Census: tr.Census, Trace: tr.Trace, Interval: tr.Interval, Settle: tr.Settle, Flush: tr.Flush, Version: "test"},
	}
	if tr.Target == "" {
		s.Server = &setup.Server{Listeners: 2, Workers: 2, Backlog: tr.Backlog, Delay: tr.Delay, V6: tr.V6}
		return s
	}
	g := &s.Plan.Groups[0]
	g.Targets = []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), targetPort)}
	if g.Exchange.Kind == exchange.HTTP {
		g.Host = "web.example"
	}
	return s
}

func inEach[T any](spaces []*netns.NS, read func() (T, error)) (all []T, err error) {
	for _, ns := range spaces {
		err := ns.Do(func() error {
			one, err := read()
			all = append(all, one)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// readStates counts the sockets of the calling thread's namespace by the state's number
// (include/net/tcp_states.h), listeners left out.
func readStates() (map[string]int, error) {
	names := map[string]string{
		"01": "ESTABLISHED", "02": "SYN_SENT", "03": "SYN_RECV", "04": "FIN_WAIT_1", "05": "FIN_WAIT_2", "06": "TIME_WAIT",
		"07": "CLOSED", "08": "CLOSE_WAIT", "09": "LAST_ACK", "0A": "LISTEN", "0B": "CLOSING", "0C": "SYN_RECV",
	}
	count := make(map[string]int)
	for _, file := range []string{"tcp", "tcp6"} {
		b, err := os.ReadFile("/proc/thread-self/net/" + file)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if f[0] == "sl" || names[f[3]] == "LISTEN" {
				continue
			}
			count[names[f[3]]]++
		}
	}
	return count, nil
}

// readWaiting counts the calling thread's namespace's IPv4 TIME_WAITs by local address and remote address and port.
func readWaiting() (map[string]int, error) {
	b, err := os.ReadFile("/proc/thread-self/net/tcp")
	count := make(map[string]int)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); f[3] == "06" {
			source, _, _ := strings.Cut(f[1], ":")
			count[source+">"+f[2]]++
		}
	}
	return count, err
}

// carryOut starts the trial in a sandbox and returns what was found. mode is root, user
// (whoever runs the tests, with a user namespace) or nobody (not root: who is, becomes
// somebody without capabilities).
func carryOut(t *testing.T, mode string, tr trial) finding {
	t.Helper()
	var as *syscall.Credential
	switch mode {
	case "root":
		tr.Spec.Mode = sandbox.Root
		if f, err := host.Read(); err != nil {
			t.Fatal(err)
		} else if os.Geteuid() != 0 || !f.Can("sys_admin") || !f.InitialUserNS {
			t.Skipf("no sandbox of root: euid %d, capabilities %v, in the initial user namespace: %v", os.Geteuid(), f.Capabilities, f.InitialUserNS)
		}
	case "user":
		tr.Spec.Mode = sandbox.User
	case "nobody":
		tr.Spec.Mode = sandbox.User
		if os.Geteuid() == 0 {
			as = &syscall.Credential{Uid: 65534, Gid: 65534}
		}
	}
	var f finding
	if as != nil || tr.Nofile > 0 || len(tr.Cgroups) > 0 {
		f = tr.driven(t, as)
	} else {
		f = tr.found()
	}
	switch {
	case f.Refused != "":
		t.Skip(f.Refused)
	case f.Err != "" && !tr.MayFail:
		t.Fatal(f.Err)
	}
	if f.Run != nil {
		f.mustBeSound(t)
	}
	return f
}

// driven has a driver make the trial, as another user unless as is nil.
func (tr *trial) driven(t *testing.T, as *syscall.Credential) (f finding) {
	t.Helper()
	b, err := json.Marshal(tr)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	if as != nil {
		cmd.SysProcAttr, cmd.Dir = &syscall.SysProcAttr{Credential: as}, "/"
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append(os.Environ(), envTrial+"="+string(b))
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\nstdout: %.2000s\nstderr: %.8000s", err, &stdout, &stderr)
	}
	if stderr.Len() > 0 {
		t.Errorf("stderr: %.4000s", &stderr)
	}
	if err := json.Unmarshal(stdout.Bytes(), &f); err != nil {
		t.Fatalf("%v in %.2000q", err, &stdout)
	}
	return f
}

// mustBeSound checks what holds for every record, whatever the run was.
func (f *finding) mustBeSound(t *testing.T) {
	t.Helper()
	r := f.Run
	if err := r.Validate(); err != nil {
		t.Errorf("the record is not valid: %v", err)
	}
	sum := int64(0)
	for name, n := range r.Outcomes {
		sum += n
		if !slices.Contains(sockstate.LoadOutcomeNames(), name) {
			t.Errorf("outcome %q is outside the closed set", name)
		}
	}
	c := r.Connections
	if c.Attempted != sum || c.Attempted != c.Completed+c.Failed+c.Unfinished {
		t.Errorf("%d attempted, sum of outcomes %d, completed %d + failed %d + unfinished %d", c.Attempted, sum, c.Completed, c.Failed, c.Unfinished)
	}
	for name, l := range r.Latency {
		if _, err := l.Histogram(); err != nil {
			t.Errorf("latency.%s: %v", name, err)
		}
		if l.Count == 0 || l.Count > c.Attempted && name != "exchange" {
			t.Errorf("latency.%s: %d samples of %d lifecycles", name, l.Count, c.Attempted)
		}
	}
	for _, name := range []string{"lag", "connect", "exchange", "close", "lifecycle"} {
		if _, have := r.Latency[name]; have == (r.LatencyAbsent[name] != "") {
			t.Errorf("latency.%s: present %v, and absent because %q", name, have, r.LatencyAbsent[name])
		}
	}
	if l, ok := r.Latency["lifecycle"]; ok && l.Count != c.Completed {
		t.Errorf("%d samples of lifecycle, %d completed: failures are no latency, and none may be lost", l.Count, c.Completed)
	}
	for _, ck := range r.Accounting {
		// A target that is not the embedded server may do otherwise than it is asked.
		if !ck.OK && (ck.Exact || r.Server != nil) {
			t.Errorf("accounting: %s is %d, want %d to %d (exact: %v, note: %q)", ck.Name, ck.Got, ck.Want.Min, ck.Want.Max, ck.Exact, ck.Note)
		}
	}
	f.mustHaveTold(t)
	if r.Verdict.LimitedBy == "" || len(r.Verdict.Reasons) == 0 {
		t.Errorf("the verdict says nothing: %+v", r.Verdict)
	}
	var started, warm int64
	times := record.NewHistogram()
	for i := range r.Timeline {
		started += r.Timeline[i].Started
		if l := r.Timeline[i].Lifecycle; l != nil {
			h, err := l.Histogram()
			if err != nil {
				t.Fatal(err)
			}
			times.Merge(h)
		}
	}
	if want, err := r.Latency[sockstate.LatencyLifecycle.String()].Histogram(); err != nil || !times.Equals(want) {
		t.Errorf("the timeline has %d lifecycle times, the result %d, and not all alike (%v)", times.TotalCount(), want.TotalCount(), err)
	}
	if r.Warmup != nil {
		warm = r.Warmup.Attempted
	}
	if started != c.Attempted+warm {
		t.Errorf("the timeline has %d starts, the result %d and the warm-up %d", started, c.Attempted, warm)
	}
}

// mustHaveTold checks the events of a run: what it needs, that the load begins, and each interval of the record.
func (f *finding) mustHaveTold(t *testing.T) {
	t.Helper()
	var intervals []record.Interval
	for i, e := range f.Events {
		switch {
		case i == 0 && e.Needs != nil, i == 1 && e.Phase != nil && e.Phase.Text == phaseLoad:
		case i > 1 && e.Interval != nil:
			intervals = append(intervals, *e.Interval)
		default:
			t.Errorf("event %d is %+v", i, e)
		}
	}
	if d := cmp.Diff(f.Run.Timeline, intervals); d != "" {
		t.Errorf("the timeline and the intervals that came differ:\n%s", d)
	}
}

// group is a group of a plan with timeouts that a slow machine does not meet.
func group(t *testing.T, closes, onEOF, exch string) loadgen.Group {
	t.Helper()
	g := loadgen.Group{Name: "run", Connections: 64, ConnectTimeout: time.Minute, RequestTimeout: time.Minute, CloseTimeout: time.Minute}
	var err error
	if g.Close, err = teardown.ParsePolicy(closes); err != nil {
		t.Fatal(err)
	}
	if g.OnEOF, err = teardown.ParseReaction(onEOF); err != nil {
		t.Fatal(err)
	}
	if g.Exchange, err = exchange.Parse(exch); err != nil {
		t.Fatal(err)
	}
	return g
}

func counted(t *testing.T, n int64, closes, onEOF, exch string) loadgen.Plan {
	t.Helper()
	return loadgen.Plan{Groups: []loadgen.Group{group(t, closes, onEOF, exch)}, Count: n, Workers: 2}
}

func sysctls(t *testing.T, pairs ...string) (all []sandbox.Sysctl) {
	t.Helper()
	for _, p := range pairs {
		c, err := sandbox.ParseSysctl(p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// grown is a counter's growth in all namespaces.
func (f *finding) grown(names ...string) (n int64) {
	for _, g := range f.Grown {
		for _, name := range names {
			n += g[name]
		}
	}
	return n
}

// left counts sockets that stand in a side's namespace.
func (f *finding) left(side sockstate.Side, state string) int {
	return f.Left[min(int(side), len(f.Left)-1)][state]
}

// check finds a statement of the accounting.
func (f *finding) check(t *testing.T, name string) record.Check {
	t.Helper()
	for _, c := range f.Run.Accounting {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("the accounting has no statement %q", name)
	return record.Check{}
}

// mustCountAlike compares the record's counters with those that were read apart from it, for
// a run that left nothing to close behind.
func (f *finding) mustCountAlike(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"TcpActiveOpens", "TcpPassiveOpens", "TcpAttemptFails", "TcpEstabResets", "TcpExtTW", "TcpExtTWKilled", "TcpExtTCPTimeWaitOverflow",
		"TcpExtTCPAbortOnData", "TcpExtTCPAbortOnClose", "TcpExtListenDrops", "TcpExtListenOverflows",
	} {
		if got, want := f.Run.Counters[name], f.grown(name); got != want {
			t.Errorf("the record has %s %d, /proc says %d", name, got, want)
		}
		for i, side := range []string{"client", "server"} {
			if len(f.Grown) == 2 && f.Run.CountersBySide[side][name] != f.Grown[i][name] {
				t.Errorf("the record has %s of the %s's namespace %d, /proc says %d", name, side, f.Run.CountersBySide[side][name], f.Grown[i][name])
			}
		}
	}
}
