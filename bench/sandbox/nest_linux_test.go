package sandbox

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lastack/bench/record"
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

func TestLargerHash(t *testing.T) {
	needsHash(t)
	for _, w := range everyone {
		for _, topology := range []Topology{Lo, Veth} {
			t.Run(string(w)+"/"+string(topology), func(t *testing.T) {
				d, lines := run(t, driver(t, w, "hash", Spec{Topology: topology, EhashEntries: testEntries}))
				if d.Err != "" || d.Exit != 0 {
					t.Fatalf("exit %d: %s", d.Exit, d.Err)
				}
				mode := User
				if w == asRoot {
					mode = Root
				}
				if diff := cmp.Diff(record.Sandbox{Mode: string(mode), Topology: string(topology), EhashEntries: testEntries}, d.Status); diff != "" {
					t.Errorf("status (-want +got):\n%s", diff)
				}
				var f hashFacts
				if err := json.Unmarshal([]byte(strings.Join(lines, "")), &f); err != nil {
					t.Fatal(err)
				}
				each := func(n int) []string {
					if topology == Veth {
						return []string{strconv.Itoa(n), strconv.Itoa(n)}
					}
					return []string{strconv.Itoa(n)}
				}
				want := hashFacts{
					Entries: each(testEntries), Buckets: each(testEntries / 2),
					Parent: f.Handoff, Handoff: f.Handoff, Group: true, NetAdmin: true, Comm: filepath.Base("/proc/self/exe"),
				}
				if diff := cmp.Diff(want, f); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
	}
}

// The hash does not change what a sandbox is otherwise.
func TestLargerHashCarries(t *testing.T) {
	needsHash(t)
	for _, w := range everyone {
		spec := Spec{Topology: Veth, EhashEntries: testEntries}
		d, lines := run(t, driver(t, w, "carry", spec, "SANDBOX_TEST_SOURCES=198.18.77.5 fd6c:6173:7461:1::1"))
		if diff := cmp.Diff([]string{"198.18.77.5", "fd6c:6173:7461:1::1"}, lines); d.Err != "" || diff != "" {
			t.Errorf("%s: %s; sources seen by the server (-want +got):\n%s", w, d.Err, diff)
		}
	}
	d, _ := run(t, driver(t, asUser, "exit7", Spec{EhashEntries: testEntries}))
	if d.Err != "" || d.Exit != 7 {
		t.Errorf("exit %d (%s), want 7", d.Exit, d.Err)
	}
}

// The thread that goes inside has to ask for PDEATHSIG itself.
func TestKilledParentTakesTheNestedChildAlong(t *testing.T) {
	needsHash(t)
	for _, w := range everyone {
		t.Run(string(w), func(t *testing.T) {
			s := startSession(t, driver(t, w, "wait", Spec{Topology: Veth, EhashEntries: testEntries}))
			s.expect("ready")
			if err := s.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = s.cmd.Wait() // signal: killed
			s.awaitGone()
			for delay := time.Duration(0); delay <= 40*time.Millisecond; delay += 2 * time.Millisecond {
				s := startSession(t, driver(t, w, "wait", Spec{EhashEntries: testEntries}))
				<-time.After(delay)
				if err := s.cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				_ = s.cmd.Wait() // signal: killed
				s.awaitGone()
			}
		})
	}
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
