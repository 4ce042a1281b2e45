package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lastack/bench/record"
	"lastack/sockstate"
	"lastack/sockstate/netns"
	"lastack/sockstate/sockio"
)

// A test starts this binary as a driver, which calls Run, which starts it once more
// as the inside: the same three levels as a shell, lastack and lastack in a sandbox.
const (
	envDrive  = "SANDBOX_TEST_DRIVE"  // a Spec, in the driver
	envAction = "SANDBOX_TEST_ACTION" // a key of actions, inside
	// envSignal is the number of a signal that the inside sends the driver before its report.
	envSignal = "SANDBOX_TEST_SIGNAL"
	// envInherit is Spec.Inherit, which is not in the Spec's JSON.
	envInherit = "SANDBOX_TEST_INHERIT"
)

func TestMain(m *testing.M) {
	Main(cellJobs)
	HideDescriptors()
	switch {
	case Inside():
		os.Exit(inside())
	case os.Getenv(envCell) != "":
		os.Exit(driveCell())
	case os.Getenv(envDrive) != "":
		os.Exit(drive())
	}
	os.Exit(m.Run())
}

// driven is what Run returned, as the driver prints it last.
type driven struct {
	Exit    int
	Status  record.Sandbox
	Err     string
	Step    Step
	Errno   syscall.Errno
	Cause   string
	Sysctl  *SysctlError
	NetNS   string // the driver's own, afterwards
	Refused bool   // Err is an *Error
}

