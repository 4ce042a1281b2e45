package observe

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

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

// target is a listener in a namespace; a nil one is this process's.
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

// dial opens n connections in one go.
func (tg *target) dial(n int) []*net.TCPConn {
	tg.t.Helper()
	var cs []*net.TCPConn
	err := tg.ns.Do(func() error {
		for range n {
			c, err := net.Dial("tcp", tg.addr.String())
			if err != nil {
				return err
			}
			cs = append(cs, c.(*net.TCPConn))
		}
		return nil
	})
	tg.t.Cleanup(func() {
		for _, c := range cs {
			_ = c.Close()
		}
	})
	if err != nil {
		tg.t.Fatal(err)
	}
	return cs
}

// pairs opens and accepts n connections, one after the other.
func (tg *target) pairs(n int) (clients, servers []*net.TCPConn) {
	tg.t.Helper()
	var s *net.TCPConn
	tg.t.Cleanup(func() {
		for _, s := range servers {
			_ = s.Close()
		}
	})
	for range n {
		clients = append(clients, tg.dial(1)...)
		var err error
		if s, err = tg.l.AcceptTCP(); err != nil {
			tg.t.Fatal(err)
		}
		servers = append(servers, s)
	}
	return clients, servers
}

func closeAll(cs []*net.TCPConn) {
	for _, c := range cs {
		_ = c.Close()
	}
}

type states map[sockstate.State]int

func (s states) array() (a [sockstate.NumStates]int) {
	for k, n := range s {
		a[k] = n
	}
	return a
}
