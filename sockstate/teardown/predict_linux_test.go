package teardown

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/exchange"
)

// Every policy, reaction and exchange, one after the other and all at once: what
// the kernel counts, the states that it shows and what the sides see lie in the
// prediction.
func TestPredictAgainstTheKernel(t *testing.T) {
	for _, policy := range policies {
		for _, reaction := range reactions {
			for _, size := range []int{0, 1} {
				for _, concurrent := range []bool{false, true} {
					name := fmt.Sprintf("%s,%s,size=%d,concurrent=%v", policy, reaction, size, concurrent)
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						n := 200
						if !concurrent && reaction != "close" {
							n = 20 // each waits for the delay, or for a delayed ACK
						}
						d := drill{mustPolicy(t, policy), mustReaction(t, reaction), size}
						against(t, newLab(t), d, n, concurrent, Env{})
					})
				}
			}
		}
	}
}

// An exchange of many segments is still under way when the unread data is dropped,
// and its rest may be when a side has its own part.
func TestPredictAgainstLargeExchanges(t *testing.T) {
	for _, policy := range policies {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			d := drill{mustPolicy(t, policy), Reaction{}, 1 << 20}
			against(t, newLab(t), d, 20, true, Env{})
		})
	}
}

// What a leak's end adds: the entry that the descriptor held back, and no other.
func TestPredictAgainstReleasedLeaks(t *testing.T) {
	for _, policy := range []string{"client:fin", "server:fin", "client:half", "server:half"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			const n = 50
			l := newLab(t)
			d := drill{mustPolicy(t, policy), Reaction{Kind: ReactNever}, 1}
			before := l.counters()
			o := l.run(d, n, true)
			l.settle(fw2, cw)
			active, passive := d.policy.sides()
			count := func(when string, want sockstate.Range) {
				t.Helper()
				if got := Observed(l.counters().Since(before))[CounterTimeWaits]; !want.Contains(got) {
					t.Errorf("%s: %d entries, want %v", when, got, want)
				}
			}
			nearly := sockstate.Range{Min: n * 9 / 10, Max: n} // all but the full orphans
			if d.policy.How == Half {
				count("held", sockstate.Range{})
			} else {
				count("held", nearly)
			}
			o.release(active)
			l.settle(fw2, cw)
			count("active side released", nearly)
			o.release(passive)
			if final := l.settle(tw); final[active][tw] != n {
				t.Errorf("%d TIME_WAITs, want %d", final[active][tw], n)
			}
			count("both released", exactly(n))
		})
	}
}

// Both FINs are held back until both are sent, so that they cross for sure.
func TestPredictAgainstASimultaneousClose(t *testing.T) {
	l := newLab(t)
	before := l.counters()
	var pair [sockstate.NumSides]int
	err := l.ns.Do(func() (err error) {
		pair[0], err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	if err := unix.Connect(pair[0], l.addr); err != nil {
		t.Fatal(err)
	}
	if pair[1], _, err = unix.Accept4(l.listener, unix.SOCK_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])

	drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}
	for _, fd := range pair {
		if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop}); err != nil {
			t.Fatal(err)
		}
	}
	for _, fd := range pair {
		if err := unix.Shutdown(fd, unix.SHUT_WR); err != nil {
			t.Fatal(err)
		}
	}
	if c := l.settle(fw1); c[0][fw1] != 1 || c[1][fw1] != 1 {
		t.Fatalf("both FINs are held back, and the sides are in %v", c)
	}
	// The server's retransmitted FIN does not acknowledge the client's, which it never saw.
	if err := unix.SetsockoptInt(pair[0], unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return l.settle(crs, fw1)[0][crs] == 1 })
	if err := unix.SetsockoptInt(pair[1], unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0); err != nil {
		t.Fatal(err)
	}
	if c := l.settle(tw); c[0][tw] != 1 || c[1][tw] != 1 {
		t.Errorf("the sides are in %v, want TIME_WAIT both", c)
	}
	q := Predict(mustPolicy(t, "both:fin"), Reaction{}, exchange.Spec{}, Env{})
	if got := Observed(l.counters().Since(before))[CounterTimeWaits]; got != q.TimeWaits.Max {
		t.Errorf("%d entries, want the most that is predicted, %d", got, q.TimeWaits.Max)
	}
}

func waitFor(t *testing.T, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !f(); pause() {
		if time.Now().After(deadline) {
			t.Fatal("did not happen in a minute")
		}
	}
}

