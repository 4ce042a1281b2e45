package setup

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/netns"
	"lastack/sockstate/sockio"
	"lastack/sockstate/teardown"
)

// envCharge has the test binary make the rings of a loop: its slots, and the one that it dials.
const envCharge = "BENCH_TEST_CHARGE"

// The kernel charges for rings what RingMemory says, to the page. Each try is a user's of its own, who
// has no other rings.
func TestRingMemory(t *testing.T) {
	if spec := os.Getenv(envCharge); spec != "" {
		t.Log(chargeRings(spec))
		return
	}
	switch {
	case os.Geteuid() != 0 || !netns.InInitialUserNamespace():
		t.Skipf("cannot become other users: euid %d, in the initial user namespace: %v", os.Geteuid(), netns.InInitialUserNamespace())
	case sockio.ProbeRing() != nil:
		t.Skip(sockio.ProbeRing())
	}
	const page = 4096
	uid := uint32(1<<30 + os.Getpid()<<5)
	for _, tt := range []struct {
		slots, used int
		rings       int
		bytes       int64
	}{
		{1, 1, 1, 5 * page},
		{64, 64, 1, 5 * page},
		{4136, 1, 1, 8 * page},
		{20_000, 1, 1, 12 * page},
		{20_000, 20_000, 1, 12 * page},
		{45_000, 20_001, 2, 24 * page},
		{45_000, 45_000, 3, 24*page + 8*page},
		{500_000, 500_000, 25, 300 * page},
	} {
		t.Run(fmt.Sprintf("%d of %d", tt.used, tt.slots), func(t *testing.T) {
			rings, bytes := sockio.RingMemory(tt.slots, tt.used, 20_000, false)
			if rings != tt.rings || bytes != tt.bytes {
				t.Fatalf("%d rings, %d bytes, want %d and %d", rings, bytes, tt.rings, tt.bytes)
			}
			for _, try := range []struct {
				limit int64
				want  string
			}{{bytes - page, "ENOMEM"}, {bytes, "made"}} {
				uid++
				cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestRingMemory$", "-test.v")
				cmd.Dir = "/"
				cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %d", envCharge, tt.slots, tt.used, try.limit))
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: 65534}}
				if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), ": "+try.want+"\n") {
					t.Errorf("with %d bytes: %v, %s; want %s", try.limit, err, out, try.want)
				}
			}
		})
	}
}

// chargeRings says what became of the rings.
func chargeRings(spec string) string {
	var slots, used int
	var limit uint64
	if _, err := fmt.Sscan(spec, &slots, &used, &limit); err != nil {
		return err.Error()
	}
	err := errors.Join(
		unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: limit, Max: limit}),
		unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 20_000, Max: 20_000}),
	)
	if err != nil {
		return err.Error()
	}
	err = netns.OnOwnThread(func() error {
		h := new(lastCompletion)
		uring, err := sockio.Named("uring")
		if err != nil {
			return err
		}
		loop, err := uring.New(sockio.Config{Slots: slots, Handler: h})
		if err != nil {
			return err
		}
		// A dial makes the rings up to its slot's; whether somebody listens does not matter.
		loop.Dial(sockio.Sock(used-1), &sockio.Dial{Remote: sockio.NewAddr(netip.MustParseAddrPort("127.0.0.1:1"))})
		for h.n == 0 && err == nil {
			err = loop.Wait(sockio.Never)
		}
		if err == nil && h.c.Op == sockio.OpSocket {
			err = h.c.Errno
		}
		return errors.Join(err, loop.CloseAll(true))
	})
	switch {
	case errors.Is(err, unix.ENOMEM):
		return "ENOMEM"
	case err != nil:
		return err.Error()
	}
	return "made"
}

// lastCompletion counts completions and keeps the last.
type lastCompletion struct {
	n int
	c sockio.Completion
}

func (h *lastCompletion) Complete(c *sockio.Completion) { h.n, h.c = h.n+1, *c }

