package trace

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/netns"
	"lastack/sockstate/sockdiag"
	"lastack/sockstate/socktest"
)

func TestMain(m *testing.M) {
	socktest.Parallel(8)
	os.Exit(m.Run())
}

// start traces a target. It skips the test where the kernel does not allow eBPF.
func start(t *testing.T, g *socktest.Target, c Config) *Trace {
	t.Helper()
	c.Servers, c.Namespaces = []netip.AddrPort{g.Addr}, []*netns.NS{g.Namespace}
	tr, err := Start(c)
	skip(t, err)
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

// skip skips the test if eBPF is refused, for a reason that it can prove, and fails it for any other error.
func skip(t testing.TB, err error) {
	t.Helper()
	if v, ok := errors.AsType[*ebpf.VerifierError](err); ok {
		t.Fatalf("%+v", v)
	}
	denied := errors.Is(err, unix.EPERM) && (!socktest.Capable(t, unix.CAP_SYS_ADMIN) || !netns.InInitialUserNamespace())
	if e, ok := errors.AsType[*Error](err); denied || ok && e.Op == "btf" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// settle waits until only minisockets are left, as sock_diag sees it.
func settle(t *testing.T, g *socktest.Target) {
	t.Helper()
	diag, err := sockdiag.Open(g.Namespace)
	if err != nil {
		t.Fatal(err)
	}
	defer diag.Close()
	for {
		var c sockstate.Census
		if err := diag.Census(&sockstate.Filter{Servers: []netip.AddrPort{g.Addr}}, &c); err != nil {
			t.Fatal(err)
		}
		moving := 0
		for side := range sockstate.Side(sockstate.NumSides) {
			moving += c.Total(side) - c.Count[side][sockstate.TimeWait] - c.FinWait2Mini[side]
		}
		if moving == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func stop(t *testing.T, tr *Trace) *Result {
	t.Helper()
	r, err := tr.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if l := r.Lost; l.Unbalanced > 0 && l.Total() == l.Unbalanced {
		t.Errorf("%d connections came into a state and went unseen: %v, living %v", l.Unbalanced, r.Transitions, r.Living)
	}
	return r
}

// gone counts the sockets that are in a state for the trace which settle has seen no more.
func gone(r *Result) (n int64) {
	for side := range r.Living {
		for s, k := range r.Living[side] {
			if s := sockstate.State(s); s != sockstate.TimeWait && s != sockstate.FinWait2 {
				n += k
			}
		}
	}
	return n
}

// changes is a side's transitions by name.
func changes(r *Result, side sockstate.Side) map[string]int64 {
	m := make(map[string]int64)
	for old := range sockstate.State(sockstate.NumStates) {
		for now := range sockstate.State(sockstate.NumStates) {
			if n := r.Transitions[side][old][now]; n != 0 {
				m[old.String()+">"+now.String()] = n
			}
		}
	}
	return m
}

// readEnd reads to the end, or to a reset.
func readEnd(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, unix.ECONNRESET) {
		t.Fatal(err)
	}
}

const lives = 20

// TestClose: each way to close takes both ends exactly through the states of the RFC, and the kernel gives the resets a reason.
func TestClose(t *testing.T) {
	const delay = 60 * time.Millisecond
	opened := func(rest map[string]int64) map[string]int64 {
		rest["CLOSED>SYN_SENT"], rest["SYN_SENT>ESTABLISHED"] = lives, lives
		return rest
	}
	accepted := func(rest map[string]int64) map[string]int64 {
		rest["LISTEN>SYN_RECV"], rest["SYN_RECV>ESTABLISHED"] = lives, lives
		return rest
	}
	active := opened(map[string]int64{"ESTABLISHED>FIN_WAIT_1": lives, "FIN_WAIT_1>FIN_WAIT_2": lives, "FIN_WAIT_2>TIME_WAIT": lives})
	passive := accepted(map[string]int64{"ESTABLISHED>CLOSE_WAIT": lives, "CLOSE_WAIT>LAST_ACK": lives, "LAST_ACK>CLOSED": lives})
	for _, tt := range []struct {
		name           string
		close          func(t *testing.T, c, s *net.TCPConn)
		client, server map[string]int64
		sent           []Reset
		received       sockstate.State
	}{
		{
			name: "fin", client: active, server: passive,
			close: func(t *testing.T, c, s *net.TCPConn) {
				_ = c.Close()
				readEnd(t, s)
				_ = s.Close()
			},
		},
		{
			name: "half, late", client: active, server: passive,
			close: func(t *testing.T, c, s *net.TCPConn) {
				_ = c.CloseWrite()
				readEnd(t, s)
				time.Sleep(delay) // the ACK of the FIN comes after 40 ms
				_ = s.Close()
				readEnd(t, c)
				_ = c.Close()
			},
		},
		{
			name: "fin, late", client: active, server: passive,
			close: func(t *testing.T, c, s *net.TCPConn) {
				_ = c.Close()
				readEnd(t, s)
				time.Sleep(delay)
				_ = s.Close()
			},
		},
		{
			name: "rst", received: sockstate.Established,
			client: opened(map[string]int64{"ESTABLISHED>CLOSED": lives}), server: accepted(map[string]int64{"ESTABLISHED>CLOSED": lives}),
			sent: []Reset{{sockstate.Client, "TCP_STATE", sockstate.Closed, lives}},
			close: func(t *testing.T, c, s *net.TCPConn) {
				_ = c.SetLinger(0)
				_ = c.Close()
				readEnd(t, s)
				_ = s.Close()
			},
		},
		{
			name: "unread", received: sockstate.Established,
			client: opened(map[string]int64{"ESTABLISHED>CLOSED": lives}), server: accepted(map[string]int64{"ESTABLISHED>CLOSED": lives}),
			sent: []Reset{{sockstate.Client, "TCP_ABORT_ON_CLOSE", sockstate.Closed, lives}},
			close: func(t *testing.T, c, s *net.TCPConn) {
				if _, err := s.Write([]byte{0}); err != nil {
					t.Fatal(err)
				}
				_ = c.Close()
				readEnd(t, s)
				_ = s.Close()
			},
		},
		{
			name: "rst in CLOSE_WAIT", // it ends a minisocket
			client: opened(map[string]int64{
				"ESTABLISHED>FIN_WAIT_1": lives, "FIN_WAIT_1>FIN_WAIT_2": lives, "FIN_WAIT_2>CLOSED": lives,
			}),
			server: accepted(map[string]int64{"ESTABLISHED>CLOSE_WAIT": lives, "CLOSE_WAIT>CLOSED": lives}),
			sent:   []Reset{{sockstate.Server, "TCP_STATE", sockstate.Closed, lives}},
			close: func(t *testing.T, c, s *net.TCPConn) {
				_ = c.Close()
				readEnd(t, s)
				time.Sleep(delay)
				_ = s.SetLinger(0)
				_ = s.Close()
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := socktest.Listen(t, socktest.NewNamespace(t), "127.0.0.1:0", false)
			tr := start(t, g, Config{})
			for range lives {
				c, s := g.Pair()
				tt.close(t, c, s)
			}
			settle(t, g)
			r := stop(t, tr)
			if n := gone(r); r.Lost.Total()+n != 0 {
				t.Skipf("the kernel missed events: %+v, and %d sockets are gone for sock_diag, but not for the trace", r.Lost, n)
			}
			for side, want := range []map[string]int64{tt.client, tt.server} {
				if diff := cmp.Diff(want, changes(r, sockstate.Side(side))); diff != "" {
					t.Errorf("%v: -want +got\n%s", sockstate.Side(side), diff)
				}
			}
			if diff := cmp.Diff(tt.sent, r.Sent); diff != "" {
				t.Errorf("resets: -want +got\n%s", diff)
			}
			if tt.received != 0 && r.Received[sockstate.Server][tt.received] != lives {
				t.Errorf("received %v", r.Received)
			}
			if sent := r.Close[sockstate.Client].Count(); tt.received == sockstate.Established && sent != lives {
				t.Errorf("%d resets ended both ends", sent)
			}
			if tt.name == "fin, late" {
				for d, name := range map[*Dwell]string{&r.Dwell[sockstate.Server][sockstate.CloseWait]: "CLOSE_WAIT", &r.Close[sockstate.Client]: "close"} {
					if d.Count() != lives || d.Min < delay || d.Histogram().Min() < int64(delay)*99/100 {
						t.Errorf("%s: %d times, at least %v", name, d.Count(), d.Min)
					}
				}
			}
		})
	}
}

// TestStandIn: what the principals do not count, since the kernel does not run them, the stand-ins do, and nothing twice.
func TestStandIn(t *testing.T) {
	g := socktest.Listen(t, socktest.NewNamespace(t), "127.0.0.1:0", false)
	tr := start(t, g, Config{})
	for i := 0; i < len(tr.links); i += 2 {
		if err := tr.links[i].Close(); err != nil {
			t.Fatal(err)
		}
	}
	for range lives {
		c, s := g.Pair()
		_ = c.SetLinger(0)
		_ = c.Close()
		readEnd(t, s)
		_ = s.Close()
	}
	settle(t, g)
	r := stop(t, tr)
	if n := gone(r); r.Lost.Total()+n != 0 {
		t.Skipf("the kernel missed events: %+v, and %d sockets are gone for sock_diag, but not for the trace", r.Lost, n)
	}
	if n := r.Transitions[sockstate.Client][sockstate.Established][sockstate.Closed]; n != lives {
		t.Errorf("%d of %d resets", n, lives)
	}
	if diff := cmp.Diff([]Reset{{sockstate.Client, "TCP_STATE", sockstate.Closed, lives}}, r.Sent); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestMinisocketEnds: an orphan whose peer never closes ends at its time, and a connection on the same port ends a TIME_WAIT before
// its time.
func TestMinisocketEnds(t *testing.T) {
	t.Run("expired", func(t *testing.T) {
		t.Parallel()
		g := socktest.Listen(t, socktest.NewNamespace(t, "net.ipv4.tcp_fin_timeout=1"), "127.0.0.1:0", false)
		tr := start(t, g, Config{})
		clients, servers := g.Pairs(lives)
		socktest.CloseAll(clients)
		for _, s := range servers {
			readEnd(t, s)
		}
		for {
			n := 0 // first of the full sockets, which become the minisockets
			_ = each(tr.maps.sockets, func(s *sockValue) {
				if s.Side == uint32(sockstate.Client) {
					n++
				}
			})
			_ = each(tr.maps.timeWaits, func(*twValue) { n++ })
			if n == 0 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		r := stop(t, tr)
		d := &r.Dwell[sockstate.Client][sockstate.FinWait2]
		if n := r.FinWait2[sockstate.Client].Expired; n != lives || r.Transitions[sockstate.Client][sockstate.FinWait2][sockstate.Closed] != lives || d.Min < time.Second {
			t.Errorf("expired %d, FIN_WAIT_2 at least %v: %v", n, d.Min, changes(r, sockstate.Client))
		}
	})
	t.Run("reused", func(t *testing.T) {
		t.Parallel()
		// One port, and reuse after 1 ms.
		ns := socktest.NewNamespace(t, "net.ipv4.ip_local_port_range=40000 40000", "net.ipv4.tcp_tw_reuse=1", "net.ipv4.tcp_tw_reuse_delay=1")
		g := socktest.Listen(t, ns, "127.0.0.1:30000", false)
		tr := start(t, g, Config{})
		for range lives {
			c, s := g.Pair()
			_ = c.Close()
			readEnd(t, s)
			_ = s.Close()
			settle(t, g)
			time.Sleep(20 * time.Millisecond) // tcp_tw_reuse_delay
		}
		r := stop(t, tr)
		client := changes(r, sockstate.Client)
		if r.Lost.Total() == 0 && (client["FIN_WAIT_2>TIME_WAIT"] != lives || client["TIME_WAIT>CLOSED"] != lives-1 || r.Living[sockstate.Client][sockstate.TimeWait] != 1) {
			t.Errorf("%v, %+v, living %v", client, r.TimeWaits, r.Living)
		}
		if got := r.TimeWaits[sockstate.Client]; r.Lost.Total() == 0 && (got.Early != lives-1 || got.Rearmed != 0) {
			t.Errorf("%+v", got)
		}
	})
}

// TestNoSocket: a SYN to a closed port draws a reset that belongs to no socket.
func TestNoSocket(t *testing.T) {
	g := socktest.Listen(t, socktest.NewNamespace(t), "127.0.0.1:0", false)
	_ = g.Listener.Close()
	tr := start(t, g, Config{})
	err := g.Namespace.Do(func() error {
		_, err := net.Dial("tcp", g.Addr.String())
		return err
	})
	if !errors.Is(err, unix.ECONNREFUSED) {
		t.Fatal(err)
	}
	want := []Reset{{sockstate.Server, "NO_SOCKET", 0, 1}}
	if r := stop(t, tr); cmp.Diff(want, r.Sent) != "" {
		t.Errorf("sent %v, want %v", r.Sent, want)
	}
}

// TestFull: sockets that find no room are counted.
func TestFull(t *testing.T) {
	g := socktest.Listen(t, socktest.NewNamespace(t), "127.0.0.1:0", false)
	tr := start(t, g, Config{Sockets: 8})
	g.Pairs(lives)
	r := stop(t, tr)
	if r.Lost.Sockets < lives || r.Lost.Unknown == 0 {
		t.Errorf("lost %+v", r.Lost)
	}
	if n := r.Transitions[sockstate.Client][sockstate.SynSent][sockstate.Established]; n != lives {
		t.Errorf("%d of %d connections opened", n, lives)
	}
}

// TestOthers: neither another port nor another namespace counts.
func TestOthers(t *testing.T) {
	ns := socktest.NewNamespace(t)
	g := socktest.Listen(t, ns, "127.0.0.1:20001", false)
	port := socktest.Listen(t, ns, "127.0.0.1:20002", false)
	space := socktest.Listen(t, socktest.NewNamespace(t), "127.0.0.1:20001", false)
	tr := start(t, g, Config{})
	for _, other := range []*socktest.Target{port, space} {
		socktest.CloseAll(other.Dial(3))
	}
	if r := stop(t, tr); len(changes(r, sockstate.Client))+len(changes(r, sockstate.Server)) > 0 {
		t.Errorf("%v %v", changes(r, sockstate.Client), changes(r, sockstate.Server))
	}
}

func TestLeavesNothing(t *testing.T) {
	socktest.Guard(t)
	g := socktest.Listen(t, nil, "127.0.0.1:0", false)
	tr := start(t, g, Config{})
	stop(t, tr)
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
}
