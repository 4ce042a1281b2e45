package observe

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/netns"
	"lastack/sockstate/sockio"
	"lastack/sockstate/socktest"
	"lastack/sockstate/trace"
)

func newObserver(t testing.TB, cfg Config) *Observer {
	t.Helper()
	o, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o
}

// until samples until ok, within some seconds.
func until(t testing.TB, o *Observer, ok func(*Sample) bool) *Sample {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		var s Sample
		if err := o.Sample(&s); err != nil {
			t.Fatal(err)
		}
		if ok(&s) {
			return &s
		}
		if time.Now().After(deadline) {
			t.Fatalf("gave up waiting at %+v", s)
		}
		time.Sleep(time.Millisecond)
	}
}

// How many connections of each kind makeStates makes; no two alike, so that nothing can be
// taken for another.
const (
	nEstablished = 1 + iota
	nQueued
	nHalfClosed // full FIN_WAIT_2 and CLOSE_WAIT
	nOrphaned   // FIN_WAIT_2 minisocket and CLOSE_WAIT
	nClientTimeWait
	nServerTimeWait
	nQueuedClosed // not accepted, CLOSE_WAIT, and FIN_WAIT_2 minisocket
	nDeferred     // SYN_RECV and ESTABLISHED
	nFinWait1     // FIN_WAIT_1 behind data that the other end does not read, ESTABLISHED
	nLastAck      // LAST_ACK behind such data, full FIN_WAIT_2
	nClosing      // CLOSING behind such data, full FIN_WAIT_2
	nSynSent
)

var cmpAddr = cmp.Options{
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
}

// fill writes until nothing more goes in: a FIN behind it waits too.
func fill(t *testing.T, cs []*net.TCPConn) {
	t.Helper()
	full := make([]byte, 1<<20)
	for _, c := range cs {
		if err := c.SetWriteDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(full); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("a megabyte was written, %v", err)
		}
	}
}

