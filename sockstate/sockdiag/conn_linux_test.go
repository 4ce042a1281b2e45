package sockdiag

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/sockio"
)

// newNamespace makes a namespace with lo up, or skips if the kernel refuses one for a
// want of privilege.
func newNamespace(t testing.TB) *sockio.Namespace {
	t.Helper()
	ns, err := sockio.NewNamespace()
	if errors.Is(err, unix.EPERM) && !capable(t, unix.CAP_SYS_ADMIN) {
		t.Skipf("CAP_SYS_ADMIN is not in effect: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	err = ns.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		ifr, err := unix.NewIfreq("lo")
		if err != nil {
			return err
		}
		ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
		return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
	})
	if err != nil {
		t.Fatal(err)
	}
	return ns
}

// capable reads the effective set from /proc.
func capable(t testing.TB, c int) bool {
	t.Helper()
	b, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	var caps uint64
	for line := range strings.Lines(string(b)) {
		if _, err := fmt.Sscanf(line, "CapEff: %x", &caps); err == nil {
			break
		}
	}
	return caps&(1<<c) != 0
}

// target is a listener in a namespace.
type target struct {
	t    testing.TB
	ns   *sockio.Namespace
	l    *net.TCPListener
	addr netip.AddrPort
}

// listen listens on an address; with deferred, a connection stays SYN_RECV until data
// comes (TCP_DEFER_ACCEPT).
func listen(t testing.TB, ns *sockio.Namespace, addr string, deferred bool) *target {
	t.Helper()
	tg := &target{t: t, ns: ns}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		if deferred {
			_ = c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 60) })
		}
		return err
	}}
	err := ns.Do(func() error {
		l, err := lc.Listen(t.Context(), "tcp", addr)
		if err == nil {
			tg.l = l.(*net.TCPListener)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tg.l.Close() })
	tg.addr = netip.MustParseAddrPort(tg.l.Addr().String())
	if tg.addr.Addr().IsUnspecified() {
		tg.addr = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), tg.addr.Port())
	}
	return tg
}

