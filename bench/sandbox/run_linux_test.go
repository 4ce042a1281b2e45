package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lastack/bench/record"
)

// who starts the driver.
type who string

const (
	asRoot   who = "root"
	asUser   who = "user"   // whoever runs the tests, with a user namespace
	asNobody who = "nobody" // root becomes somebody without capabilities
	// asContained is in a user and network namespace of its own, as in a container.
	asContained who = "contained"
)

var everyone = []who{asRoot, asUser, asNobody}

// driver prepares the command; skip says why it cannot be this one.
func driver(t *testing.T, w who, action string, spec Spec, env ...string) *exec.Cmd {
	t.Helper()
	isRoot := bestMode() == Root
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	switch w {
	case asRoot:
		if !isRoot {
			t.Skipf("the best mode here is %s: euid %d", bestMode(), os.Geteuid())
		}
	case asUser:
		spec.Mode = User
	case asNobody:
		if !isRoot {
			t.Skipf("only root can become somebody else: euid %d", os.Geteuid())
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		cmd.Dir = "/"
	case asContained:
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
		}
	}
	b, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), envDrive+"="+string(b), envAction+"="+action)
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// run runs a driver to its end. lines is what the inside printed.
func run(t *testing.T, cmd *exec.Cmd) (d driven, lines []string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var ee *exec.ExitError
	if err != nil && !errors.As(err, &ee) {
		t.Fatal(err)
	}
	return parseDriven(t, stdout.String(), stderr.String(), cmd)
}

func parseDriven(t *testing.T, stdout, stderr string, cmd *exec.Cmd) (d driven, lines []string) {
	t.Helper()
	lines = strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	last := lines[len(lines)-1]
	if err := json.Unmarshal([]byte(last), &d); err != nil {
		t.Fatalf("driver printed %q, and on stderr %q: %v", stdout, stderr, err)
	}
	if stderr != "" {
		t.Errorf("stderr: %s", stderr)
	}
	if got := cmd.ProcessState.ExitCode(); got != d.Exit {
		t.Errorf("driver's exit code %d, Run's %d", got, d.Exit)
	}
	// A refusal with a known cause is this host's, not ours.
	if d.Refused && d.Cause != "" && (d.Errno == syscall.EPERM || d.Errno == syscall.EACCES || d.Errno == syscall.ENOSPC) {
		t.Skip(d.Err)
	}
	return d, lines[:len(lines)-1]
}

