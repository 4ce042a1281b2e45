package loadgen

import (
	"context"
	"net/netip"
	"runtime"
	"testing"

	"lastack/server"
	"lastack/sockstate/sockio"
)

// What a whole run allocates beside its lifecycles: the start, snapshots, the runtime itself.
const allowedMallocs = 120

// In the steady state a lifecycle allocates nothing, at neither end: load and server are both of
// this process, and what is counted is the whole life, from the first dial to the last close.
func TestLifecycleAllocatesNothing(t *testing.T) {
	const n = 3_000
	eachEngine(t, func(t *testing.T, b sockio.Backend) {
		for _, x := range []string{"none", "echo:1,1"} {
			for _, policy := range []string{"client:rst", "client:fin", "client:half", "server:fin"} {
				t.Run(x+" "+policy, func(t *testing.T) {
					l := newLab(t)
					p := loadOf(n, netip.AddrPort{})
					g := &p.Groups[0]
					g.Connections, g.Exchange, g.Close = 64, mustExchange(x), mustPolicy(policy)
					g.Targets = l.serve(server.Config{Exchange: g.Exchange, Close: g.Close, Backend: b}).Addrs()
					load := l.newLoad(Config{Plan: p, Backend: b})
					var before, after runtime.MemStats
					runtime.ReadMemStats(&before)
					mustStart(context.Background(), t, load)
					<-load.Done()
					runtime.ReadMemStats(&after)
					if got := finish(t, load).Groups[0].Ledger; got.Completed() != n {
						t.Fatalf("outcomes %v", outcomes(&got))
					}
					t.Logf("%d allocations in %d lifecycles", after.Mallocs-before.Mallocs, n)
					if mallocs := after.Mallocs - before.Mallocs; mallocs > allowedMallocs {
						t.Errorf("%d allocations in %d lifecycles, want at most %d", mallocs, n, allowedMallocs)
					}
				})
			}
		}
	})
}

func BenchmarkLifecycle(b *testing.B) {
	for _, bc := range []struct{ exchange, policy, engine string }{
		{"echo:1,1", "client:rst", "epoll"},
		{"echo:1,1", "client:fin", "epoll"},
		{"none", "client:rst", "epoll"},
		{"http:/", "server:fin", "epoll"},
		{"echo:1,1", "client:rst", "uring"},
		{"echo:1,1", "client:fin", "uring"},
		{"none", "client:rst", "uring"},
		{"http:/", "server:fin", "uring"},
	} {
		b.Run(bc.engine+" "+bc.exchange+" "+bc.policy, func(b *testing.B) {
			eng := engine(b, bc.engine)
			p := loadOf(int64(b.N), netip.AddrPort{})
			p.Workers = 2
			g := &p.Groups[0]
			g.Connections, g.Exchange, g.Close = 64, mustExchange(bc.exchange), mustPolicy(bc.policy)
			s, err := server.Start(server.Config{
				Addrs:    []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")},
				Exchange: g.Exchange, Close: g.Close, Workers: 2, Listeners: 2, Backend: eng,
			})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _, _ = s.Stop() }()
			g.Targets = s.Addrs()
			load, err := New(Config{Plan: p, Backend: eng})
			if err != nil {
				b.Fatal(err)
			}
			defer load.Close()
			b.ReportAllocs()
			b.ResetTimer()
			mustStart(context.Background(), b, load)
			<-load.Done()
			b.StopTimer()
			r, err := load.Wait()
			if err != nil {
				b.Fatal(err)
			}
			l := &r.Groups[0].Ledger
			if l.Attempted != int64(b.N) {
				b.Fatalf("attempted %d of %d", l.Attempted, b.N)
			}
			b.ReportMetric(float64(l.Completed())/b.Elapsed().Seconds(), "conn/s")
			b.ReportMetric(float64(l.Failed()), "failed")
		})
	}
}