func drive() int {
	var spec Spec
	if err := json.Unmarshal([]byte(os.Getenv(envDrive)), &spec); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if fds := os.Getenv(envInherit); fds != "" {
		if err := json.Unmarshal([]byte(fds), &spec.Inherit); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	var d driven
	var err error
	d.Exit, d.Status, err = Run(context.Background(), spec)
	if err != nil {
		d.Err, d.Errno = err.Error(), errnoOf(err)
	}
	switch e := err.(type) {
	case *Error:
		d.Refused, d.Step, d.Cause = true, e.Step, e.Cause
	case *SysctlError:
		d.Sysctl = &SysctlError{Sysctl: e.Sysctl, Mode: e.Mode, HostWide: e.HostWide, Hidden: e.Hidden, Held: e.Held}
	}
	d.NetNS, _ = os.Readlink("/proc/self/ns/net")
	if err := json.NewEncoder(os.Stdout).Encode(d); err != nil {
		return 1
	}
	return d.Exit
}

func inside() int {
	action := os.Getenv(envAction)
	if action == "desert" {
		return 3
	}
	if n, err := strconv.Atoi(os.Getenv(envSignal)); err == nil {
		_ = syscall.Kill(os.Getppid(), syscall.Signal(n))
		time.Sleep(time.Minute) // it is ended, or the test has failed
		return 1
	}
	s, err := Enter()
	if err != nil {
		return 1
	}
	defer s.Close()
	f, ok := actions[action]
	if !ok {
		fmt.Fprintf(os.Stderr, "unknown action %q\n", action)
		return 1
	}
	code, err := f(s)
	if err != nil {
		fmt.Fprintln(os.Stderr, "inside:", err)
		return 1
	}
	return code
}

var actions = map[string]func(*Sandbox) (int, error){
	"exit7":     func(*Sandbox) (int, error) { return 7, nil },
	"abort":     func(*Sandbox) (int, error) { return 0, syscall.Kill(os.Getpid(), syscall.SIGKILL) },
	"facts":     printFacts,
	"hash":      printHash,
	"signals":   printSignals,
	"wait":      waitForever,
	"carry":     carry,
	"lose":      lose,
	"blackhole": simultaneousClose,
	"orphans":   leaveOrphans,
	"handed":    printHanded,
}

// facts is what a sandbox looks like from inside.
type facts struct {
	ClientNS, ServerNS     string
	ProcessNS              string
	Links                  map[string][]string // by side
	Sysctls                map[string][]string // by key: client's, server's
	Neighbours, Unresolved int
}

func printFacts(s *Sandbox) (int, error) {
	f := facts{
		ClientNS: s.Client.ID(), ServerNS: s.Server.ID(),
		Links: map[string][]string{}, Sysctls: map[string][]string{},
	}
	f.ProcessNS, _ = os.Readlink("/proc/self/ns/net")
	for side, ns := range []*netns.NS{s.Client, s.Server} {
		err := ns.Do(func() error {
			links, err := net.Interfaces()
			if err != nil {
				return err
			}
			for _, l := range links {
				name := sockstate.Side(side).String()
				addrs, err := l.Addrs()
				if err != nil {
					return err
				}
				f.Links[name] = append(f.Links[name], fmt.Sprint(l.Name, " ", l.Flags&net.FlagUp, " ", addrs))
			}
			for _, c := range []string{"net.ipv4.tcp_fin_timeout", "net.ipv4.ip_local_port_range", "net.ipv4.conf.default.rp_filter"} {
				f.Sysctls[c] = append(f.Sysctls[c], readTrimmed(procSys(c)))
			}
			return withLinks(func(h *netlink.Handle) error {
				all, err := h.NeighList(0, 0)
				for _, n := range all {
					if n.State&netlink.NUD_PERMANENT != 0 {
						f.Neighbours++
					} else if n.State&netlink.NUD_NOARP == 0 {
						f.Unresolved++
					}
				}
				return err
			})
		})
		if err != nil {
			return 0, err
		}
	}
	return 0, json.NewEncoder(os.Stdout).Encode(f)
}

// hashFacts is what a sandbox with a connection hash of its own looks like from inside: each sysctl by
// namespace, client's and, with Veth, server's.
type hashFacts struct {
	Entries, Buckets []string
	// Parent is the process that the kernel says started this one, and Handoff the one that did.
	Parent, Handoff int
	Group           bool // leads a process group of its own
	Comm            string
	NetAdmin        bool
}

func printHash(s *Sandbox) (int, error) {
	h, _ := received()
	f := hashFacts{Parent: os.Getppid(), Handoff: h.Parent, Group: syscall.Getpgrp() == os.Getpid(), Comm: readTrimmed("/proc/self/comm")}
	for _, ns := range s.namespaces() {
		err := ns.Do(func() error {
			f.Entries = append(f.Entries, readTrimmed(procSys("net.ipv4.tcp_ehash_entries")))
			f.Buckets = append(f.Buckets, readTrimmed(procSys("net.ipv4.tcp_max_tw_buckets")))
			f.NetAdmin = sockio.LoopbackUp() == nil
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	return 0, json.NewEncoder(os.Stdout).Encode(f)
}

// printSignals tells each signal as it comes, and ends at the second.
func printSignals(*Sandbox) (int, error) {
	ch := make(chan os.Signal, 16)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM)
	fmt.Println("ready")
	for range 2 {
		fmt.Println(<-ch)
	}
	return 42, nil
}

func waitForever(*Sandbox) (int, error) {
	fmt.Println("ready")
	_, err := io.Copy(io.Discard, os.Stdin) // the test never closes it
	return 9, err
}

// carry connects from each source of SANDBOX_TEST_SOURCES and prints what the server saw.
func carry(s *Sandbox) (int, error) {
	for text := range strings.FieldsSeq(os.Getenv("SANDBOX_TEST_SOURCES")) {
		source := netip.MustParseAddr(text)
		server := s.ServerAddr4
		if source.Is6() {
			server = s.ServerAddr6
		}
		seen, err := carryFrom(s, source, server)
		if err != nil {
			return 0, fmt.Errorf("from %s: %w", source, err)
		}
		fmt.Println(seen)
	}
	return 0, nil
}

func carryFrom(s *Sandbox, source, server netip.Addr) (seen netip.Addr, err error) {
	client, peer, err := s.connect(source, server)
	if err != nil {
		return seen, err
	}
	defer client.Close()
	defer peer.Close()
	if _, err := client.Write([]byte("x")); err != nil {
		return seen, err
	}
	if _, err := io.ReadFull(peer, make([]byte, 1)); err != nil {
		return seen, err
	}
	return peer.RemoteAddr().(*net.TCPAddr).AddrPort().Addr(), nil
}

// connect opens a connection across the sandbox. A connection that net opens stays
// on the goroutine's thread until its socket exists, for an address without a name.
func (s *Sandbox) connect(source, server netip.Addr) (client, peer *net.TCPConn, err error) {
	var l *net.TCPListener
	err = s.Server.Do(func() (err error) {
		l, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(server, 0)))
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	var local *net.TCPAddr
	if source.IsValid() {
		local = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	}
	err = s.Client.Do(func() (err error) {
		client, err = net.DialTCP("tcp", local, l.Addr().(*net.TCPAddr))
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	peer, err = l.AcceptTCP()
	return client, peer, err
}

// readSockstat reads one number of the calling thread's /proc/net/sockstat.
func readSockstat(line, key string) string {
	for l := range strings.Lines(readTrimmed("/proc/thread-self/net/sockstat")) {
		if rest, ok := strings.CutPrefix(l, line); ok {
			f := strings.Fields(rest)
			for i := 0; i+1 < len(f); i += 2 {
				if f[i] == key {
					return f[i+1]
				}
			}
		}
	}
	return ""
}

// handed is what an inside got beside its sandbox, and what a child of its would get.
type handed struct {
	Extra json.RawMessage
	// Env are its variables that begin with LASTACK_.
	Env []string
	// Open are the descriptors above 2 that a child would inherit.
	Open []string
	// Got is the descriptor of Spec.Inherit that is the file it was.
	Got int
}

func printHanded(*Sandbox) (int, error) {
	h := handed{Extra: Extra()}
	for _, kv := range os.Environ() {
		if strings.HasPrefix(kv, "LASTACK_") {
			h.Env = append(h.Env, kv)
		}
	}
	own, _ := received()
	for fd := 3; fd < 64; fd++ {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil {
			continue
		}
		link, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if slices.Contains(own.Inherit, fd) && strings.HasSuffix(link, "/status") {
			h.Got = fd
		}
		if flags&unix.FD_CLOEXEC == 0 {
			h.Open = append(h.Open, fmt.Sprint(fd, " ", link))
		}
	}
	return 0, json.NewEncoder(os.Stdout).Encode(h)
}