func TestSandboxIsOn(t *testing.T) {
	host, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range everyone {
		for _, topology := range []Topology{Lo, Veth} {
			t.Run(string(w)+"/"+string(topology), func(t *testing.T) {
				spec := Spec{Topology: topology, Sysctls: []Sysctl{
					{"net.ipv4.conf.default.rp_filter", "2"},
					{"net.ipv4.tcp_fin_timeout", "7"},
					{"net.ipv4.ip_local_port_range", "40000 40999"},
				}}
				d, lines := run(t, driver(t, w, "facts", spec))
				if d.Err != "" || d.Exit != 0 {
					t.Fatalf("exit %d: %s", d.Exit, d.Err)
				}
				mode := User
				if w == asRoot {
					mode = Root
				}
				want := record.Sandbox{Mode: string(mode), Topology: string(topology), Sysctls: map[string]string{
					"net.ipv4.conf.default.rp_filter": "2",
					"net.ipv4.tcp_fin_timeout":        "7",
					"net.ipv4.ip_local_port_range":    "40000 40999",
				}}
				if diff := cmp.Diff(want, d.Status); diff != "" {
					t.Errorf("status (-want +got):\n%s", diff)
				}
				if d.NetNS != host {
					t.Errorf("the driver is in %s afterwards, want %s", d.NetNS, host)
				}

				var f facts
				if err := json.Unmarshal([]byte(strings.Join(lines, "")), &f); err != nil {
					t.Fatal(err)
				}
				if f.ClientNS == host || f.ServerNS == host || f.ProcessNS != f.ClientNS {
					t.Errorf("host %s, process %s, client %s, server %s", host, f.ProcessNS, f.ClientNS, f.ServerNS)
				}
				if (f.ClientNS == f.ServerNS) != (topology == Lo) {
					t.Errorf("client in %s, server in %s", f.ClientNS, f.ServerNS)
				}
				wantSysctls := map[string][]string{
					"net.ipv4.conf.default.rp_filter": {"2", "2"},
					"net.ipv4.tcp_fin_timeout":        {"7", "7"},
					"net.ipv4.ip_local_port_range":    {"40000\t40999", "40000\t40999"},
				}
				if diff := cmp.Diff(wantSysctls, f.Sysctls); diff != "" {
					t.Errorf("sysctls (-want +got):\n%s", diff)
				}
				wantLinks := map[string][]string{
					"client": {"lo up [127.0.0.1/8 ::1/128]"},
					"server": {"lo up [127.0.0.1/8 ::1/128]"},
				}
				if topology == Veth {
					wantLinks["client"] = append(wantLinks["client"], "client up [198.18.0.1/15 fd6c:6173:7461:1::1/48]")
					wantLinks["server"] = append(wantLinks["server"], "server up [198.19.0.1/15 fd6c:6173:7461:2::1/48]")
					if f.Neighbours != 4 || f.Unresolved != 0 {
						t.Errorf("%d permanent neighbours and %d others, want 4 and 0", f.Neighbours, f.Unresolved)
					}
				}
				if diff := cmp.Diff(wantLinks, f.Links); diff != "" {
					t.Errorf("links (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestExitCode(t *testing.T) {
	for action, want := range map[string]int{"exit7": 7, "abort": 128 + 9} {
		d, _ := run(t, driver(t, asUser, action, Spec{}))
		if d.Err != "" || d.Exit != want {
			t.Errorf("%s: exit %d (%s), want %d", action, d.Exit, d.Err, want)
		}
	}
}

// Sources beyond the topology's own, and any of its own.
func TestSources(t *testing.T) {
	tests := []struct {
		topology Topology
		extra    []netip.Prefix
		from     string
	}{
		{Lo, nil, "127.0.0.1 127.99.3.4 ::1"},
		{Lo, []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/64")}, "10.1.255.255 10.1.0.1 fd00:1::77"},
		{Veth, nil, "198.18.0.1 198.18.77.5 198.18.0.0 198.18.255.255 fd6c:6173:7461:1::1"},
		{Veth, []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/64"), netip.MustParsePrefix("fd6c:6173:7461:1::/112")}, "10.1.2.3 fd00:1::77 fd6c:6173:7461:1::99"},
	}
	for _, w := range everyone {
		for _, tt := range tests {
			t.Run(string(w)+"/"+string(tt.topology), func(t *testing.T) {
				spec := Spec{Topology: tt.topology, Sources: tt.extra}
				d, lines := run(t, driver(t, w, "carry", spec, "SANDBOX_TEST_SOURCES="+tt.from))
				if d.Err != "" || d.Exit != 0 {
					t.Fatalf("exit %d: %s", d.Exit, d.Err)
				}
				if diff := cmp.Diff(strings.Fields(tt.from), lines); diff != "" {
					t.Errorf("sources seen by the server (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestSysctlRefused(t *testing.T) {
	tests := []struct {
		sysctl   Sysctl
		errno    syscall.Errno
		hostWide bool
		rounded  bool // to the kernel's tick, without a word
	}{
		{sysctl: Sysctl{"net.ipv4.tcp_no_such_key", "1"}, errno: syscall.ENOENT},
		{sysctl: Sysctl{"net.core.netdev_max_backlog", "1000"}, errno: syscall.ENOENT, hostWide: true},
		{sysctl: Sysctl{"net.ipv4.tcp_tw_reuse", "17"}, errno: syscall.EINVAL},
		{sysctl: Sysctl{"net.ipv4.tcp_tw_reuse_delay", "0"}, errno: syscall.EINVAL},
		{sysctl: Sysctl{"net.ipv4.tcp_available_congestion_control", "reno"}, errno: syscall.EACCES},
		{sysctl: Sysctl{"net.ipv4.neigh.lo.base_reachable_time_ms", "30001"}, rounded: true},
	}
	for _, w := range append(everyone, asContained) {
		for _, tt := range tests {
			t.Run(string(w)+"/"+tt.sysctl.String(), func(t *testing.T) {
				// Only the first network namespace shows what is the whole host's.
				contained := w == asContained || !visible("net.ipv4.tcp_mem")
				hidden := contained && tt.errno == syscall.ENOENT
				if tt.sysctl.Key == "net.ipv4.tcp_tw_reuse_delay" && readTrimmed(procSys(tt.sysctl.Key)) == "" {
					t.Skipf("this kernel has no %s", tt.sysctl.Key)
				}
				d, _ := run(t, driver(t, w, "exit7", Spec{Sysctls: []Sysctl{tt.sysctl}}))
				if tt.rounded && d.Exit == 7 {
					t.Skip("a tick is one millisecond here: the kernel held the value")
				}
				if d.Sysctl == nil {
					t.Fatalf("exit %d, error %q, want a SysctlError", d.Exit, d.Err)
				}
				got := *d.Sysctl
				if got.Sysctl != tt.sysctl || got.HostWide != (tt.hostWide && !contained) || got.Hidden != hidden || (got.Held != "") != tt.rounded || d.Errno != tt.errno {
					t.Errorf("%+v with errno %v, want %+v", got, d.Errno, tt)
				}
				if !strings.Contains(d.Err, tt.sysctl.Key) {
					t.Errorf("error does not name the key: %s", d.Err)
				}
				if d.Status.Mode != string(Off) || d.Status.Reason != d.Err {
					t.Errorf("status %+v", d.Status)
				}
			})
		}
	}
}

func TestLoss(t *testing.T) {
	for _, w := range everyone {
		for _, topology := range []Topology{Lo, Veth} {
			t.Run(string(w)+"/"+string(topology), func(t *testing.T) {
				t.Parallel()
				d, lines := run(t, driver(t, w, "lose", Spec{Topology: topology, Loss: 0.04}))
				if d.Errno == syscall.EOPNOTSUPP || d.Errno == syscall.EPROTONOSUPPORT {
					t.Skip(d.Err)
				}
				if d.Err != "" || d.Exit != 0 {
					t.Fatalf("exit %d: %s", d.Exit, d.Err)
				}
				if d.Status.Loss != "4%" {
					t.Errorf("status says loss %q, want 4%%", d.Status.Loss)
				}
				var p packets
				if err := json.Unmarshal([]byte(strings.Join(lines, "")), &p); err != nil {
					t.Fatal(err)
				}
				// A connection takes five packets at least; of 500 none is lost with a chance of 1e-9, a fifth with less.
				if p.Arrived < 500 || p.Dropped == 0 || p.Dropped > p.Arrived/5 {
					t.Errorf("%+v, want about 4 %% of at least 500 dropped", p)
				}
			})
		}
	}
}

func TestBlackhole(t *testing.T) {
	for _, w := range everyone {
		t.Run(string(w), func(t *testing.T) {
			t.Parallel()
			d, lines := run(t, driver(t, w, "blackhole", Spec{Topology: Veth}))
			if d.Err != "" || d.Exit != 0 {
				t.Fatalf("exit %d: %s", d.Exit, d.Err)
			}
			want := []string{"FIN_WAIT_1 FIN_WAIT_1", "FIN_WAIT_1 CLOSING", "client 1", "server 1"}
			if diff := cmp.Diff(want, lines); diff != "" {
				t.Errorf("states and TIME_WAITs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCloseDestroysOrphans(t *testing.T) {
	for _, w := range everyone {
		for topology, want := range map[Topology][]string{Lo: {"200", "0"}, Veth: {"100 100", "0 0"}} {
			t.Run(string(w)+"/"+string(topology), func(t *testing.T) {
				d, lines := run(t, driver(t, w, "orphans", Spec{Topology: topology}))
				if d.Err != "" || d.Exit != 0 {
					t.Fatalf("exit %d: %s", d.Exit, d.Err)
				}
				if diff := cmp.Diff(want, lines); diff != "" {
					t.Errorf("orphans before and after Close (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestProgramThatDoesNotEnter(t *testing.T) {
	d, _ := run(t, driver(t, asUser, "desert", Spec{}))
	if !d.Refused || d.Step != StepStart || !strings.Contains(d.Err, "exit status 3") {
		t.Errorf("exit %d, step %q, error %q; want step %q and the exit status", d.Exit, d.Step, d.Err, StepStart)
	}
}

func TestRunRefusesBadSpecs(t *testing.T) {
	for _, spec := range []Spec{
		{Topology: "ring"},
		{Mode: "god"},
		{Loss: 1.5},
		{Loss: -1},
		{Sysctls: []Sysctl{{"kernel.hostname", "x"}}},
		{Sources: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8")}},
	} {
		_, status, err := Run(t.Context(), spec)
		var e *Error
		if !errors.As(err, &e) || e.Step != StepSpec || status.Mode != string(Off) {
			t.Errorf("%+v: %v, status %+v", spec, err, status)
		}
	}
}

func TestRunCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := Run(ctx, Spec{Mode: User})
	if !errors.Is(err, context.Canceled) && errnoOf(err) == 0 {
		t.Errorf("%v, want context.Canceled", err)
	}
}

func TestEnterOutside(t *testing.T) {
	if Inside() {
		t.Fatal("inside")
	}
	_, err := Enter()
	var e *Error
	if !errors.As(err, &e) || e.Step != StepStart {
		t.Errorf("%v", err)
	}
}

// session is a driver that is under way.
type session struct {
	t      *testing.T
	cmd    *exec.Cmd
	out    *bufio.Reader
	stderr bytes.Buffer
	// gone ends when nobody holds the other end of a pipe that driver and inside inherit.
	gone *os.File
}

func startSession(t *testing.T, cmd *exec.Cmd) *session {
	t.Helper()
	s := &session{t: t, cmd: cmd}
	gone, held, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = gone.Close() })
	s.gone = gone
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stdin.Close() })
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.out = bufio.NewReader(stdout)
	cmd.Stderr = &s.stderr
	cmd.ExtraFiles = []*os.File{held}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = held.Close()
	return s
}

// expect reads the next line.
func (s *session) expect(want string) {
	s.t.Helper()
	line, err := s.out.ReadString('\n')
	if strings.HasPrefix(line, "{") && want != "" {
		rest, _ := io.ReadAll(s.out)
		_ = s.cmd.Wait()
		parseDriven(s.t, line+string(rest), s.stderr.String(), s.cmd) // skips, if that is why
	}
	if err != nil || line != want+"\n" {
		s.t.Fatalf("got %q (%v), want %q", line, err, want)
	}
}

func (s *session) awaitGone() {
	s.t.Helper()
	if err := s.gone.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		s.t.Fatal(err)
	}
	if n, err := s.gone.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		s.t.Fatalf("read %d (%v) from the pipe that the processes hold, want EOF: something still lives", n, err)
	}
}

func TestKilledParentTakesTheChildAlong(t *testing.T) {
	for _, w := range everyone {
		for _, topology := range []Topology{Lo, Veth} {
			t.Run(string(w)+"/"+string(topology), func(t *testing.T) {
				s := startSession(t, driver(t, w, "wait", Spec{Topology: topology}))
				s.expect("ready")
				if err := s.cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				_ = s.cmd.Wait() // signal: killed
				s.awaitGone()
			})
		}
	}
}

// A kill at any moment of the setup leaves nothing either.
func TestKilledDuringSetup(t *testing.T) {
	for _, w := range everyone {
		t.Run(string(w), func(t *testing.T) {
			for delay := time.Duration(0); delay <= 20*time.Millisecond; delay += time.Millisecond {
				s := startSession(t, driver(t, w, "wait", Spec{Topology: Veth}))
				<-time.After(delay)
				if err := s.cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				_ = s.cmd.Wait() // signal: killed
				s.awaitGone()
			}
		})
	}
}

// An interrupt at any moment ends both, and never looks like a refusal.
func TestInterruptedDuringSetup(t *testing.T) {
	for delay := time.Duration(0); delay <= 30*time.Millisecond; delay += time.Millisecond {
		s := startSession(t, driver(t, asUser, "wait", Spec{Topology: Veth}))
		<-time.After(delay)
		if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		out, err := io.ReadAll(s.out)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.cmd.Wait() // the status is looked at below
		s.awaitGone()
		status := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
		if status.Signaled() && status.Signal() == syscall.SIGINT {
			continue // before Run
		}
		d, _ := parseDriven(t, strings.TrimPrefix(string(out), "ready\n"), s.stderr.String(), s.cmd)
		if d.Exit != 128+int(syscall.SIGINT) || d.Err != "" {
			t.Errorf("after %v: exit %d, error %q; want 130 and none", delay, d.Exit, d.Err)
		}
	}
}

// Whatever ends a program ends a child that does not take care of signals yet, without a trace of its goroutines.
func TestInterruptedBeforeReport(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGXCPU, syscall.SIGHUP} {
		if sig == syscall.SIGHUP && signal.Ignored(sig) {
			continue // nohup: it ends nothing
		}
		t.Run(unix.SignalName(sig), func(t *testing.T) {
			d, _ := run(t, driver(t, asUser, "wait", Spec{}, envSignal+"="+strconv.Itoa(int(sig))))
			if d.Exit != 128+int(sig) || d.Err != "" {
				t.Errorf("exit %d, error %q; want %d and none", d.Exit, d.Err, 128+int(sig))
			}
		})
	}
}

// A signal that comes when the child has reported, and may take care of it already, arrives as itself, though the parent
// has not read the report.
func TestSignalAfterReport(t *testing.T) {
	written, err := json.Marshal(report{Status: record.Sandbox{Mode: string(User)}})
	if err != nil {
		t.Fatal(err)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT) // a child that inherits it ignored would not end by it
	defer signal.Stop(signals)
	for range 20 { // which of two that are ready select takes is up to chance
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(written); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "sleep", "60")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		c := &child{cmd: cmd, reports: r, ended: make(chan struct{})}
		signals <- syscall.SIGINT
		status, err := c.awaitReport(t.Context(), signals)
		if err != nil || status.Mode != string(User) {
			t.Errorf("%v, status %+v", err, status)
		}
		for len(signals) > 0 { // as Run does
			c.forward(<-signals)
		}
		_ = cmd.Wait() // by a signal
		if got := cmd.ProcessState.Sys().(syscall.WaitStatus).Signal(); got != syscall.SIGINT {
			t.Fatalf("the child got %v, want %v", got, syscall.SIGINT)
		}
		_ = r.Close()
		_ = w.Close()
	}
}

func TestSignalsArriveOnce(t *testing.T) {
	for _, w := range everyone {
		t.Run(string(w), func(t *testing.T) {
			s := startSession(t, driver(t, w, "signals", Spec{}))
			s.expect("ready")
			for sig, name := range map[syscall.Signal]string{syscall.SIGINT: "interrupt", syscall.SIGTERM: "terminated"} {
				if err := s.cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
				s.expect(name)
			}
			rest, err := io.ReadAll(s.out)
			if err != nil {
				t.Fatal(err)
			}
			_ = s.cmd.Wait() // the exit code is compared below
			d, more := parseDriven(t, string(rest), s.stderr.String(), s.cmd)
			if d.Exit != 42 || len(more) != 0 {
				t.Errorf("exit %d, more output %q; want 42 and none", d.Exit, more)
			}
			s.awaitGone()
		})
	}
}

// The terminal's signals go to the foreground process group, which the inside is not in.
func TestInsideHasItsOwnProcessGroup(t *testing.T) {
	cmd := driver(t, asUser, "signals", Spec{})
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	s := startSession(t, cmd)
	s.expect("ready")
	// As Ctrl-C does.
	if err := syscall.Kill(-s.cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	s.expect("interrupt")
	if err := syscall.Kill(-s.cmd.Process.Pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.expect("terminated") // and not a second interrupt
	_, _ = io.Copy(io.Discard, s.out)
	_ = s.cmd.Wait() // exit status 42
	s.awaitGone()
}