func (tg *target) dial() *net.TCPConn {
	tg.t.Helper()
	var c net.Conn
	err := tg.ns.Do(func() (err error) {
		c, err = net.Dial("tcp", tg.addr.String())
		return err
	})
	if err != nil {
		tg.t.Fatal(err)
	}
	tg.t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

func (tg *target) pair() (client, server *net.TCPConn) {
	tg.t.Helper()
	client = tg.dial()
	server, err := tg.l.AcceptTCP()
	if err != nil {
		tg.t.Fatal(err)
	}
	tg.t.Cleanup(func() { _ = server.Close() })
	return client, server
}

func openConn(t testing.TB, ns *sockio.Namespace) *Conn {
	t.Helper()
	c, err := Open(ns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// until repeats a census until ok, within some seconds.
func until(t testing.TB, c *Conn, f *sockstate.Filter, ok func(*sockstate.Census) bool) *sockstate.Census {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		var got sockstate.Census
		if err := c.Census(f, &got); err != nil {
			t.Fatal(err)
		}
		if ok(&got) {
			return &got
		}
		if time.Now().After(deadline) {
			t.Fatalf("gave up waiting at %+v", got)
		}
		time.Sleep(time.Millisecond)
	}
}

func states(of map[sockstate.State]int) (a [sockstate.NumStates]int) {
	for s, n := range of {
		a[s] = n
	}
	return a
}

// The kernel applies the port filter to every kind of entry: sockets, minisockets,
// request sockets and listeners; and nothing that has the port at either end is lost.
// Both request formats tell the same.
func TestKernelFilters(t *testing.T) {
	ns := newNamespace(t)
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		t.Run(addr, func(t *testing.T) {
			// Of each kind one for the filter, one that it must keep out.
			var mine, deferred *target
			for range 2 {
				mine, deferred = listen(t, ns, addr, false), listen(t, ns, addr, true)
				mine.pair()
				c, s := mine.pair()
				_ = c.Close()
				_ = s.Close()
				c, s = mine.pair()
				_ = s.Close()
				_ = c.Close()
				c, _ = mine.pair()
				_ = c.Close()
				deferred.dial()
			}
			conn := openConn(t, ns)
			f := sockstate.Filter{Servers: []netip.AddrPort{mine.addr, deferred.addr}}
			got := until(t, conn, &f, func(c *sockstate.Census) bool {
				return c.Count[sockstate.Client][sockstate.TimeWait]+c.Count[sockstate.Server][sockstate.TimeWait] == 2 && c.FinWait2Mini[sockstate.Client] == 1
			})
			want := [sockstate.NumSides][sockstate.NumStates]int{
				states(map[sockstate.State]int{sockstate.Established: 2, sockstate.TimeWait: 1, sockstate.FinWait2: 1}),
				states(map[sockstate.State]int{sockstate.Established: 1, sockstate.TimeWait: 1, sockstate.CloseWait: 1, sockstate.SynRecv: 1, sockstate.Listen: 2}),
			}
			if d := cmp.Diff(want, got.Count); d != "" {
				t.Errorf("-want +got\n%s", d)
			}

			for _, compat := range []bool{true, false} {
				conn.compat = compat
				all := list(t, conn, nil)
				if conn.Seen() != len(all) {
					t.Errorf("compat %v: %d seen, want %d", compat, conn.Seen(), len(all))
				}
				filtered := list(t, conn, &f)
				want := slices.DeleteFunc(slices.Clone(all), func(s string) bool {
					return !strings.Contains(s, fmt.Sprintf(":%d ", mine.addr.Port())) && !strings.Contains(s, fmt.Sprintf(":%d ", deferred.addr.Port()))
				})
				if d := cmp.Diff(want, filtered); d != "" {
					t.Errorf("compat %v: -want +got\n%s", compat, d)
				}
				if len(filtered) == 0 || len(all) < 2*len(filtered) {
					t.Errorf("compat %v: %d of %d let through: the filter was not put to the test", compat, len(filtered), len(all))
				}
			}
		})
	}
}

// list dumps, in order.
func list(t *testing.T, c *Conn, f *sockstate.Filter) []string {
	t.Helper()
	var l []string
	err := c.Each(f, func(s *Socket) {
		l = append(l, fmt.Sprintf("%v > %v %v mini=%v", s.Tuple.Local, s.Tuple.Remote, s.State, s.Mini))
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(l)
	return l
}

func TestListenerQueue(t *testing.T) {
	tg := listen(t, newNamespace(t), "[::1]:0", false)
	for range 3 {
		tg.dial()
	}
	conn := openConn(t, tg.ns)
	f := sockstate.Filter{Servers: []netip.AddrPort{tg.addr}}
	got := until(t, conn, &f, func(c *sockstate.Census) bool { return c.NotAccepted == 3 })
	// Go asks for the backlog that net.core.somaxconn allows, in a new namespace 4096.
	if got.AcceptQueue != 3 || got.Backlog != 4096 {
		t.Errorf("queue %d of %d, want 3 of 4096", got.AcceptQueue, got.Backlog)
	}
}

func TestTimeLeft(t *testing.T) {
	tg := listen(t, newNamespace(t), "127.0.0.1:0", false)
	c, s := tg.pair()
	_ = c.Close()
	_ = s.Close()
	conn := openConn(t, tg.ns)
	f := sockstate.Filter{Servers: []netip.AddrPort{tg.addr}}
	got := until(t, conn, &f, func(c *sockstate.Census) bool { return c.Count[sockstate.Client][sockstate.TimeWait] == 1 })
	left := got.TimeWaitLeft[sockstate.Client]
	if left.N != 1 || left.Sum <= 30*time.Second || left.Sum > 60*time.Second {
		t.Errorf("TIME_WAIT has %+v left, want one with nearly 60 s", left)
	}
}

func TestEmptyFilter(t *testing.T) {
	conn := openConn(t, nil)
	var got sockstate.Census
	if err := conn.Census(&sockstate.Filter{}, &got); err != nil || conn.Seen() != 0 {
		t.Errorf("error %v, %d sockets seen; want none", err, conn.Seen())
	}
}

func TestDestroy(t *testing.T) {
	tg := listen(t, newNamespace(t), "127.0.0.1:0", false)
	conn := openConn(t, tg.ns)
	client, server := tg.pair()
	var found []Socket
	err := conn.Each(nil, func(s *Socket) {
		if s.Tuple.Local.String() == client.LocalAddr().String() {
			found = append(found, *s)
		}
	})
	if err != nil || len(found) != 1 {
		t.Fatalf("error %v, %d sockets; want the client's", err, len(found))
	}
	if err := conn.Destroy(&found[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNABORTED) {
		t.Errorf("read of the destroyed socket: %v, want ECONNABORTED", err)
	}
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read of its peer: %v, want ECONNRESET", err)
	}
	err = conn.Destroy(&found[0])
	derr, ok := errors.AsType[*Error](err)
	if !ok || derr.Op != "destroy" || derr.Tuple != found[0].Tuple || !errors.Is(err, syscall.ENOENT) {
		t.Errorf("destroyed again: %v, want an *Error of destroy: ENOENT", err)
	}
}

// Of a load in all states, on a listener of both families, nothing but the listener remains;
// another load is not touched.
func TestDestroyAll(t *testing.T) {
	ns := newNamespace(t)
	tg, other, deferred := listen(t, ns, ":0", false), listen(t, ns, ":0", false), listen(t, ns, ":0", true)
	other.pair()
	const each = 100 // more than a batch
	for range each {
		tg.pair()
		c, s := tg.pair()
		_ = c.Close()
		_ = s.Close()
		c, _ = tg.pair()
		_ = c.Close() // an orphan, then a minisocket
	}
	deferred.dial()
	conn := openConn(t, ns)
	f := sockstate.Filter{Servers: []netip.AddrPort{tg.addr, deferred.addr}}
	n, err := conn.DestroyAll(&f, func(s *Socket) bool { return s.State == sockstate.TimeWait })
	if err != nil {
		t.Fatal(err)
	}
	// The last ACK of a few may be on its way yet; none of the other states may go.
	if n == 0 || n > each {
		t.Errorf("%d TIME_WAIT sockets destroyed, want 1 to %d", n, each)
	}
	got := until(t, conn, &f, func(*sockstate.Census) bool { return true })
	if n := got.Count[sockstate.Client][sockstate.Established]; n != each+1 {
		t.Errorf("%d ESTABLISHED left at the client, want %d", n, each+1)
	}
	if _, err := conn.DestroyAll(&f, nil); err != nil {
		t.Fatal(err)
	}
	got = until(t, conn, &f, func(*sockstate.Census) bool { return true })
	want := [sockstate.NumSides][sockstate.NumStates]int{sockstate.Server: states(map[sockstate.State]int{sockstate.Listen: 2})}
	if d := cmp.Diff(want, got.Count); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	of := sockstate.Filter{Servers: []netip.AddrPort{other.addr}}
	if got := until(t, conn, &of, func(*sockstate.Census) bool { return true }); got.Total(sockstate.Client) != 1 || got.Total(sockstate.Server) != 1 {
		t.Errorf("the other load: %+v, want it as it was", got.Count)
	}
}

// Without CAP_NET_ADMIN a dump works and destroying is EPERM, for the socket alone.
func TestDestroyDenied(t *testing.T) {
	tg := listen(t, nil, "127.0.0.1:0", false)
	tg.pair()
	err := make(chan error)
	go func() {
		// Capabilities are the thread's, which ends with this goroutine.
		runtime.LockOSThread()
		err <- func() error {
			hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			var none [2]unix.CapUserData
			if err := unix.Capset(&hdr, &none[0]); err != nil {
				return err
			}
			conn, err := Open(nil)
			if err != nil {
				return err
			}
			defer conn.Close()
			f := sockstate.Filter{Servers: []netip.AddrPort{tg.addr}}
			n, err := conn.DestroyAll(&f, nil)
			if n != 0 {
				t.Errorf("%d sockets destroyed", n)
			}
			return err
		}()
	}()
	got := <-err
	if derr, ok := errors.AsType[*Error](got); !ok || derr.Op != "destroy" || !errors.Is(got, syscall.EPERM) {
		t.Errorf("got %v, want an *Error of destroy: EPERM", got)
	}
}

func TestOpenOutside(t *testing.T) {
	ns := newNamespace(t)
	if err := ns.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ns); !errors.Is(err, os.ErrClosed) {
		t.Errorf("in a closed namespace: %v, want %v", err, os.ErrClosed)
	}
}

func TestCensusDoesNotAllocate(t *testing.T) {
	tg := listen(t, newNamespace(t), "127.0.0.1:0", false)
	conn := openConn(t, tg.ns)
	f := sockstate.Filter{Servers: []netip.AddrPort{tg.addr}}
	var c sockstate.Census
	perRun := func() float64 {
		return testing.AllocsPerRun(20, func() {
			c.Reset()
			if err := conn.Census(&f, &c); err != nil {
				t.Fatal(err)
			}
		})
	}
	few := perRun()
	for range 500 {
		tg.pair()
	}
	if many := perRun(); many > few+2 { // the map of port pairs is Census's
		t.Errorf("%v allocations for 1 socket, %v for 1001", few, many)
	}
}
