package observe

import (
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/netns"
	"lastack/sockstate/sockio"
	"lastack/sockstate/socktest"
)

// TestCensusTime takes a census of many sockets from each source, and compares the time with that of ss. LASTACK_SOCKETS makes it more of
// them: two million take three gigabytes and two minutes.
func TestCensusTime(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("LASTACK_SOCKETS"))
	switch {
	case os.Getenv("LASTACK_LONG") == "" && err != nil:
		t.Skip("takes ten seconds: LASTACK_LONG is not set")
	case err != nil:
		n = 100_000
	}
	ss, err := exec.LookPath("ss")
	if err != nil {
		t.Skip(err)
	}
	// A namespace has half as many TIME_WAITs as its hash has entries.
	outer := socktest.NewNamespace(t, "net.ipv4.tcp_child_ehash_entries=4194304")
	var ns *netns.NS
	if err := outer.Do(func() (err error) { // on a thread that ends with it
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		ns, err = netns.Current()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	servers := many(t, ns, n)

	sources := []string{"bpf", "diag", "proc"}
	observers := make(map[string]*Observer)
	for _, source := range sources {
		observers[source] = openCensus(t, Config{Namespaces: []*netns.NS{ns}, Filter: sockstate.Filter{Servers: servers}, Census: source})
	}
	// CPU time, as the machine may be busy, and round by round, as TIME_WAITs end.
	best := 1.0
	for range 3 {
		var first Sample
		for _, source := range sources {
			var s Sample
			if err := observers[source].Sample(&s); err != nil {
				t.Fatal(err)
			}
			c := &s.Census
			t.Logf("%-4s %v CPU, %v: %d in TIME_WAIT, %d in CLOSE_WAIT", source, s.CPU, s.Took, c.Count[sockstate.Client][sockstate.TimeWait], c.Count[sockstate.Server][sockstate.CloseWait])
			if source == sources[0] {
				first = s
			} else if c.Count[sockstate.Server] != first.Census.Count[sockstate.Server] || n <= 100_000 && c.Count != first.Census.Count {
				t.Errorf("%s: %v, %s: %v", source, c.Count, sources[0], first.Census.Count)
			}
		}
		cmd := exec.Command(ss, "-tan")
		from := time.Now()
		if err := ns.Do(cmd.Run); err != nil {
			t.Fatal(err)
		}
		cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		t.Logf("ss   %v CPU, %v", cpu, time.Since(from))
		best = min(best, first.CPU.Seconds()/cpu.Seconds())
	}
	if best > 0.25 {
		t.Errorf("the census in the kernel takes %.2f of what ss takes, want a quarter at most", best)
	}
}

// many makes n sockets, and returns the addresses of their listeners. What cannot be made within the minute that a TIME_WAIT lasts are connections that
// nobody accepts, and whose client has closed.
func many(t *testing.T, ns *netns.NS, n int) (servers []netip.AddrPort) {
	t.Helper()
	const threads, inAMinute = 2, 900_000
	var listeners []int
	t.Cleanup(func() {
		for _, fd := range listeners {
			_ = unix.Close(fd)
		}
	})
	if err := ns.Do(func() error {
		if err := setUp(n); err != nil {
			return err
		}
		for i := range 2 * threads {
			addr := unix.SockaddrInet4{Port: 20000 + i, Addr: [4]byte{127, 0, 0, 1}}
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			listeners = append(listeners, fd)
			servers = append(servers, netip.AddrPortFrom(netip.AddrFrom4(addr.Addr), uint16(addr.Port)))
			if err := errors.Join(unix.Bind(fd, &addr), unix.Listen(fd, n)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	queued := max(n-inAMinute, 0) / threads
	var errs [threads]error
	var all sync.WaitGroup
	for i := range threads {
		all.Go(func() {
			errs[i] = ns.Do(func() error {
				for k := range n / threads {
					// A new address before the ports of one are few.
					from := [4]byte{127, byte(i + 1), byte(k >> 20), byte(k >> 12)}
					to, listener := servers[i], -1
					if k >= queued {
						to, listener = servers[threads+i], listeners[threads+i]
					}
					if err := life(from, to, listener); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	return servers
}

// setUp prepares the calling thread's namespace for n sockets.
func setUp(n int) error {
	for name, value := range map[string]string{
		"net/ipv4/ip_local_port_range": "1024 65535", "net/ipv4/tcp_tw_reuse": "0", "net/core/somaxconn": strconv.Itoa(max(n, 4096)),
	} {
		if err := os.WriteFile("/proc/sys/"+name, []byte(value), 0); err != nil {
			return err
		}
	}
	return sockio.LoopbackUp()
}

// life is a connection whose client closes first. If listener is -1 nobody accepts it.
func life(from [4]byte, to netip.AddrPort, listener int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
		unix.Bind(fd, &unix.SockaddrInet4{Addr: from}),
		unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}),
	); err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	if listener < 0 {
		return unix.Close(fd)
	}
	server, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
	return errors.Join(err, unix.Close(fd), unix.Close(server))
}