// Where memory bounds the rings: what the plan has open counts, not the room that it may take.
func TestFitRings(t *testing.T) {
	const mebi = 1 << 20
	for _, tt := range []struct {
		name   string
		c      *asked
		engine string
		memory int64
		// rings are what was granted: the same slots as without a bound.
		rings  bool
		reason string // of epoll
		err    string
	}{
		{"the default", planOf(64, nil), "auto", 8 * mebi, true, "", ""},
		{"a million under the usual limit", planOf(1_000_000, plateau), "auto", 8 * mebi, true, "", ""},
		{"a hundred thousand in 1 MiB", planOf(100_000, plateau), "auto", mebi, true, "", ""},
		{"a server that leaks has rings as it leaks", planOf(64, func(_ *asked, g *loadgen.Group) { g.OnEOF.Kind = teardown.ReactNever }), "auto", mebi, true, "", ""},
		{"a schedule: what it holds, not what could pile up", planOf(0, atRate(10_000)), "auto", mebi, true, "", ""},
		{"a small load to a target, in 96 KiB", planOf(64, elsewhere), "auto", 96 << 10, true, "", ""},
		{
			"the default in 64 KiB", planOf(64, nil), "auto", 64 << 10, false,
			"--connections 64 needs 4 io_uring rings of 104 KiB in all, but RLIMIT_MEMLOCK allows all processes of this user only 64.0 KiB together: raise it (ulimit -l 152)", "",
		},
		{
			"rings or nothing", planOf(64, nil), "uring", 64 << 10, false, "",
			"--connections 64: needs 4 io_uring rings of 104 KiB in all, but RLIMIT_MEMLOCK allows all processes of this user only 64.0 KiB together: raise it (ulimit -l 152), use --engine auto",
		},
		{
			"neither memory nor descriptors", planOf(100_000, plateau), "auto", 64 << 10, false, "",
			"--connections 100,000: needs 12 io_uring rings of 576 KiB in all, but RLIMIT_MEMLOCK allows all processes of this user only 64.0 KiB together: raise it (ulimit -l 624), or ask for at most 9,963",
		},
		{
			"a million in 1 MiB", planOf(1_000_000, plateau), "auto", mebi, false, "",
			"--connections 1,000,000: needs 106 io_uring rings of 4.97 MiB in all, but RLIMIT_MEMLOCK allows all processes of this user only 1.00 MiB together: raise it (ulimit -l 5136), or ask for at most 179,508",
		},
		{
			"workers share a listener", planOf(100_000, all(plateau, func(c *asked, _ *loadgen.Group) { c.Server.Listeners = 1 })), "uring", 512 << 10, false, "",
			"--connections 100,000: needs 13 io_uring rings of 624 KiB in all, but RLIMIT_MEMLOCK allows all processes of this user only 512 KiB together: raise it (ulimit -l 672), or ask for at most 71,803",
		},
		{
			"what a schedule holds", planOf(0, all(atRate(10_000), func(c *asked, g *loadgen.Group) { g.Hold, c.Plan.Duration = 20*time.Second, time.Hour })), "uring", mebi, false, "",
			"--hold 20s: needs 22 io_uring rings of 1.03 MiB in all, but RLIMIT_MEMLOCK allows all processes of this user only 1.00 MiB together: raise it (ulimit -l 1104), use --engine auto, or ask for at most 179,508",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const limit = 20_000
			r := tt.c.until(t)
			r.spec.Engine = tt.engine
			load, server, err := r.divideRings(limit)
			if err != nil {
				t.Fatal(err)
			}
			gotLoad, gotServer, err := r.fitRings(load, server, limit, tt.memory)
			var refused *sockstate.ValueError
			switch {
			case tt.err != "":
				if !errors.As(err, &refused) || err.Error() != tt.err {
					t.Errorf("-want +got:\n%s", cmp.Diff(tt.err, fmt.Sprint(err)))
				}
				return
			case err != nil:
				t.Fatal(err)
			case tt.rings:
				if gotLoad != load || gotServer != server || r.Engine != uring {
					t.Errorf("room for %d and %d with %s, without a bound %d and %d", gotLoad, gotServer, r.Engine, load, server)
				}
			default:
				load, server, err := r.divideFds(limit)
				if err != nil || gotLoad != load || gotServer != server || r.Engine != epoll {
					t.Errorf("room for %d and %d with %q, want %d and %d with epoll (%v)", gotLoad, gotServer, r.Engine, load, server, err)
				}
			}
			if r.EngineReason != tt.reason {
				t.Errorf("-want +got:\n%s", cmp.Diff(tt.reason, r.EngineReason))
			}
		})
	}
}