// unanswered makes connects to a listener that takes no packet.
func unanswered(t *testing.T, deaf *socktest.Target, n int) {
	t.Helper()
	raw, err := deaf.Listener.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	drop := unix.SockFilter{Code: unix.BPF_RET} // 0 bytes of it
	if cerr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop})
	}); cerr != nil || err != nil {
		t.Fatal(cerr, err)
	}
	to, family := unix.Sockaddr(&unix.SockaddrInet4{Port: int(deaf.Addr.Port()), Addr: [4]byte{127, 0, 0, 1}}), unix.AF_INET
	if deaf.Addr.Addr().Is6() {
		to, family = &unix.SockaddrInet6{Port: int(deaf.Addr.Port()), Addr: deaf.Addr.Addr().As16()}, unix.AF_INET6
	}
	err = deaf.Namespace.Do(func() error {
		for range n {
			fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			t.Cleanup(func() { _ = unix.Close(fd) })
			if err := unix.Connect(fd, to); err != unix.EINPROGRESS {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// makeStates makes connections in each state that can be held on loopback without loss,
// and returns the census that they should give, but for the time left.
func makeStates(t *testing.T, tg, deferred, deaf *socktest.Target) sockstate.Census {
	t.Helper()
	tg.Pairs(nEstablished)
	c, _ := tg.Pairs(nHalfClosed)
	for _, c := range c {
		_ = c.CloseWrite()
	}
	c, _ = tg.Pairs(nOrphaned)
	socktest.CloseAll(c)
	c, s := tg.Pairs(nClientTimeWait)
	socktest.CloseAll(c)
	socktest.CloseAll(s)
	c, s = tg.Pairs(nServerTimeWait)
	socktest.CloseAll(s)
	socktest.CloseAll(c)
	c, _ = tg.Pairs(nFinWait1)
	fill(t, c)
	socktest.CloseAll(c)
	c, s = tg.Pairs(nLastAck)
	fill(t, s)
	for _, c := range c {
		_ = c.CloseWrite()
	}
	socktest.CloseAll(s)
	c, s = tg.Pairs(nClosing)
	fill(t, s)
	for i := range s {
		_ = s[i].CloseWrite()
		_ = c[i].CloseWrite()
	}
	unanswered(t, deaf, nSynSent)
	deferred.Dial(nDeferred)
	tg.Dial(nQueued) // from now on the next to accept is one of these
	socktest.CloseAll(tg.Dial(nQueuedClosed))

	var want sockstate.Census
	want.Count[sockstate.Client] = states{
		sockstate.Established: nEstablished + nQueued + nDeferred,
		sockstate.FinWait2:    nHalfClosed + nOrphaned + nQueuedClosed + nLastAck + nClosing,
		sockstate.TimeWait:    nClientTimeWait,
		sockstate.FinWait1:    nFinWait1,
		sockstate.SynSent:     nSynSent,
	}.array()
	want.Count[sockstate.Server] = states{
		sockstate.Established: nEstablished + nQueued + nFinWait1,
		sockstate.LastAck:     nLastAck,
		sockstate.Closing:     nClosing,
		sockstate.CloseWait:   nHalfClosed + nOrphaned + nQueuedClosed,
		sockstate.TimeWait:    nServerTimeWait,
		sockstate.SynRecv:     nDeferred,
		sockstate.Listen:      3,
	}.array()
	want.FinWait2Mini[sockstate.Client] = nOrphaned + nQueuedClosed
	want.Orphans[sockstate.Client], want.Orphans[sockstate.Server] = nFinWait1, nLastAck
	want.NotAccepted = nQueued + nQueuedClosed
	want.AcceptQueue = nQueued + nQueuedClosed
	want.Ports = map[sockstate.Pair]*sockstate.PortUse{
		{Source: tg.Addr.Addr(), Destination: tg.Addr}:       {Open: nEstablished + nQueued + nHalfClosed + nOrphaned + nQueuedClosed + nFinWait1 + nLastAck + nClosing, TimeWait: nClientTimeWait},
		{Source: tg.Addr.Addr(), Destination: deferred.Addr}: {Open: nDeferred},
		{Source: tg.Addr.Addr(), Destination: deaf.Addr}:     {Open: nSynSent},
	}
	return want
}

// timeLeft takes what time changes out of a census, having looked at the time left.
func timeLeft(t *testing.T, c sockstate.Census) sockstate.Census {
	t.Helper()
	ports := make(map[sockstate.Pair]*sockstate.PortUse)
	for p, u := range c.Ports {
		ports[p] = &sockstate.PortUse{Open: u.Open, TimeWait: u.TimeWait}
	}
	c.Ports = ports
	if l := c.LongestLeft; l <= 0 || l > sockstate.TimeWaitLength {
		t.Errorf("time left %v", l)
	}
	for side, ages := range c.Ages {
		n := 0
		for _, k := range ages {
			n += k
		}
		if n != c.Count[side][sockstate.TimeWait] || ages[len(ages)-1] > 0 {
			t.Errorf("%v: ages %v of %d", sockstate.Side(side), ages, c.Count[side][sockstate.TimeWait])
		}
	}
	c.LongestLeft = 0
	c.Ages = [sockstate.NumSides][sockstate.NumAges]int{}
	return c
}

// All sources see exactly what was made, and nothing of another load in the same namespace.
func TestCensus(t *testing.T) {
	// Small buffers, which are full soon.
	ns := socktest.NewNamespace(t, "net.ipv4.tcp_rmem=4096 4096 4096", "net.ipv4.tcp_wmem=4096 4096 4096")
	for _, tt := range []struct{ name, addr string }{
		{"v4", "127.0.0.1:0"}, {"v6", "[::1]:0"}, {"v4-mapped", ":0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tg, deferred, deaf := socktest.Listen(t, ns, tt.addr, false), socktest.Listen(t, ns, tt.addr, true), socktest.Listen(t, ns, tt.addr, false)
			f := sockstate.Filter{Servers: []netip.AddrPort{tg.Addr, deferred.Addr, deaf.Addr}}
			socktest.Listen(t, ns, tt.addr, false).Pairs(3)
			want := makeStates(t, tg, deferred, deaf)
			want.Backlog = 3 * 4096 // net.core.somaxconn of a new namespace, which Go asks for
			load := want.Total(sockstate.Client) + want.Total(sockstate.Server) + 3
			var first *Sample
			for _, source := range []string{"diag", "proc", "bpf"} {
				t.Run(source, func(t *testing.T) {
					o := openCensus(t, Config{Namespaces: []*netns.NS{ns}, Filter: f, Census: source})
					// An orphan is a full socket for an instant after its state has become FIN_WAIT_2.
					s := until(t, o, func(s *Sample) bool {
						return s.Census.Count == want.Count && s.Census.FinWait2Mini == want.FinWait2Mini
					})
					want := want
					if source == "proc" {
						want.Backlog = 0
					}
					if diff := cmp.Diff(want, timeLeft(t, s.Census), cmpAddr); diff != "" {
						t.Errorf("-want +got\n%s", diff)
					}
					if source == "diag" && s.Seen != load || s.Seen < load || source != "diag" && s.Seen < load+7 {
						t.Errorf("%d sockets seen, the load's are %d, others 7", s.Seen, load)
					}
					if first == nil {
						first = s
						return
					}
					// They tell the same time, but for what passed between them, a step of 10 ms and a jiffy.
					a, b := first.Census.LongestLeft, s.Census.LongestLeft
					if late := a - b; late < -20*time.Millisecond || late > s.At.Sub(first.At)+s.Took+20*time.Millisecond {
						t.Errorf("%v left after %v, %v later", b, a, s.At.Sub(first.At))
					}
				})
			}
		})
	}
}

// openCensus is newObserver, but skips the test where a census by eBPF is refused, for a reason that it can prove.
func openCensus(t testing.TB, cfg Config) *Observer {
	t.Helper()
	o, err := New(cfg)
	denied := errors.Is(err, unix.EPERM) && (!socktest.Capable(t, unix.CAP_SYS_ADMIN) || !netns.InInitialUserNamespace())
	if e, ok := errors.AsType[*trace.Error](err); ok && (denied || e.Op == "btf") {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o
}

// A reused Sample holds nothing of the one before.
func TestSampleReuse(t *testing.T) {
	tg := socktest.Listen(t, socktest.NewNamespace(t), "127.0.0.1:0", false)
	o := newObserver(t, Config{Namespaces: []*netns.NS{tg.Namespace}, Filter: sockstate.Filter{Servers: []netip.AddrPort{tg.Addr}}})
	tg.Pairs(2)
	var s Sample
	for range 3 {
		if err := o.Sample(&s); err != nil {
			t.Fatal(err)
		}
		if n := s.Census.Total(sockstate.Client); n != 2 || s.Seen != 5 {
			t.Errorf("%d at the client, %d seen; want 2, 5", n, s.Seen)
		}
		if s.At.IsZero() || s.Took <= 0 || s.CPU <= 0 || s.CPU > s.Took+time.Second {
			t.Errorf("at %v, took %v, CPU %v", s.At, s.Took, s.CPU)
		}
	}
}

// Two namespaces: the census adds them up, of TIME_WAIT the fuller one's count is the gauge, the
// counters stay apart and are exact, and the process's own namespace is in none.
func TestNamespaces(t *testing.T) {
	a, b := socktest.NewNamespace(t), socktest.NewNamespace(t)
	const port = ":8080"
	ta, tb := socktest.Listen(t, a, "127.0.0.1"+port, false), socktest.Listen(t, b, "127.0.0.1"+port, false)
	fuller := int64(0) // how many of b's are in TIME_WAIT
	for _, census := range []string{"bpf", "diag", "proc"} {
		t.Run(census, func(t *testing.T) {
			o := openCensus(t, Config{Namespaces: []*netns.NS{a, b}, Filter: sockstate.Filter{Servers: []netip.AddrPort{ta.Addr}}, Census: census})
			if name, reason := o.Source(); name != census || reason != "asked for" {
				t.Errorf("source %s, %s", name, reason)
			}
			before := o.Counters()
			count := until(t, o, func(*Sample) bool { return true }).Census.Count[sockstate.Client][sockstate.TimeWait]

			ca, sa := ta.Pairs(3)
			cb, sb := tb.Pairs(5)
			socktest.Listen(t, nil, "127.0.0.1:0", false).Pairs(2)
			socktest.CloseAll(ca)
			socktest.CloseAll(sa)
			socktest.CloseAll(cb)
			socktest.CloseAll(sb)
			s := until(t, o, func(s *Sample) bool {
				return s.Census.Count[sockstate.Client][sockstate.TimeWait] == count+8
			})
			if n := s.Census.Count[sockstate.Server][sockstate.Listen]; n != 2 {
				t.Errorf("%d listeners, want 2", n)
			}
			fuller += 5
			if s.Gauges.TimeWait != fuller {
				t.Errorf("sockstat: %d in TIME_WAIT, want %d", s.Gauges.TimeWait, fuller)
			}
			after := o.Counters()
			for i, want := range []int64{3, 5} {
				got := after[i].Since(before[i])
				for _, name := range []string{"TcpActiveOpens", "TcpPassiveOpens", "TcpExtTW"} {
					if got[name] != want {
						t.Errorf("namespace %d: %s grew by %d, want %d", i, name, got[name], want)
					}
				}
			}
			if _, ok := after[0]["TcpCurrEstab"]; ok {
				t.Error("CurrEstab is among the counters, which it does not count")
			}
		})
	}
}

// What has a limit in each namespace is the fuller namespace's, whichever comes first.
func TestGaugesOfTheFullerNamespace(t *testing.T) {
	file := func(content string) *os.File {
		f, err := os.Create(t.TempDir() + "/file")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		if _, err := f.WriteString(content); err != nil {
			t.Fatal(err)
		}
		return f
	}
	namespaces := []*namespace{
		{sockstat: file("TCP: inuse 2 orphan 4 tw 900 alloc 5 mem 6\n"), conntrack: file("30\n")},
		{sockstat: file("TCP: inuse 2 orphan 4 tw 1000 alloc 5 mem 6\n"), conntrack: file("20\n")},
		{sockstat: file("UDP: inuse 2 mem 0\n")}, // neither of the two is known
	}
	for range 2 {
		g := Gauges{TimeWait: Unknown, Conntrack: Unknown}
		for _, n := range namespaces {
			n.gauges(&g)
		}
		if g.TimeWait != 1000 || g.Conntrack != 30 {
			t.Errorf("%d in TIME_WAIT, %d tracked; want 1000, 30", g.TimeWait, g.Conntrack)
		}
		slices.Reverse(namespaces)
	}
}

// What a file lacks is missing, not 0, and has not grown.
func TestUnread(t *testing.T) {
	file := func(name, content string) *os.File {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	const snmp, ext = "Ip: Forwarding\nIp: 1\nTcp: ActiveOpens\nTcp: 5\n", "TcpExt: TW TWKilled\nTcpExt: 70 8\n"
	for _, tt := range []struct {
		name          string
		snmp, netstat *os.File
		want          sockstate.Counters
		unread        []string
	}{
		{"all there", file("snmp", snmp), file("netstat", ext), sockstate.Counters{"TcpActiveOpens": 5, "TcpExtTW": 70, "TcpExtTWKilled": 8}, nil},
		{"names without values", file("snmp", snmp), file("netstat", ext+"IpExt: InNoRoutes\n"), sockstate.Counters{"TcpActiveOpens": 5, "TcpExtTW": 70, "TcpExtTWKilled": 8}, []string{"/proc/net/netstat: .*/netstat:3: names without values"}},
		{"values without names", file("snmp", snmp), file("netstat", "TcpExt: TW\nTcpExt: 70 8\n"), sockstate.Counters{"TcpActiveOpens": 5}, []string{"/proc/net/netstat: .*/netstat:2: group TcpExt has 1 names and 2 values"}},
		{"no number", file("snmp", snmp), file("netstat", "TcpExt: TW TWKilled\nTcpExt: 70 x\n"), sockstate.Counters{"TcpActiveOpens": 5}, []string{"/proc/net/netstat: .*/netstat:2: TcpExtTWKilled is \"x\", not a number"}},
		{"hidden", nil, file("netstat", ext), sockstate.Counters{"TcpExtTW": 70, "TcpExtTWKilled": 8}, []string{"/proc/net/snmp: permission denied"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := &namespace{snmp: tt.snmp, netstat: tt.netstat}
			if tt.snmp == nil {
				n.lacks(snmpFile, &fs.PathError{Op: "open", Path: "/proc/thread-self/net/snmp", Err: unix.EACCES})
			}
			o := &Observer{namespaces: []*namespace{n}}
			t.Cleanup(func() { _ = n.close() })
			for range 2 { // the reason is said once
				if d := cmp.Diff(tt.want, o.Counters()[0]); d != "" {
					t.Error(d)
				}
			}
			got := o.Unread()
			if len(got) != len(tt.unread) {
				t.Fatalf("unread %q, want %q", got, tt.unread)
			}
			for i := range got {
				if !regexp.MustCompile("^" + tt.unread[i] + "$").MatchString(got[i]) {
					t.Errorf("unread %q, want %q", got[i], tt.unread[i])
				}
			}
			// A file that could be read at one of the two times only tells of no growth.
			if d := (sockstate.Counters{"TcpExtTW": 70, "TcpActiveOpens": 6, "TcpOutRsts": 2}).Since(sockstate.Counters{"TcpActiveOpens": 5, "TcpOutRsts": 2}); !cmp.Equal(d, sockstate.Counters{"TcpActiveOpens": 1, "TcpOutRsts": 0}) {
				t.Errorf("growth %v, want that of TcpActiveOpens alone", d)
			}
		})
	}
}

func TestGauges(t *testing.T) {
	tg := socktest.Listen(t, socktest.NewNamespace(t), "[::1]:0", false)
	o := newObserver(t, Config{Namespaces: []*netns.NS{tg.Namespace}})
	g := until(t, o, func(*Sample) bool { return true }).Gauges
	before := g.Fds
	if g.TimeWait != 0 {
		t.Errorf("%d in TIME_WAIT, want 0", g.TimeWait)
	}
	if g.Files < before || g.RSSPeak < 1<<20 || g.Orphans < 0 || g.TCPMem < 0 {
		t.Errorf("files %d, peak %d bytes, %d orphans, %d bytes of TCP; want them known", g.Files, g.RSSPeak, g.Orphans, g.TCPMem)
	}
	if g.ServerFds != Unknown || g.ServerRSS != Unknown {
		t.Errorf("no server: %d fds, %d bytes; want Unknown", g.ServerFds, g.ServerRSS)
	}
	_, err := os.Stat("/proc/sys/net/netfilter/nf_conntrack_count")
	if known := g.Conntrack != Unknown; known != (err == nil) || known && g.Conntrack != 0 {
		t.Errorf("conntrack %d, and its sysctl: %v", g.Conntrack, err)
	}
	tg.Pairs(4)
	g = until(t, o, func(*Sample) bool { return true }).Gauges
	if g.Fds != before+8 {
		t.Errorf("%d fds, want %d", g.Fds, before+8)
	}
	if g.Conntrack > 0 {
		t.Errorf("%d conntrack entries in a namespace without rules, want 0", g.Conntrack)
	}
}

func TestNewErrors(t *testing.T) {
	_, err := New(Config{Census: "tcpdump"})
	if cerr, ok := errors.AsType[*censusError](err); !ok || cerr.Census != "tcpdump" || err.Error() != `census "tcpdump": want auto, bpf, diag or proc` {
		t.Errorf("unknown census: %v", err)
	}
	_, err = New(Config{Namespaces: []*netns.NS{nil, nil}})
	if _, ok := errors.AsType[*namespaceTwiceError](err); !ok {
		t.Errorf("a namespace twice: %v", err)
	}
	_, err = New(Config{ServerPID: 1 << 30})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such pid: %v, want %v", err, fs.ErrNotExist)
	}
	ns := socktest.NewNamespace(t)
	_ = ns.Close()
	_, err = New(Config{Namespaces: []*netns.NS{ns}})
	if _, ok := errors.AsType[*netns.Error](err); !ok {
		t.Errorf("a closed namespace: %v", err)
	}
}

// fakeSource is a source that counts how often it was closed.
type fakeSource struct {
	sockstate.Source
	closed *int
}

func (f fakeSource) Close() error { *f.closed++; return nil }

func TestChosenCensus(t *testing.T) {
	denied, broken := os.NewSyscallError("socket", unix.EPERM), errors.New("broken")
	missing := os.NewSyscallError("socket", unix.EPROTONOSUPPORT)
	tests := []struct {
		census string
		from   int64
		fails  [3]error // of bpf, diag and proc
		name   string
		reason string
		err    string
	}{
		{census: "", name: "bpf", reason: "bpf is best"},
		{census: "auto", fails: [3]error{denied}, name: "diag", reason: "eBPF is not allowed here: socket: operation not permitted"},
		{
			census: "auto", fails: [3]error{broken, missing}, name: "proc",
			reason: "eBPF does not work here: broken; sock_diag is not supported here: socket: protocol not supported",
		},
		{
			census: "auto", fails: [3]error{broken, broken, denied}, name: "off",
			reason: "eBPF does not work here: broken; sock_diag does not work here: broken; /proc/net/tcp is not allowed here: socket: operation not permitted",
		},
		{
			census: "auto", from: 9, name: "diag",
			reason: "eBPF is for 9",
		},
		{
			census: "auto", from: 9, fails: [3]error{1: missing}, name: "proc",
			reason: "eBPF is for 9; sock_diag is not supported here: socket: protocol not supported",
		},
		{census: "auto", from: 9, fails: [3]error{1: broken, 2: broken}, name: "bpf", reason: "sock_diag does not work here: broken; /proc/net/tcp does not work here: broken"},
		{
			census: "auto", from: 9, fails: [3]error{broken, broken, broken}, name: "off",
			reason: "eBPF does not work here: broken; sock_diag does not work here: broken; /proc/net/tcp does not work here: broken",
		},
		{census: "auto", from: 8, name: "bpf", reason: "bpf is best"},
		{census: "bpf", from: 9, name: "bpf", reason: "asked for"},
		{census: "diag", name: "diag", reason: "asked for"},
		{census: "diag", fails: [3]error{1: broken}, err: "census diag does not work here (auto chooses another): broken"},
		{census: "proc", name: "proc", reason: "asked for"},
		{census: "bpf", fails: [3]error{broken}, err: "census bpf does not work here (auto chooses another): broken"},
		{census: "tcpdump", err: `census "tcpdump": want auto, bpf, diag or proc`},
	}
	for _, tt := range tests {
		t.Run(tt.census+"/"+tt.name, func(t *testing.T) {
			// The first namespace works, the second does not: what was opened must be closed.
			opened, closed := 0, 0
			open := func(fail error) func(*Config) ([]sockstate.Source, error) {
				n := 0
				return inEach(func(*netns.NS) (sockstate.Source, error) {
					if n++; n == 2 && fail != nil {
						return nil, fail
					}
					opened++
					return fakeSource{closed: &closed}, nil
				})
			}
			sources := Sources()
			for i := range sources {
				sources[i].Open = open(tt.fails[i])
			}
			sources[0].Why, sources[0].From, sources[0].Before = "bpf is best", tt.from, "is for 9"
			o := &Observer{}
			name, reason, err := census(tt.census, 8, sources, func(s Source) (err error) {
				o.sources, err = s.Open(&Config{Namespaces: []*netns.NS{nil, nil}})
				return err
			})
			if name != tt.name || reason != tt.reason {
				t.Errorf("source %q, %q; want %q, %q", name, reason, tt.name, tt.reason)
			}
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || err.Error() != tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			if _, ok := errors.AsType[*censusError](err); err != nil && !ok {
				t.Errorf("error %v, want a *censusError", err)
			}
			if opened-closed != len(o.sources) {
				t.Errorf("%d opened, %d closed, %d in use", opened, closed, len(o.sources))
			}
		})
	}
}

type fakeTracer struct {
	fail             error
	servers          []netip.AddrPort
	started, stopped int
}

func (*fakeTracer) Name() string { return "bpf" }

func (f *fakeTracer) Start(filter *sockstate.Filter, _ []*netns.NS) error {
	if f.fail != nil {
		return f.fail
	}
	f.started++
	f.servers = filter.Servers
	return nil
}

func (f *fakeTracer) Stop() (*trace.Result, error) {
	f.stopped++
	return &trace.Result{}, nil
}

func TestTracer(t *testing.T) {
	servers := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:80")}
	ask := func(tr Tracer) *Observer {
		o := newObserver(t, Config{Filter: sockstate.Filter{Servers: servers}})
		if tr != nil {
			if err := o.StartTrace(tr, nil, false); err != nil {
				t.Error(err)
			}
		}
		return o
	}
	if name, reason := ask(nil).Trace(); name != Off || reason == "" {
		t.Errorf("without a tracer: %q, %q", name, reason)
	}
	if name, reason := ask(&fakeTracer{fail: unix.EPERM}).Trace(); name != Off || reason != "the trace by bpf is not allowed here: operation not permitted" {
		t.Errorf("denied: %q, %q", name, reason)
	}
	if err := ask(nil).StartTrace(&fakeTracer{fail: unix.EPERM}, nil, true); !errors.Is(err, unix.EPERM) {
		t.Errorf("denied, but needed: %v", err)
	}
	f := &fakeTracer{}
	o := ask(f)
	if name, reason := o.Trace(); name != "bpf" || reason != "" || f.started != 1 {
		t.Errorf("%q, %q, started %d times", name, reason, f.started)
	}
	if diff := cmp.Diff(servers, f.servers, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Errorf("the servers (-want +got):\n%s", diff)
	}
	if got, err := o.StopTrace(); got == nil || err != nil {
		t.Errorf("StopTrace: %v, %v", got, err)
	}
	if got, err := o.StopTrace(); got != nil || err != nil {
		t.Errorf("StopTrace again: %v, %v", got, err)
	}
	if err := o.Close(); err != nil || f.stopped != 1 {
		t.Errorf("stopped %d times, %v", f.stopped, err)
	}
}

// A worker that burns CPU time on its thread, and reads its own clock.
func TestThreadCPU(t *testing.T) {
	o := newObserver(t, Config{})
	type step struct {
		tid  int
		used time.Duration
	}
	steps, next := make(chan step), make(chan struct{})
	work := func() {
		for range 2 {
			start := sockio.ThreadCPU()
			for sockio.ThreadCPU()-start < int64(30*time.Millisecond) {
			}
			steps <- step{unix.Gettid(), time.Duration(sockio.ThreadCPU())}
			<-next
		}
	}
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		if unix.Gettid() != os.Getpid() {
			work()
			return
		}
		// Except the first thread, which must be kept from being the second one's too.
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread()
			work()
		}()
		<-done
	}()
	first := <-steps
	threads := Threads{Generator: []int{first.tid}}
	a, err := o.CPU(threads)
	if err != nil {
		t.Fatal(err)
	}
	next <- struct{}{}
	second := <-steps
	b, err := o.CPU(threads)
	if err != nil {
		t.Fatal(err)
	}
	// The kernel charges a thread that runs at each tick; this one may not have gone to sleep yet.
	const tick = 10 * time.Millisecond
	if got := b.Generator[0]; got < second.used-tick {
		t.Errorf("%v on the CPU, the thread itself says %v", got, second.used)
	}
	u := b.Since(&a)
	if u.Generator < 30*time.Millisecond-tick-(a.Generator[0]-first.used) || u.GeneratorBusiest <= 0 || u.Rest < 0 {
		t.Errorf("%+v", u)
	}
	if b.Process < b.Generator[0]/2 || u.Elapsed <= 0 || b.Idle+b.User+b.System == 0 || u.Server != Unknown {
		t.Errorf("%+v: %+v", b, u)
	}
	close(next)

	// Once the thread has ended, what was last read stays.
	deadline := time.Now().Add(20 * time.Second)
	for unix.Tgkill(os.Getpid(), first.tid, 0) == nil && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	c, err := o.CPU(threads)
	if err != nil {
		t.Fatal(err)
	}
	if c.Generator[0] < b.Generator[0] {
		t.Errorf("%v after the end, %v before", c.Generator[0], b.Generator[0])
	}
	if _, err := newObserver(t, Config{}).CPU(threads); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a thread that was never read: %v, want %v", err, fs.ErrNotExist)
	}
}

// A server of two processes, the second of which is not its own.
func TestServerProcess(t *testing.T) {
	cmd := exec.Command("sh", "-c", "sleep 600 & echo ready; wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	t.Cleanup(func() {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	if _, err := out.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	o := newObserver(t, Config{ServerPID: pid})
	_, err = os.Stat("/proc/thread-self/children")
	if pids := tree(pid); pids[0] != pid || len(pids) != 2 && err == nil {
		t.Errorf("processes %v, want %d and its child", pids, pid)
	}
	g := until(t, o, func(*Sample) bool { return true }).Gauges
	if g.ServerFds < 6 || g.ServerRSS <= 0 {
		t.Errorf("%d fds, %d bytes; want at least 3 of each process", g.ServerFds, g.ServerRSS)
	}
	a, err := o.CPU(Threads{})
	if err != nil || a.ServerPID == Unknown {
		t.Errorf("CPU time %v, error %v; want it known", a.ServerPID, err)
	}
	if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	b, err := o.CPU(Threads{})
	if err != nil || b.ServerPID != Unknown || b.Since(&a).Server != Unknown {
		t.Errorf("once it is gone: %v, error %v; want Unknown", b.ServerPID, err)
	}
	g = until(t, o, func(*Sample) bool { return true }).Gauges
	if g.ServerFds != Unknown || g.ServerRSS != Unknown {
		t.Errorf("once it is gone: %d fds, %d bytes; want Unknown", g.ServerFds, g.ServerRSS)
	}
}

func TestPSI(t *testing.T) {
	p := newObserver(t, Config{}).PSI()
	_, err := os.ReadFile("/proc/pressure/cpu")
	if (p != nil) != (err == nil) {
		t.Errorf("%v, and the file: %v", p, err)
	}
	if p != nil && (p.CPU <= 0 || p.Memory < 0 || p.IO < 0) {
		t.Errorf("%+v", p)
	}
}

func TestSlabs(t *testing.T) {
	o := newObserver(t, Config{})
	all := o.allSlabs()
	// The page of one TCP socket at the least; and nobody else's cache shrinks by half meanwhile.
	if slabs := o.Slabs(); slabs < int64(os.Getpagesize()) || slabs/2 > all {
		t.Errorf("%d bytes, %d in all caches", slabs, all)
	}
}

// BenchmarkSample takes a census of 20,000 sockets: 8,000 connections, and TIME_WAIT.
func BenchmarkSample(b *testing.B) {
	ns := socktest.NewNamespace(b)
	err := ns.Do(func() error { return os.WriteFile("/proc/sys/net/ipv4/tcp_tw_reuse", []byte("0"), 0) })
	if err != nil {
		b.Fatal(err)
	}
	tg := socktest.Listen(b, ns, "127.0.0.1:0", false)
	server := make(chan *net.TCPConn, 100)
	go func() {
		defer close(server)
		for {
			c, err := tg.Listener.AcceptTCP()
			if err != nil {
				return
			}
			server <- c
		}
	}()
	accepted := func(n int) (cs []*net.TCPConn) {
		for range n {
			cs = append(cs, <-server)
		}
		b.Cleanup(func() { socktest.CloseAll(cs) })
		return cs
	}
	const batch = 100
	for range 4000 / batch {
		c := tg.Dial(batch)
		s := accepted(batch)
		socktest.CloseAll(c)
		socktest.CloseAll(s)
	}
	for range 8000 / batch {
		tg.Dial(batch)
		accepted(batch)
	}
	f := sockstate.Filter{Servers: []netip.AddrPort{tg.Addr}}
	for _, census := range []string{"bpf", "diag", "proc"} {
		b.Run(census, func(b *testing.B) {
			o := openCensus(b, Config{Namespaces: []*netns.NS{tg.Namespace}, Filter: f, Census: census})
			var s Sample
			var cpu time.Duration
			b.ReportAllocs()
			for b.Loop() {
				if err := o.Sample(&s); err != nil {
					b.Fatal(err)
				}
				cpu += s.CPU
			}
			b.ReportMetric(float64(s.Seen), "sockets")
			b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N)/float64(s.Seen), "cpu-ns/socket")
		})
	}
}
