package bench

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/loadgen"
	"lastack/sockstate"
)

// Servers that a trial may have in place of the embedded one, in its namespace.
const (
	serverDies  = "dies"  // accepts for a while, then is gone
	serverHangs = "hangs" // accepts and never answers
	serverStops = "stops" // answers for a while
	serverFull  = "full"  // answers 503 to all
	serverGone  = "gone"  // was never there
)

const targetPort = 7999

// startTarget starts such a server. It ends with the process.
func startTarget(kind string) error {
	if kind == serverGone {
		return nil
	}
	l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", targetPort))
	if err != nil {
		return err
	}
	stops := make(chan struct{})
	// answered has what happens after a while happen then, counted from the first answer on: a busy machine takes its time to begin.
	answered := sync.OnceFunc(func() {
		time.AfterFunc(300*time.Millisecond, func() {
			switch kind {
			case serverDies:
				_ = l.Close()
			case serverStops:
				close(stops)
			}
		})
	})
	end := endsBy(kind)
	go func() {
		var kept []net.Conn // as long as the process
		for {
			c, err := l.Accept()
			if err != nil {
				runtime.KeepAlive(kept)
				return
			}
			kept = append(kept, c)
			switch {
			case kind == serverHangs:
				continue
			case end != nil:
				go end(c.(*net.TCPConn))
				continue
			}
			go func() {
				defer c.Close()
				b := make([]byte, 4096)
				if n, err := c.Read(b); err != nil || n == 0 {
					return
				}
				select {
				case <-stops:
					select {}
				default:
				}
				if kind == serverFull {
					_, _ = c.Write([]byte("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
				} else {
					_, _ = c.Write([]byte("y"))
				}
				answered()
			}()
		}
	}()
	return nil
}

// controlGroup makes a group of a controller, of version 1, with values in its files; the test is skipped where that
// cannot be done.
func controlGroup(t *testing.T, controller string, values map[string]string) string {
	t.Helper()
	dir := filepath.Join("/sys/fs/cgroup", controller, fmt.Sprintf("lastack-test-%d-%d", os.Getpid(), time.Now().UnixNano()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skipf("no control group can be made here: %v", err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	for name, v := range values {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(v), 0); err != nil {
			t.Skipf("no limit can be set in a control group here: %v", err)
		}
	}
	return filepath.Join(dir, "cgroup.procs")
}

// provoked is a limit that a trial runs into.
type provoked struct {
	name string
	mode string // user unless set
	// trial makes it; followed is the same when the advice has been followed, nil where there is none to follow.
	trial, followed func(t *testing.T) trial
	limit           string
	valid           bool
	why             []string // in the reasons
	advice          []string // in the advice
	// refused is what an experiment is refused for, in place of a verdict; errors have it.
	refused string
	// yields is set where full CPUs, which others on this machine may fill, are named first.
	yields bool
	beside company
}

// company is which loads may run at the same time.
type company int

const (
	anyLoad company = iota
	// calmLoads is for what is a matter of time and leaves the CPUs idle.
	calmLoads
	// noLoad is for what would be limited by something else without the CPUs.
	noLoad
)

// TestLimits runs into each limit for real, and wants its name, its reason and advice that helps.
func TestLimits(t *testing.T) {
	if testing.Short() {
		t.Skip("each load lasts a second or two")
	}
	veth := func(pairs ...string) func(t *testing.T) sandbox.Spec {
		return func(t *testing.T) sandbox.Spec {
			return sandbox.Spec{Topology: sandbox.Veth, Sysctls: sysctls(t, pairs...)}
		}
	}
	lo := func(pairs ...string) func(t *testing.T) sandbox.Spec {
		return func(t *testing.T) sandbox.Spec { return sandbox.Spec{Sysctls: sysctls(t, pairs...)} }
	}
	// loads makes a trial of a plan that lasts d, or has n lifecycles.
	loads := func(spec func(*testing.T) sandbox.Spec, d time.Duration, n int64, closes, exch string, with ...func(*trial, *loadgen.Group)) func(*testing.T) trial {
		return func(t *testing.T) trial {
			tr := trial{Spec: spec(t), Plan: lasting(t, d, closes, "close", exch), Interval: 100 * time.Millisecond}
			tr.Plan.Count = n
			for _, w := range with {
				w(&tr, &tr.Plan.Groups[0])
			}
			return tr
		}
	}
	type (
		set = func(*trial, *loadgen.Group)
	)
	conns := func(n int) set { return func(_ *trial, g *loadgen.Group) { g.Connections = n } }
	rate := func(r float64) set {
		return func(_ *trial, g *loadgen.Group) { g.Connections, g.RateFrom, g.RateTo = 0, r, r }
	}
	hold := func(d time.Duration) set { return func(_ *trial, g *loadgen.Group) { g.Hold = d } }
	delay := func(d time.Duration) set { return func(tr *trial, _ *loadgen.Group) { tr.Delay = d } }
	backlog := func(n int) set { return func(tr *trial, _ *loadgen.Group) { tr.Backlog = n } }
	timeouts := func(d time.Duration) set {
		return func(_ *trial, g *loadgen.Group) { g.ConnectTimeout, g.RequestTimeout, g.CloseTimeout = d, d, d }
	}
	sources := func(n int) set {
		return func(_ *trial, g *loadgen.Group) {
			for i := range n {
				g.Sources = append(g.Sources, sourceOf(i))
			}
		}
	}
	onLo := func(n int) set {
		return func(_ *trial, g *loadgen.Group) {
			for i := range n {
				g.Sources = append(g.Sources, netip.AddrFrom4([4]byte{127, 1, 0, byte(i + 1)}))
			}
		}
	}
	ports := func(lo, hi uint16) set {
		return func(_ *trial, g *loadgen.Group) { g.SourcePorts = sockstate.PortRange{Lo: lo, Hi: hi} }
	}
	epoll := func(nofile uint64) set {
		return func(tr *trial, _ *loadgen.Group) { tr.Engine, tr.Nofile = "epoll", nofile }
	}
	target := func(kind string) set { return func(tr *trial, _ *loadgen.Group) { tr.Target = kind } }
	halted := func(tr *trial, _ *loadgen.Group) { tr.HaltAfter = 300 * time.Millisecond }
	busy := func(tr *trial, _ *loadgen.Group) { tr.Burners = 3 * runtime.NumCPU() }
	loss := func(l sandbox.Loss) set { return func(tr *trial, _ *loadgen.Group) { tr.Spec.Loss = l } }
	group := func(controller string, values map[string]string) func(*testing.T, trial) trial {
		return func(t *testing.T, tr trial) trial {
			tr.Cgroups = append(tr.Cgroups, controlGroup(t, controller, values))
			return tr
		}
	}
	in := func(g func(*testing.T, trial) trial, of func(*testing.T) trial) func(*testing.T) trial {
		return func(t *testing.T) trial { return g(t, of(t)) }
	}
	plateau := func(n int) set {
		return func(tr *trial, g *loadgen.Group) {
			g.Connections, g.Plateau, tr.Plan.Duration = n, 100*time.Millisecond, 0
		}
	}

	const narrow, noReuse = "net.ipv4.ip_local_port_range=40000 40099", "net.ipv4.tcp_tw_reuse=0"
	half := map[string]string{"cpu.cfs_period_us": "20000", "cpu.cfs_quota_us": "4000"}
	all := []provoked{
		{
			name:  "local ports in TIME_WAIT",
			trial: loads(veth(narrow, noReuse), 0, 400, "client:fin", "none"), followed: loads(veth(narrow, noReuse), 0, 400, "client:fin", "none", sources(8)),
			limit: record.LimitPorts, why: []string{"found no free local port (EADDRNOTAVAIL)", "100 ports"}, advice: []string{"--source with", "ip_local_port_range", "tcp_tw_reuse=1"},
		},
		{
			name:  "local ports of open connections",
			trial: loads(veth(narrow), 0, 300, "client:rst", "none", conns(150), hold(300*time.Millisecond)), followed: loads(veth(narrow), 0, 300, "client:rst", "none", conns(80), hold(300*time.Millisecond)),
			limit: record.LimitPorts, why: []string{"open connections held the ports"}, advice: []string{"fewer connections at once"},
		},
		{
			name: "search for a port", beside: noLoad,
			trial: loads(lo("net.ipv4.ip_local_port_range=40000 41999"), 2500*time.Millisecond, 0, "client:fin", "none", conns(30), hold(19*time.Millisecond)), followed: loads(lo("net.ipv4.ip_local_port_range=40000 41999"), time.Second, 0, "client:fin", "none", conns(30), hold(19*time.Millisecond), onLo(8)),
			limit: record.LimitPortSearch, valid: true, why: []string{"they are the ports of one parity, 1,000 of 2,000"}, advice: []string{"--source"}, yields: true,
		},
		{
			name:  "delay of reuse",
			trial: loads(lo(narrow, "net.ipv4.tcp_tw_reuse_delay=20000"), 0, 400, "client:fin", "none"), followed: loads(lo("net.ipv4.ip_local_port_range=1024 65535", "net.ipv4.tcp_tw_reuse_delay=20000"), 0, 400, "client:fin", "none"),
			limit: record.LimitPorts, why: []string{"20.0 s, after which connect may take it over (tcp_tw_reuse_delay)", "= 5.0 connections/s sustained"}, advice: []string{"more ports"},
		},
		{
			name:  "reserved ports",
			trial: loads(veth("net.ipv4.ip_local_port_range=40000 40499", "net.ipv4.ip_local_reserved_ports=40000-40449", noReuse), 0, 200, "client:fin", "none"), followed: loads(veth("net.ipv4.ip_local_port_range=40000 40499", noReuse), 0, 200, "client:fin", "none"),
			limit: record.LimitPorts, why: []string{": 50 ports for"}, advice: []string{"more ports"},
		},
		{
			name:  "source ports",
			trial: loads(veth(noReuse), 0, 200, "client:fin", "none", ports(40000, 40049)), followed: loads(veth(noReuse), 0, 200, "client:fin", "none", ports(40000, 40399)),
			limit: record.LimitPorts, why: []string{": 50 ports for"}, advice: []string{"--source"},
		},
		{
			name: "descriptors", yields: true,
			trial: loads(lo(), 500*time.Millisecond, 0, "client:rst", "none", rate(1000), hold(2*time.Second), epoll(400)), followed: loads(lo(), 500*time.Millisecond, 0, "client:rst", "none", rate(1000), hold(2*time.Second), epoll(4000)),
			limit: record.LimitFds, why: []string{"the 400 descriptors"}, advice: []string{"raise the limit (ulimit -n)"},
		},
		{
			name: "memory that may be locked", beside: noLoad, refused: "RLIMIT_MEMLOCK allows all processes of this user",
			trial: loads(lo(), 0, 0, "client:rst", "none", plateau(50_000_000)), followed: loads(lo(), 0, 0, "client:rst", "none", plateau(1000)),
			advice: []string{"raise it (ulimit -l", "ask for at most"},
		},
		{
			name: "memory of the host", mode: "root", refused: "MemAvailable",
			trial:  loads(lo(), 0, 0, "client:rst", "none", plateau(50_000_000)),
			advice: []string{"ask for at most"},
		},
		{
			name: "memory of the control group", mode: "root", refused: "memory.limit_in_bytes",
			trial:    in(group("memory", map[string]string{"memory.limit_in_bytes": "268435456"}), loads(lo(), 0, 0, "client:rst", "none", plateau(100_000))),
			followed: in(group("memory", map[string]string{"memory.limit_in_bytes": "268435456"}), loads(lo(), 0, 0, "client:rst", "none", plateau(5000))),
			advice:   []string{"ask for at most"},
		},
		{
			name: "CPU quota of the control group", beside: noLoad, mode: "root",
			trial: in(group("cpu", half), loads(lo(), time.Second, 0, "client:rst", "none")), followed: loads(lo(), time.Second, 0, "client:rst", "none"),
			limit: record.LimitCPUQuota, valid: true, why: []string{"0.2 CPUs, and in", "periods threads waited"}, advice: []string{"raise the quota"},
		},
		{
			name: "CPU quota, a schedule", beside: noLoad, mode: "root",
			trial: in(group("cpu", half), loads(lo(), 600*time.Millisecond, 0, "client:rst", "none", rate(20_000))), followed: loads(lo(), 600*time.Millisecond, 0, "client:rst", "none", rate(20)),
			limit: record.LimitCPUQuota, why: []string{"0.2 CPUs, and in"}, advice: []string{"raise the quota"},
		},
		{
			name: "threads", mode: "root", refused: "pids.max of the control group is 24",
			trial:    in(group("pids", map[string]string{"pids.max": "24"}), loads(lo(), 0, 100, "client:rst", "none", func(tr *trial, _ *loadgen.Group) { tr.Plan.Workers = 16 })),
			followed: in(group("pids", map[string]string{"pids.max": "70"}), loads(lo(), 0, 100, "client:rst", "none", func(tr *trial, _ *loadgen.Group) { tr.Plan.Workers = 16 })),
			advice:   []string{"raise it to"},
		},
		{
			name:  "TIME_WAIT buckets",
			trial: loads(lo("net.ipv4.tcp_max_tw_buckets=100"), 0, 1000, "client:fin", "none"), followed: loads(lo("net.ipv4.tcp_max_tw_buckets=10000"), 0, 1000, "client:fin", "none"),
			limit: record.LimitTWBuckets, valid: true, why: []string{"skipped TIME_WAIT: tcp_max_tw_buckets is 100"}, advice: []string{"raise net.ipv4.tcp_max_tw_buckets"},
		},
		{
			name: "accept queue", yields: true,
			trial: loads(lo(), 700*time.Millisecond, 0, "client:rst", "echo:1,1", conns(200), backlog(1), delay(5*time.Millisecond), timeouts(1200*time.Millisecond)), followed: loads(lo(), 500*time.Millisecond, 0, "client:rst", "echo:1,1", conns(200), backlog(4096), delay(5*time.Millisecond)),
			limit: record.LimitAcceptQueue, valid: true, why: []string{"the accept queue overflowed", "backlog 1 of each of 2 listeners"}, advice: []string{"a larger --backlog"},
		},
		{
			name: "somaxconn", yields: true,
			trial: loads(lo("net.core.somaxconn=1"), 700*time.Millisecond, 0, "client:rst", "echo:1,1", conns(200), backlog(4096), delay(5*time.Millisecond), timeouts(1200*time.Millisecond)), followed: loads(lo("net.core.somaxconn=4096"), 500*time.Millisecond, 0, "client:rst", "echo:1,1", conns(200), backlog(4096), delay(5*time.Millisecond)),
			limit: record.LimitAcceptQueue, valid: true, why: []string{"backlog 1 of each of 2 listeners"}, advice: []string{"net.core.somaxconn caps it"},
		},
		{
			name: "SYN backlog", yields: true, mode: "root",
			trial: loads(veth("net.ipv4.tcp_max_syn_backlog=8", "net.ipv4.tcp_syncookies=0"), time.Second, 0, "client:rst", "none", conns(60), loss(0.3), timeouts(1500*time.Millisecond)), followed: loads(veth("net.ipv4.tcp_max_syn_backlog=8192", "net.ipv4.tcp_syncookies=0"), time.Second, 0, "client:rst", "none", conns(60), loss(0.3), timeouts(1500*time.Millisecond)),
			limit: record.LimitSYNDrops, valid: true, why: []string{"SYN"}, advice: []string{"tcp_max_syn_backlog"},
		},
		{
			name:  "loss",
			trial: loads(veth(), 2*time.Second, 0, "client:rst", "none", conns(4), loss(0.05), timeouts(3*time.Second)), followed: loads(veth(), 500*time.Millisecond, 0, "client:rst", "none", conns(4)),
			limit: record.LimitNetwork, valid: true, why: []string{"--loss 5%", "retransmitted"}, advice: []string{"less --loss"}, yields: true,
		},
		{
			name: "slow server", beside: calmLoads,
			trial: loads(lo(), 800*time.Millisecond, 0, "client:rst", "echo:1,1", conns(4), delay(20*time.Millisecond)),
			limit: record.LimitConnections, valid: true, why: []string{"4 connections at once, each waiting for the other side", "more connections would give more"}, yields: true,
		},
		{
			name: "full server", trial: loads(lo(), 500*time.Millisecond, 0, "client:fin", "http:/", conns(4), target(serverFull)),
			limit: record.LimitServer, valid: false, why: []string{"lifecycles failed, most as http_status"},
		},
		{
			name: "dying server", trial: loads(lo(), 800*time.Millisecond, 0, "client:rst", "echo:1,1", conns(4), target(serverDies)),
			limit: record.LimitServer, valid: false, why: []string{"lifecycles failed, most as refused"},
		},
		{
			name: "no server", trial: loads(lo(), 0, 100, "client:rst", "echo:1,1", conns(4), target(serverGone)),
			limit: record.LimitServer, why: []string{"100 of 100 lifecycles failed, most as refused"},
		},
		{
			name: "hanging server", yields: true, trial: loads(lo(), 400*time.Millisecond, 0, "client:rst", "echo:1,1", conns(4), target(serverHangs), timeouts(200*time.Millisecond)),
			limit: record.LimitServer, why: []string{"most as request_timeout"},
		},
		{
			name: "stalled server", yields: true, trial: loads(lo(), 2*time.Second, 0, "server:fin", "echo:1,1", conns(4), target(serverStops), timeouts(1500*time.Millisecond)),
			limit: record.LimitServer, why: []string{"no lifecycle was completed for", "with connections in flight"}, advice: []string{"look at what the target did then"},
		},
		{
			name: "generator halted", beside: calmLoads,
			trial: loads(lo(), 1500*time.Millisecond, 0, "client:rst", "echo:1,1", rate(200), halted), followed: loads(lo(), 800*time.Millisecond, 0, "client:rst", "echo:1,1", rate(200)),
			limit: record.LimitHalted, why: []string{"the load stood still for"}, advice: []string{"run it again"},
		},
		{
			name: "width of a closed loop", beside: calmLoads,
			trial: loads(lo(), 600*time.Millisecond, 0, "client:rst", "none", conns(2), hold(50*time.Millisecond)),
			limit: record.LimitConnections, valid: true, why: []string{"2 connections at once"}, yields: true,
		},
		{
			name: "cap", beside: calmLoads,
			trial: loads(lo(), 800*time.Millisecond, 0, "client:rst", "none", rate(200), conns(2), hold(50*time.Millisecond)), followed: loads(lo(), 800*time.Millisecond, 0, "client:rst", "none", rate(200), conns(200), hold(50*time.Millisecond)),
			limit: record.LimitConnections, why: []string{"had to wait for a free slot", "the cap of --connections"}, advice: []string{"raise --connections above rate x lifecycle"},
		},
		{
			name: "rate met", beside: calmLoads, trial: loads(lo(), 800*time.Millisecond, 0, "client:rst", "none", rate(100)),
			limit: record.LimitTarget, valid: true, why: []string{"arrivals of the schedule were started"}, yields: true,
		},
		{
			name: "others on the machine", beside: noLoad, trial: loads(lo(), time.Second, 0, "client:rst", "none", busy),
			limit: record.LimitCPU, why: []string{"more with other processes than with this run"}, advice: []string{"run it again on a quiet machine"}, yields: true,
		},
		{
			name: "plateau", trial: loads(lo(), 0, 0, "client:rst", "none", plateau(200)),
			limit: record.LimitConnections, valid: true, why: []string{"200 connections were open at once, of 200 asked for"},
		},
	}
	runs := func(t *testing.T, beside company) {
		for _, tt := range all {
			if tt.beside != beside {
				continue
			}
			t.Run(strings.ReplaceAll(tt.name, " ", "-"), func(t *testing.T) {
				if beside != noLoad {
					t.Parallel()
				}
				tt.check(t)
			})
		}
	}
	runs(t, noLoad)
	t.Run("calm", func(t *testing.T) { runs(t, calmLoads) })
	runs(t, anyLoad)
}

func (tt provoked) check(t *testing.T) {
	t.Helper()
	if tt.mode == "" {
		tt.mode = "user"
	}
	if tt.refused != "" {
		err := refusalOf(t, tt.mode, tt.trial(t))
		mustSay(t, "the refusal", []string{err}, append(tt.advice, tt.refused)...)
		if tt.followed != nil {
			if got := refusalOf(t, tt.mode, tt.followed(t)); got != "" {
				t.Errorf("with the advice followed: %s", got)
			}
		}
		return
	}
	r := carryOut(t, tt.mode, tt.trial(t)).Run
	mustBeLimited(t, r, tt.limit, tt.valid, tt.yields)
	mustSay(t, "the reasons", r.Verdict.Reasons, tt.why...)
	mustSay(t, "the advice", r.Verdict.Advice, tt.advice...)
	if tt.followed == nil {
		return
	}
	r = carryOut(t, tt.mode, tt.followed(t)).Run
	if w := r.Verdict; w.LimitedBy == tt.limit && !othersTookTheCPUs(r) {
		t.Errorf("with the advice followed it is still limited by %s: %q", w.LimitedBy, w.Reasons)
	}
}

// othersTookTheCPUs reports whether a run was held up by other processes of this machine, or by other machines on its CPUs: by the times
// that were counted, not by the verdict that is tested.
func othersTookTheCPUs(r *record.Run) bool {
	const noisy = 0.1 // of the CPUs
	c := r.Pressure.CPU
	return c.SystemS-c.SoftirqS+c.UserS-c.GeneratorS-c.ServerS-c.ObserverS+c.StealS >= noisy*c.ElapsedS*float64(c.CPUs)
}

// heldUp reports whether a run's load did not run when it had something to do: others had the CPUs, or it stood still.
func heldUp(r *record.Run) bool { return othersTookTheCPUs(r) || r.Generator != nil }

// mustBeLimited checks what bound a run. The test ends here if something else did because the run stood still or, where full CPUs are named
// before the limit (yields), because others had the CPUs.
func mustBeLimited(t *testing.T, r *record.Run, limit string, valid, yields bool) {
	t.Helper()
	v := r.Verdict
	switch {
	case v.LimitedBy == limit && v.Valid == valid:
	case limit != record.LimitHalted && r.Generator != nil, yields && othersTookTheCPUs(r):
		t.Skipf("others kept the load from the CPUs: %q; %+v", v.Reasons, r.Pressure.CPU)
	default:
		t.Errorf("limited by %s, valid %v, want %s, %v: %q", v.LimitedBy, v.Valid, limit, valid, v.Reasons)
	}
}

// mustStartAll checks that all arrivals of an open loop's schedule were started. A run that was held up leaves out what is late at its end.
func mustStartAll(t *testing.T, r *record.Run) {
	t.Helper()
	c := r.Connections
	if c.Attempted > c.Scheduled || c.Attempted < c.Scheduled && !heldUp(r) {
		t.Errorf("%d arrivals were scheduled, %d started, %d had to wait for a slot; %+v", c.Scheduled, c.Attempted, c.Capped, r.Pressure.CPU)
	}
}

// refusalOf is why the experiment is refused, empty if it is not. The host's own facts are what it is held against.
func refusalOf(t *testing.T, mode string, tr trial) string {
	t.Helper()
	tr.CheckOnly = true
	return carryOut(t, mode, tr).CheckErr
}

// The limit of conntrack is the whole host's: a namespace cannot lower it, and the host's is not written.
func TestConntrackCannotBeProvoked(t *testing.T) {
	ns := carryOut(t, "user", trial{Plan: counted(t, 1, "client:rst", "close", "none"), ProbeConntrack: true}).Probed
	if !strings.Contains(ns, "permission denied") && !strings.Contains(ns, "no such file") && !strings.Contains(ns, "read-only") {
		t.Errorf("net.netfilter.nf_conntrack_max: %q: it can be set in a sandbox, so that TestLimits should provoke it", ns)
	}
}

// prepare does what a trial wants of its process, before it runs.
func (tr *trial) prepare() (end func(), err error) {
	end = func() {}
	if tr.HaltAfter > 0 {
		// Another process sends the signals: this one is halted with all its threads.
		cmd := exec.Command("sh", "-c", fmt.Sprintf("sleep %.3f; kill -STOP %d; sleep 0.8; kill -CONT %d", tr.HaltAfter.Seconds(), os.Getpid(), os.Getpid()))
		if err := cmd.Start(); err != nil {
			return end, err
		}
		end = func() { _ = cmd.Wait() }
	}
	if tr.Burners > 0 {
		var all []*exec.Cmd
		for range tr.Burners {
			cmd := exec.Command("timeout", "30", "sh", "-c", "while :; do :; done")
			if err := cmd.Start(); err != nil {
				return end, err
			}
			all = append(all, cmd)
		}
		end = func() {
			for _, cmd := range all {
				_ = cmd.Process.Signal(unix.SIGTERM) // timeout passes it on
				_ = cmd.Wait()
			}
		}
	}
	return end, nil
}

// enterCgroups moves this process.
func (tr *trial) enterCgroups() error {
	for _, procs := range tr.Cgroups {
		if err := os.WriteFile(procs, []byte(strconv.Itoa(os.Getpid())), 0); err != nil {
			return err
		}
	}
	return nil
}

func (tr *trial) probeConntrack() string {
	f, err := os.OpenFile("/proc/sys/net/netfilter/nf_conntrack_max", os.O_WRONLY, 0)
	if err != nil {
		return err.Error()
	}
	return errors.Join(errors.New("opened"), f.Close()).Error()
}
