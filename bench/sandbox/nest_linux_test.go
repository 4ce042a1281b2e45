package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lastack/bench/record"
	"lastack/sockstate/sockio"
)

const testEntries = 1 << 20

// needsHash skips where the kernel has no connection hash for a namespace.
func needsHash(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(procSys(ehashKey)); err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		t.Skipf("this kernel has no %s", ehashKey)
	}
}

// hashFacts is what a sandbox with a connection hash of its own looks like from inside: each sysctl by
// namespace, client's and, with Veth, server's.
type hashFacts struct {
	Entries, Buckets []string
	Parent           int // the process that the kernel says started this one
	Group            bool
	Comm             string
	NetAdmin         bool
}

func readHash(s *Sandbox) (hashFacts, error) {
	f := hashFacts{Parent: os.Getppid(), Group: syscall.Getpgrp() == os.Getpid(), Comm: readTrimmed("/proc/self/comm")}
	for _, ns := range s.namespaces() {
		err := ns.Do(func() error {
			f.Entries = append(f.Entries, readTrimmed(procSys("net.ipv4.tcp_ehash_entries")))
			f.Buckets = append(f.Buckets, readTrimmed(procSys("net.ipv4.tcp_max_tw_buckets")))
			f.NetAdmin = sockio.LoopbackUp() == nil
			return nil
		})
		if err != nil {
			return f, err
		}
	}
	return f, nil
}

func TestLargerHash(t *testing.T) {
	needsHash(t)
	everywhere(t, func(t *testing.T, mode Mode) {
		for topology, namespaces := range map[Topology]int{Lo: 1, Veth: 2} {
			f, cell := resultOf[hashFacts](t, Spec{Mode: mode, Topology: topology, EhashEntries: testEntries}, Job{Name: "hash"})
			status := record.Sandbox{Mode: string(mode), Topology: string(topology), EhashEntries: testEntries}
			if diff := cmp.Diff(status, cell.Status()); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
			want := hashFacts{
				Entries: slices.Repeat([]string{strconv.Itoa(testEntries)}, namespaces),
				Buckets: slices.Repeat([]string{strconv.Itoa(testEntries / 2)}, namespaces),
				Parent:  os.Getpid(), Group: true, NetAdmin: true, Comm: ownComm(),
			}
			if diff := cmp.Diff(want, f); diff != "" {
				t.Errorf("%s (-want +got):\n%s", topology, diff)
			}
		}
	})
}

// ownComm is the name of a process that is called as this one is.
func ownComm() string {
	name := filepath.Base(os.Args[0])
	return name[:min(len(name), 15)] // TASK_COMM_LEN
}

// The hash does not change what a sandbox is otherwise.
func TestLargerHashCarries(t *testing.T) {
	needsHash(t)
	everywhere(t, func(t *testing.T, mode Mode) {
		from := []string{"198.18.77.5", "fd6c:6173:7461:1::1"}
		seen, _ := resultOf[[]string](t, Spec{Mode: mode, Topology: Veth, EhashEntries: testEntries}, Job{Name: "carry", Input: from})
		if diff := cmp.Diff(from, seen); diff != "" {
			t.Errorf("sources seen by the server (-want +got):\n%s", diff)
		}
	})
}

// A process that is inside already, or in no fresh namespace, goes no further.
func TestNestIsForFreshNamespaces(t *testing.T) {
	host, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	before := readTrimmed(procSys(ehashKey))
	handoffs := []handoff{
		{Host: host, Spec: Spec{EhashEntries: testEntries}},
		{Host: "net:[1]", Outer: host, Spec: Spec{EhashEntries: testEntries}},
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	if lo.Attrs().RawFlags&unix.IFF_UP != 0 {
		handoffs = append(handoffs, handoff{Host: "net:[1]", Spec: Spec{EhashEntries: testEntries}})
	} else {
		// nest would take this namespace for a fresh one, and start the tests over inside of it, without end.
		t.Log("lo is down here: left out that nest minds a lo that is up")
	}
	for _, h := range handoffs {
		if err := nest(&h); err == nil {
			t.Fatalf("%+v: no error", h)
		}
	}
	if after := readTrimmed(procSys(ehashKey)); after != before {
		t.Errorf("%s was %s and is %s", ehashKey, before, after)
	}
}
