package loadgen

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"lastack/server"
	"lastack/sockstate/sockio"
)

// engines are the backends that these tests run both ends on, as --engine names them.
var engines = []string{"epoll", "uring"}

// eachEngine runs a test on each of engines.
func eachEngine(t *testing.T, f func(t *testing.T, b sockio.Backend)) {
	for _, name := range engines {
		t.Run(name, func(t *testing.T) { f(t, engine(t, name)) })
	}
}

// engine is the backend called name. A test skips where the kernel does not have it, for the reason that a
// run would be told.
func engine(t testing.TB, name string) sockio.Backend {
	t.Helper()
	b, _, err := sockio.Choose(name)
	if err == nil {
		return b
	}
	if best, reason, _ := sockio.Choose("auto"); best.Name != name && reason != "" {
		t.Skipf("no %s: %s", name, reason)
	}
	t.Fatal(err)
	return b
}

// What the process may have more of after many runs than after a few: the runtime keeps
// threads that it has once needed, and the allocator memory. A histogram (270 KB) or a receive buffer
// (64 KiB) left by each of hundreds of runs would be above it.
const (
	slackThreads = 8
	slackRSS     = 16 << 20
)

// Runs one after the other in one process, as a program that embeds the packages makes
// them, leave nothing behind: no goroutine, descriptor, thread or memory.
func TestShortRunsLeaveNothing(t *testing.T) {
	runs := 300
	if testing.Short() {
		runs = 100
	}
	eachEngine(t, func(t *testing.T, b sockio.Backend) {
		l := newLab(t) // guards goroutines and descriptors
		for i := range 20 {
			l.shortRun(b, i)
		}
		threads, rss := threadsNow(t), residentNow(t)
		for i := range runs {
			l.shortRun(b, i)
		}
		for end := time.Now().Add(bound); threadsNow(t) > threads+slackThreads; runtime.Gosched() {
			// Those of goroutines that have ended may be on their way out.
			if time.Now().After(end) {
				t.Fatalf("%d threads after %d runs, %d before", threadsNow(t), runs, threads)
			}
		}
		now := residentNow(t)
		t.Logf("%d threads, then %d; %d KiB resident, then %d", threads, threadsNow(t), rss>>10, now>>10)
		if now > rss+slackRSS {
			t.Errorf("%d KiB resident after %d runs, %d before", now>>10, runs, rss>>10)
		}
	})
}

// shortRun is a whole run of both ends; i chooses how it ends.
func (l *lab) shortRun(b sockio.Backend, i int) {
	l.t.Helper()
	const n = 8
	p := loadOf(n, netip.AddrPort{})
	g := &p.Groups[0]
	g.Exchange = mustExchange([]string{"none", "echo:1,1"}[i%2])
	g.Close = mustPolicy([]string{"client:rst", "client:half", "never"}[i%3])
	s, err := server.Start(server.Config{
		Addrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Slots: n,
		Exchange: g.Exchange, Close: g.Close, Namespace: l.ns, Backend: b,
	})
	if err != nil {
		l.t.Fatal(err)
	}
	g.Targets = s.Addrs()
	load, err := New(Config{Plan: p, Namespace: l.ns, Backend: b})
	if err != nil {
		l.t.Fatal(err)
	}
	mustStart(context.Background(), l.t, load)
	r := finish(l.t, load)
	if err := load.Close(); err != nil {
		l.t.Errorf("run %d: close the load: %v", i, err)
	}
	if _, err := s.Stop(); err != nil {
		l.t.Errorf("run %d: stop the server: %v", i, err)
	}
	if a := r.Groups[0].Ledger.Attempted; a == 0 || a > n {
		l.t.Fatalf("run %d: attempted %d of %d", i, a, n)
	}
}

func threadsNow(t *testing.T) int {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(tasks)
}

// residentNow is the process's VmRSS in bytes, garbage given back.
func residentNow(t *testing.T) int64 {
	t.Helper()
	debug.FreeOSMemory()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(b), &size, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
