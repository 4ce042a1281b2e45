package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"lastack/bench/record"
	"lastack/sockstate"
	"lastack/sockstate/netns"
)

// placeJobs look at the sandbox that they are in.
var placeJobs = map[string]Func{
	"facts": func(_ context.Context, sb *Sandbox, _ json.RawMessage, _ func(any)) (any, error) {
		return readFacts(sb)
	},
	"hash":  func(_ context.Context, sb *Sandbox, _ json.RawMessage, _ func(any)) (any, error) { return readHash(sb) },
	"carry": carry,
}

// facts is what a sandbox looks like from inside.
type facts struct {
	ClientNS, ServerNS     string
	ProcessNS              string
	Links                  map[string][]string // by side
	Sysctls                map[string][]string // by key: client's, server's
	Neighbours, Unresolved int
}

func readFacts(s *Sandbox) (facts, error) {
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
			return withLinks(nil, func(h *netlink.Handle) error {
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
			return f, err
		}
	}
	return f, nil
}

func TestSandboxIsOn(t *testing.T) {
	host, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	everywhere(t, func(t *testing.T, mode Mode) {
		for _, topology := range []Topology{Lo, Veth} {
			t.Run(string(topology), func(t *testing.T) {
				f, cell := resultOf[facts](t, Spec{Mode: mode, Topology: topology, Sysctls: []Sysctl{
					{"net.ipv4.conf.default.rp_filter", "2"},
					{"net.ipv4.tcp_fin_timeout", "7"},
					{"net.ipv4.ip_local_port_range", "40000 40999"},
				}}, Job{Name: "facts"})
				want := record.Sandbox{Mode: string(mode), Topology: string(topology), Sysctls: map[string]string{
					"net.ipv4.conf.default.rp_filter": "2",
					"net.ipv4.tcp_fin_timeout":        "7",
					"net.ipv4.ip_local_port_range":    "40000 40999",
				}}
				if diff := cmp.Diff(want, cell.Status()); diff != "" {
					t.Errorf("status (-want +got):\n%s", diff)
				}
				if own, _ := os.Readlink("/proc/self/ns/net"); own != host {
					t.Errorf("this process is in %s afterwards, want %s", own, host)
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
	})
}

// carry connects from each of the sources that are its input, and returns what the server saw.
func carry(_ context.Context, s *Sandbox, input json.RawMessage, _ func(any)) (any, error) {
	var sources, all []string
	if err := json.Unmarshal(input, &sources); err != nil {
		return nil, err
	}
	for _, text := range sources {
		source := netip.MustParseAddr(text)
		server := s.ServerAddr4
		if source.Is6() {
			server = s.ServerAddr6
		}
		seen, err := carryFrom(s, source, server)
		if err != nil {
			return nil, fmt.Errorf("from %s: %w", source, err)
		}
		all = append(all, seen.String())
	}
	return all, nil
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
	everywhere(t, func(t *testing.T, mode Mode) {
		for _, tt := range tests {
			from := strings.Fields(tt.from)
			seen, _ := resultOf[[]string](t, Spec{Mode: mode, Topology: tt.topology, Sources: tt.extra}, Job{Name: "carry", Input: from})
			if diff := cmp.Diff(from, seen); diff != "" {
				t.Errorf("%s: sources seen by the server (-want +got):\n%s", tt.topology, diff)
			}
		}
	})
}

func TestSysctlRefused(t *testing.T) {
	tests := []struct {
		sysctl   Sysctl
		errno    syscall.Errno
		hostWide bool
		value    bool // there is the key, and not this value
		rounded  bool // to the kernel's tick, without a word
	}{
		{sysctl: Sysctl{"net.ipv4.tcp_no_such_key", "1"}, errno: syscall.ENOENT},
		{sysctl: Sysctl{"net.core.netdev_max_backlog", "1000"}, errno: syscall.ENOENT, hostWide: true},
		{sysctl: Sysctl{"net.ipv4.tcp_tw_reuse", "17"}, errno: syscall.EINVAL},
		{sysctl: Sysctl{"net.ipv4.tcp_tw_reuse_delay", "0"}, errno: syscall.EINVAL},
		{sysctl: Sysctl{"net.ipv4.tcp_congestion_control", "lastack-none"}, errno: syscall.ENOENT, value: true},
		{sysctl: Sysctl{"net.ipv4.tcp_available_congestion_control", "reno"}, errno: syscall.EACCES},
		{sysctl: Sysctl{"net.ipv4.neigh.lo.base_reachable_time_ms", "30001"}, rounded: true},
	}
	contained(t)
	everywhere(t, func(t *testing.T, mode Mode) {
		for _, tt := range tests {
			t.Run(tt.sysctl.String(), func(t *testing.T) {
				if tt.sysctl.Key == "net.ipv4.tcp_tw_reuse_delay" && readTrimmed(procSys(tt.sysctl.Key)) == "" {
					t.Skipf("this kernel has no %s", tt.sysctl.Key)
				}
				c, err := Start(t.Context(), Spec{Mode: mode, Sysctls: []Sysctl{tt.sysctl}}, Job{Name: "echo"})
				skipDenied(t, err)
				if err == nil {
					_, err = c.Wait()
					if err == nil && tt.rounded {
						t.Skip("a tick is one millisecond here: the kernel held the value")
					}
				}
				got, ok := errors.AsType[*SysctlError](err)
				if !ok {
					t.Fatalf("%v, want a *SysctlError", err)
				}
				// Only the first network namespace shows what is the whole host's.
				first := visible("net.ipv4.tcp_mem")
				absent := tt.errno == syscall.ENOENT && !tt.value
				if got.Sysctl != tt.sysctl || got.HostWide != (tt.hostWide && first) || got.Hidden != (absent && !first) || (got.Held == "") != absent || errnoOf(err) != tt.errno {
					t.Errorf("%+v with errno %v, want %+v", got, errnoOf(err), tt)
				}
				if !strings.Contains(err.Error(), tt.sysctl.Key) {
					t.Errorf("error does not name the key: %v", err)
				}
			})
		}
	})
}

// What only root's namespaces have is no mistake of root's, and not the whole host's.
func TestSysctlOfRoot(t *testing.T) {
	c := Sysctl{"net.ipv6.route.gc_thresh", "2048"}
	if !visible(c.Key) {
		t.Skipf("this process sees no %s", c.Key)
	}
	contained(t)
	everywhere(t, func(t *testing.T, mode Mode) {
		got, err := Try(t.Context(), Spec{Mode: mode}, Trial{Each: []Sysctl{c}})
		skipDenied(t, err)
		if err != nil {
			t.Fatal(err)
		}
		e, refused := errors.AsType[*SysctlError](got.Each[0])
		if mode == Root && refused || mode == User && (!refused || !e.RootOnly || e.HostWide) {
			t.Errorf("%v", got.Each[0])
		}
	})
}

// A process that ends before its sandbox is on: by itself, which this host may be the reason of, or by a signal.
func TestEndsBeforeItIsOn(t *testing.T) {
	t.Setenv(envDesert, "exit")
	_, err := Start(t.Context(), Spec{Mode: User}, Job{Name: "echo"})
	skipDenied(t, err)
	e, ok := errors.AsType[*Error](err)
	died, isDied := errors.AsType[*DiedError](err)
	if !ok || e.step != stepStart || !isDied || died.Code != 3 {
		t.Errorf("%v, want step %q and exit status 3", err, stepStart)
	}
	t.Setenv(envDesert, "kill")
	_, err = Start(t.Context(), Spec{Mode: User}, Job{Name: "echo"})
	if died, ok := err.(*DiedError); !ok || died.Signal != syscall.SIGKILL {
		t.Errorf("%v, want SIGKILL", err)
	}
}

func TestBadSpecs(t *testing.T) {
	for _, spec := range []Spec{
		{Topology: "ring"},
		{Mode: "god"},
		{Loss: 1.5},
		{Loss: -1},
		{Sysctls: []Sysctl{{"kernel.hostname", "x"}}},
		{Sources: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8")}},
	} {
		_, err := Start(t.Context(), spec, Job{Name: "echo"})
		if e, ok := errors.AsType[*Error](err); !ok || e.step != stepSpec {
			t.Errorf("%+v: %v", spec, err)
		}
	}
}

func TestLoss(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, mode Mode) {
		t.Parallel()
		for _, topology := range []Topology{Lo, Veth} {
			t.Run(string(topology), func(t *testing.T) {
				t.Parallel()
				spec := Spec{Mode: mode, Topology: topology, Loss: 0.04}
				if _, err := Start(t.Context(), spec, Job{Name: "nothing"}); slices.Contains([]syscall.Errno{syscall.EOPNOTSUPP, syscall.EPROTONOSUPPORT}, errnoOf(err)) {
					t.Skip(err)
				}
				p, cell := resultOf[packets](t, spec, Job{Name: "lose"})
				if cell.Status().Loss != "4%" {
					t.Errorf("status says loss %q, want 4%%", cell.Status().Loss)
				}
				// A connection takes five packets at least; of 500 none is lost with a chance of 1e-9, a fifth with less.
				if p.Arrived < 500 || p.Dropped == 0 || p.Dropped > p.Arrived/5 {
					t.Errorf("%+v, want about 4 %% of at least 500 dropped", p)
				}
			})
		}
	})
}

func TestBlackhole(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, mode Mode) {
		t.Parallel()
		seen, _ := resultOf[[]string](t, Spec{Mode: mode, Topology: Veth}, Job{Name: "blackhole"})
		want := []string{"FIN_WAIT_1 FIN_WAIT_1", "FIN_WAIT_1 CLOSING", "client 1", "server 1"}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("states and TIME_WAITs (-want +got):\n%s", diff)
		}
	})
}

func TestOrphansAreDestroyed(t *testing.T) {
	everywhere(t, func(t *testing.T, mode Mode) {
		for topology, want := range map[Topology][][]int{Lo: {{200}, {0}}, Veth: {{100, 100}, {0, 0}}} {
			seen, _ := resultOf[[][]int](t, Spec{Mode: mode, Topology: topology}, Job{Name: "orphans"})
			if diff := cmp.Diff(want, seen); diff != "" {
				t.Errorf("%s: orphans before and after close (-want +got):\n%s", topology, diff)
			}
		}
	})
}
