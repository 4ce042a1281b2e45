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
	"lastack/sockstate/netns"
	"lastack/sockstate/socktest"
)

func openConn(t testing.TB, ns *netns.NS) *Conn {
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
	ns := socktest.NewNamespace(t)
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0", ":0"} {
		t.Run(addr, func(t *testing.T) {
			// Of each kind one for the filter, one that it must keep out.
			var mine, deferred *socktest.Target
			for range 2 {
				mine, deferred = socktest.Listen(t, ns, addr, false), socktest.Listen(t, ns, addr, true)
				mine.Pair()
				c, s := mine.Pair()
				_ = c.Close()
				_ = s.Close()
				c, s = mine.Pair()
				_ = s.Close()
				_ = c.Close()
				c, _ = mine.Pair()
				_ = c.Close()
				deferred.Dial(1)
			}
			conn := openConn(t, ns)
			f := sockstate.Filter{Servers: []netip.AddrPort{mine.Addr, deferred.Addr}}
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
					return !strings.Contains(s, fmt.Sprintf(":%d ", mine.Addr.Port())) && !strings.Contains(s, fmt.Sprintf(":%d ", deferred.Addr.Port()))
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
	tg := socktest.Listen(t, socktest.NewNamespace(t), "[::1]:0", false)
	tg.Dial(3)
	conn := openConn(t, tg.Namespace)
	f := sockstate.Filter{Servers: []netip.AddrPort{tg.Addr}}
	got := until(t, conn, &f, func(c *sockstate.Census) bool { return c.NotAccepted == 3 })
	// Go asks for the backlog that net.core.somaxconn allows, in a new namespace 4096.
	if got.AcceptQueue != 3 || got.Backlog != 4096 {
		t.Errorf("queue %d of %d, want 3 of 4096", got.AcceptQueue, got.Backlog)
	}
}

func TestTimeLeft(t *testing.T) {
	tg := socktest.Listen(t, socktest.NewNamespace(t), "127.0.0.1:0", false)
	c, s := tg.Pair()
	_ = c.Close()
	_ = s.Close()
	conn := openConn(t, tg.Namespace)
	f := sockstate.Filter{Servers: []netip.AddrPort{tg.Addr}}
	got := until(t, conn, &f, func(c *sockstate.Census) bool { return c.Count[sockstate.Client][sockstate.TimeWait] == 1 })
	if left := got.LongestLeft; left <= 30*time.Second || left > sockstate.TimeWaitLength {
		t.Errorf("TIME_WAIT has %v left, want nearly 60 s", left)
	}
}

func TestEmptyFilter(t *testing.T) {
	conn := openConn(t, nil)
	var got sockstate.Census
	if err := conn.Census(&sockstate.Filter{}, &got); err != nil || conn.Seen() != 0 {
		t.Errorf("error %v, %d sockets seen; want none", err, conn.Seen())
	}
}

// localTo picks the socket at an address.
func localTo(addr net.Addr) func(*Socket) bool {
	return func(s *Socket) bool { return s.Tuple.Local.String() == addr.String() }
}

func TestDestroyOne(t *testing.T) {
	tg := socktest.Listen(t, socktest.NewNamespace(t), "127.0.0.1:0", false)
	conn := openConn(t, tg.Namespace)
	client, server := tg.Pair()
	bystander, _ := tg.Pair()
	pick := localTo(client.LocalAddr())
	if n, err := conn.DestroyAll(nil, pick); err != nil || n != 1 {
		t.Fatalf("%d destroyed, error %v; want the client's socket alone", n, err)
	}
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNABORTED) {
		t.Errorf("read of the destroyed socket: %v, want ECONNABORTED", err)
	}
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read of its peer: %v, want ECONNRESET", err)
	}
	if n, err := conn.DestroyAll(nil, pick); err != nil || n != 0 {
		t.Errorf("%d destroyed again, error %v; want none", n, err)
	}
	if _, err := bystander.Write([]byte{1}); err != nil {
		t.Errorf("another connection of the same listener: %v", err)
	}
}

// A socket that ends after the dump told of it does not count, nor fail the others; and
// one that has its addresses by then is not taken for it.
func TestDestroyGone(t *testing.T) {
	tg := socktest.Listen(t, socktest.NewNamespace(t), "127.0.0.1:0", false)
	conn := openConn(t, tg.Namespace)
	client, server := tg.Pair()
	other, _ := tg.Pair()
	var heir net.Conn
	n, err := conn.DestroyAll(nil, func(s *Socket) bool {
		if localTo(other.LocalAddr())(s) {
			return true
		}
		if heir != nil || !localTo(client.LocalAddr())(s) {
			return false
		}
		_ = client.SetLinger(0)
		_ = client.Close()
		_ = server.Close() // reset by now, and gone with this
		heir = redial(t, tg, client.LocalAddr())
		return true
	})
	if err != nil || n != 1 || heir == nil {
		t.Fatalf("%d destroyed, error %v, new connection %v; want 1 and no error", n, err, heir)
	}
	if _, err := heir.Write([]byte{1}); err != nil {
		t.Errorf("the connection that has the addresses since: %v", err)
	}
}

// redial connects to the target from an address.
func redial(t *testing.T, tg *socktest.Target, from net.Addr) net.Conn {
	t.Helper()
	var c net.Conn
	err := tg.Namespace.Do(func() (err error) {
		d := net.Dialer{LocalAddr: from}
		c, err = d.DialContext(t.Context(), "tcp", tg.Addr.String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Of a load in all states, on a listener of both families, nothing but the listener remains;
// another load is not touched.
func TestDestroyAll(t *testing.T) {
	ns := socktest.NewNamespace(t)
	tg, other, deferred := socktest.Listen(t, ns, ":0", false), socktest.Listen(t, ns, ":0", false), socktest.Listen(t, ns, ":0", true)
	other.Pair()
	const each = 100 // more than a batch
	for range each {
		tg.Pair()
		c, s := tg.Pair()
		_ = c.Close()
		_ = s.Close()
		c, _ = tg.Pair()
		_ = c.Close() // an orphan, then a minisocket
	}
	deferred.Dial(1)
	conn := openConn(t, ns)
	f := sockstate.Filter{Servers: []netip.AddrPort{tg.Addr, deferred.Addr}}
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
	of := sockstate.Filter{Servers: []netip.AddrPort{other.Addr}}
	if got := until(t, conn, &of, func(*sockstate.Census) bool { return true }); got.Total(sockstate.Client) != 1 || got.Total(sockstate.Server) != 1 {
		t.Errorf("the other load: %+v, want it as it was", got.Count)
	}
}

// Without CAP_NET_ADMIN a dump works and destroying is EPERM, for the socket alone.
func TestDestroyDenied(t *testing.T) {
	tg := socktest.Listen(t, nil, "127.0.0.1:0", false)
	tg.Pair()
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
			f := sockstate.Filter{Servers: []netip.AddrPort{tg.Addr}}
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
	ns := socktest.NewNamespace(t)
	if err := ns.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ns); !errors.Is(err, os.ErrClosed) {
		t.Errorf("in a closed namespace: %v, want %v", err, os.ErrClosed)
	}
}

func TestCensusDoesNotAllocate(t *testing.T) {
	tg := socktest.Listen(t, socktest.NewNamespace(t), "127.0.0.1:0", false)
	conn := openConn(t, tg.Namespace)
	f := sockstate.Filter{Servers: []netip.AddrPort{tg.Addr}}
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
		tg.Pair()
	}
	if many := perRun(); many > few+2 { // the map of port pairs is Census's
		t.Errorf("%v allocations for 1 socket, %v for 1001", few, many)
	}
}