// tcp_fin_timeout decides what becomes of an orphan, and tcp_max_tw_buckets of a TIME_WAIT.
func TestPredictAgainstSysctls(t *testing.T) {
	tests := []struct {
		policy, reaction string
		finTimeout       int // seconds, -1 for 0
		buckets          int
		want             holder
	}{
		{policy: "client:fin", reaction: "close", finTimeout: 1, want: heldByClient},
		{policy: "client:fin", reaction: "delay=300ms", finTimeout: 3, want: heldByClient},
		{policy: "client:fin", reaction: "delay=3s", finTimeout: 1, want: HeldByNone},
		{policy: "server:linger=1s", reaction: "delay=3s", finTimeout: 1, want: HeldByNone},
		{policy: "client:half", reaction: "delay=3s", finTimeout: 1, want: heldByClient},
		{policy: "client:fin", reaction: "delay=300ms", finTimeout: -1, want: heldByClient},
		{policy: "client:fin", reaction: "delay=1500ms", finTimeout: -1, want: HeldByNone},
		{policy: "client:fin", reaction: "never", finTimeout: 1, want: HeldByNone},
		{policy: "client:half", reaction: "never", finTimeout: 1, want: HeldByNone},
		{policy: "client:fin", reaction: "delay=300ms", finTimeout: 120, want: heldByClient},
		{policy: "client:fin", reaction: "delay=1500ms", finTimeout: 61, want: heldByClient},
		{policy: "client:fin", reaction: "delay=4s", finTimeout: 61, want: HeldByNone},
		{policy: "client:fin", reaction: "never", finTimeout: 61, want: HeldByNone},
		{policy: "client:fin", reaction: "close", buckets: 10, want: heldByClient},
		{policy: "server:fin", reaction: "delay=300ms", buckets: 10, want: heldByServer},
		{policy: "client:half", reaction: "close", buckets: 10, want: heldByClient},
		{policy: "both:fin", reaction: "close", buckets: 10, want: HeldByEither},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s,%s,fin_timeout=%d,tw_buckets=%d", tt.policy, tt.reaction, tt.finTimeout, tt.buckets), func(t *testing.T) {
			t.Parallel()
			const n = 50
			var sysctls []string
			env := Env{FinTimeout: time.Duration(tt.finTimeout) * time.Second}
			if tt.finTimeout < 0 {
				sysctls, env.FinTimeout = append(sysctls, "net.ipv4.tcp_fin_timeout=0"), time.Nanosecond
			} else if tt.finTimeout > 0 {
				sysctls = append(sysctls, fmt.Sprintf("net.ipv4.tcp_fin_timeout=%d", tt.finTimeout))
			}
			if tt.buckets > 0 {
				sysctls = append(sysctls, fmt.Sprintf("net.ipv4.tcp_max_tw_buckets=%d", tt.buckets))
				env.Lifecycles, env.MaxTWBuckets = n, tt.buckets
			}
			d := drill{mustPolicy(t, tt.policy), mustReaction(t, tt.reaction), 1}
			if got := against(t, newLab(t, sysctls...), d, n, true, env).TimeWait; got != tt.want {
				t.Errorf("TIME_WAIT is predicted on %v, want %v", got, tt.want)
			}
		})
	}
}

// against runs n drills in the lab and holds what happens against the prediction.
func against(t *testing.T, l *lab, d drill, n int, concurrent bool, env Env) Prediction {
	t.Helper()
	var e exchange.Spec
	if d.size > 0 {
		e = exchange.Spec{Kind: exchange.Echo, Request: d.size, Response: d.size}
	}
	q := Predict(d.policy, d.reaction, e, env)
	before := l.counters()

	stop := l.watch()
	defer stop()
	o := l.run(d, n, concurrent)
	final := l.settle(lasting(&q, env)...)
	seen := stop()

	delta := l.counters().Since(before)
	got := Observed(delta)
	t.Logf("n=%d: %v, OutRsts %d; saw %v; TIME_WAIT %d+%d, FIN_WAIT_2 %d+%d", n, got, delta["TcpOutRsts"], o.saw,
		final[0][tw], final[1][tw], final[0][fw2], final[1][fw2])
	for name, want := range q.Counters(int64(n)) {
		if !want.Contains(got[name]) {
			t.Errorf("%s moved by %d, predicted %v", name, got[name], want)
		}
	}
	for side, saw := range o.saw {
		for s, k := range saw {
			if q.Observes[side]&s == 0 {
				t.Errorf("%d times the %v saw %v, predicted %v", k, sockstate.Side(side), s, q.Observes[side])
			}
		}
	}
	checkStates(t, &q, seen)
	checkHolder(t, &q, final, n, env)
	return q
}

// lasting are the states that the prediction lets a connection end in; an orphan
// that nobody answers for 60 s is not waited for.
func lasting(q *Prediction, env Env) (states []sockstate.State) {
	for _, paths := range q.Paths {
		for _, p := range paths {
			last := p[len(p)-1]
			if last == shut && p[len(p)-2] == fw2 && env.FinTimeout == 0 {
				last = fw2
			}
			states = append(states, last)
		}
	}
	return states
}

func checkStates(t *testing.T, q *Prediction, seen census) {
	t.Helper()
	for side, counts := range seen {
		var may [sockstate.NumStates]bool
		may[sockstate.SynSent], may[sockstate.SynRecv] = true, true
		may[shut] = true // a client's socket before connect, any after an RST
		for _, p := range q.Paths[side] {
			for _, s := range p {
				may[s] = true
			}
		}
		for s, k := range counts {
			if k > 0 && !may[s] {
				t.Errorf("the %v was seen in %v, on none of its paths %v", sockstate.Side(side), sockstate.State(s), q.Paths[side])
			}
		}
	}
}

func checkHolder(t *testing.T, q *Prediction, final census, n int, env Env) {
	t.Helper()
	most := n
	if env.Lifecycles > env.MaxTWBuckets {
		// The kernel looks at the count before it raises it (inet_twsk_alloc), so each CPU may go one
		// above the limit, and its softirq another.
		n, most = env.MaxTWBuckets, env.MaxTWBuckets+2*runtime.NumCPU()
	}
	within := func(got int) bool { return got >= n && got <= most }
	got := [sockstate.NumSides]int{final[0][tw], final[1][tw]}
	ok := false
	switch q.TimeWait {
	case HeldByNone:
		ok = got[0] == 0 && got[1] == 0
	case heldByClient:
		ok = within(got[0]) && got[1] == 0
	case heldByServer:
		ok = got[0] == 0 && within(got[1])
	case HeldByEither:
		ok = got[0]+got[1] > 0 && got[0]+got[1] <= 2*most
	}
	if !ok {
		t.Errorf("TIME_WAIT of %d to %d connections: client %d, server %d, predicted on %v", n, most, got[0], got[1], q.TimeWait)
	}
}
