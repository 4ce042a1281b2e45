package rendezvous

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lastack/bench/record"
	"lastack/bench/shard"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// freeAddr is a loopback address that nobody listens on.
func freeAddr(t *testing.T) netip.AddrPort {
	t.Helper()
	l, addr := listen(t)
	_ = l.Close() // it was only asked for its address
	return addr
}

// listen listens until the test's end.
func listen(t *testing.T) (net.Listener, netip.AddrPort) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, l.Addr().(*net.TCPAddr).AddrPort()
}

func at(a netip.AddrPort) func(context.Context) (netip.AddrPort, error) {
	return func(context.Context) (netip.AddrPort, error) { return a, nil }
}

type outcome struct {
	Start
	err error
}

// meet has shards meet. spec changes what all have in common.
func meet(t *testing.T, n int, which []int, spec func(i int, s *Spec)) map[int]outcome {
	t.Helper()
	addr := freeAddr(t)
	type result struct {
		i int
		outcome
	}
	results := make(chan result)
	for _, i := range which {
		s := Spec{
			Shard: shard.Shard{I: i, N: n}, Name: addr.String(), Find: at(addr), Plan: "p", Version: "v1", Token: "secret", Timeout: 20 * time.Second, RunID: fmt.Sprint("run of ", i),
		}
		if spec != nil {
			spec(i, &s)
		}
		go func() {
			st, err := Meet(t.Context(), s)
			results <- result{i, outcome{st, err}}
		}()
	}
	all := map[int]outcome{}
	for range which {
		r := <-results
		all[r.i] = r.outcome
	}
	return all
}

func TestMeet(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 5, 64} {
		which := make([]int, n)
		for i := range which {
			which[i] = n - 1 - i // shard 0 comes last
		}
		all := meet(t, n, which, nil)
		for i, o := range all {
			if o.err != nil || o.RunID != "run of 0" || len(o.Absent) > 0 {
				t.Errorf("shard %d of %d: %+v", i, n, o)
				continue
			}
			// It is one clock, so that the offset is an error of the comparison.
			if o.Offset.Abs() > o.Uncertainty || o.At.Sub(all[0].At).Abs() > o.Uncertainty {
				t.Errorf("shard %d of %d starts %v from shard 0; its clock is %v ahead, within %v", i, n, o.At.Sub(all[0].At), o.Offset, o.Uncertainty)
			}
		}
	}
}

// Enough start when the time is over. Until then all hear that they wait, and shard 0 for whom.
func TestQuorum(t *testing.T) {
	t.Parallel()
	var heard [4][]string
	for i, o := range meet(t, 4, []int{0, 1, 3}, func(i int, s *Spec) {
		s.Timeout, s.Quorum = 3*time.Second, 3
		s.Waiting = func(absent []int) { heard[i] = append(heard[i], fmt.Sprint(absent)) }
	}) {
		if o.err != nil || len(o.Absent) != 1 || o.Absent[0] != 2 {
			t.Errorf("shard %d: %+v", i, o)
		}
		if n := len(heard[i]); n == 0 || i == 0 && heard[i][n-1] != "[2]" || i > 0 && n > 1 {
			t.Errorf("shard %d heard of %v", i, heard[i])
		}
	}
}

// A name that comes to exist late takes of the time for the others, and not of their number.
func TestQuorumLateName(t *testing.T) {
	t.Parallel()
	late := time.Now().Add(grace + 500*time.Millisecond)
	for i, o := range meet(t, 3, []int{0, 1}, func(i int, s *Spec) {
		s.Timeout, s.Quorum = 4*time.Second, 2
		if find := s.Find; i == 0 {
			s.Find = func(ctx context.Context) (netip.AddrPort, error) {
				if time.Now().Before(late) {
					return netip.AddrPort{}, errors.New("no such host")
				}
				return find(ctx)
			}
		}
	}) {
		if o.err != nil || len(o.Absent) != 1 || o.Absent[0] != 2 {
			t.Errorf("shard %d: %+v", i, o)
		}
	}
}

// What goes wrong ends the rendezvous of all, and each of them says why.
func TestFailures(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		n     int
		which []int
		spec  func(i int, s *Spec)
		// of is the shard that the error is about, want a part of each one's sentence.
		of   int
		want map[int]string
	}{
		{
			"a shard does not come", 4,
			[]int{0, 1, 3},
			func(_ int, s *Spec) { s.Timeout = 2 * time.Second },
			2,
			map[int]string{0: "shard 2 did not come within 2s", 1: "shard 2 did not come", 3: "shard 2 did not come"},
		},
		{
			"two do not come, and are too many", 4,
			[]int{0, 1},
			func(_ int, s *Spec) { s.Timeout, s.Quorum = 2*time.Second, 3 },
			2,
			map[int]string{0: "shards 2 and 3 did not come", 1: "shards 2 and 3 did not come"},
		},
		{
			"another plan", 2,
			[]int{0, 1},
			func(i int, s *Spec) { s.Plan = fmt.Sprint(i) },
			1,
			map[int]string{0: "shard 1 has another plan", 1: "shard 1 has another plan"},
		},
		{
			"another number of shards", 2,
			[]int{0, 1},
			func(i int, s *Spec) { s.Shard.N += i },
			1,
			map[int]string{0: "shard 1 has 3 shards, shard 0 has 2", 1: "shard 1 has 3 shards"},
		},
		{
			"another token", 2,
			[]int{0, 1},
			func(i int, s *Spec) { s.Token, s.Timeout = fmt.Sprint(i), 2*time.Second },
			1,
			map[int]string{0: "shard 1 did not come within 2s (1 refused, which had another token)", 1: "another token"},
		},
		{
			"nobody listens", 2,
			[]int{1},
			func(_ int, s *Spec) { s.Timeout = time.Millisecond },
			0,
			map[int]string{1: "within 1ms (connection refused): start it there"},
		},
		{
			"a name that does not exist for a shard", 2,
			[]int{1},
			func(_ int, s *Spec) {
				s.Timeout, s.Name = time.Millisecond, "web.example:1"
				s.Find = func(context.Context) (netip.AddrPort, error) {
					return netip.AddrPort{}, &net.DNSError{Err: "no such host", Name: "web.example", IsNotFound: true}
				}
			},
			0,
			map[int]string{1: "no address of web.example:1 was found within 1ms (no such host)"},
		},
		{
			"a name that does not exist", 2,
			[]int{0},
			func(_ int, s *Spec) {
				s.Timeout, s.Name = 300*time.Millisecond, "web.example:1"
				s.Find = func(context.Context) (netip.AddrPort, error) { return netip.AddrPort{}, errors.New("no such name") }
			},
			0,
			map[int]string{0: "shard 0 finds no address of web.example:1 within 300ms"},
		},
		{
			"a name that is loopback here", 2,
			[]int{0},
			func(_ int, s *Spec) {
				s.Timeout, s.Name = 300*time.Millisecond, "web.example:1"
			},
			1,
			map[int]string{0: "shard 1 did not come within 300ms: here web.example is 127.0.0.1, which other hosts cannot reach"},
		},
		{
			"not this host's address", 2,
			[]int{0},
			func(_ int, s *Spec) {
				s.Find, s.Name = at(netip.MustParseAddrPort("[fd6c:6173:7461:3::9]:1")), "web.example:1"
			},
			0,
			map[int]string{0: "shard 0 cannot listen at web.example:1"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for i, o := range meet(t, tc.n, tc.which, tc.spec) {
				e, ok := errors.AsType[*Error](o.err)
				if !ok || e.Shard != tc.of || !strings.Contains(e.Error(), tc.want[i]) {
					t.Errorf("shard %d: %v, want %q of shard %d", i, o.err, tc.want[i], tc.of)
				}
				if ok && record.RedactText(e.Error()) != e.Error() {
					t.Errorf("shard %d: %q is taken for a secret", i, e)
				}
			}
		})
	}
}

func TestTwins(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	errs := make(chan error)
	for _, i := range []int{0, 1, 1} {
		s := Spec{Shard: shard.Shard{I: i, N: 3}, Name: addr.String(), Find: at(addr), Timeout: 10 * time.Second}
		go func() {
			_, err := Meet(t.Context(), s)
			errs <- err
		}()
	}
	for range 3 {
		if err := <-errs; err == nil || !strings.Contains(err.Error(), "two processes say that they are shard 1") {
			t.Error(err)
		}
	}
}

// A shard that dies before the start may come again.
func TestComesAgain(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	first, cancel := context.WithCancel(t.Context())
	went := make(chan error)
	s := Spec{Shard: shard.Shard{I: 1, N: 3}, Name: addr.String(), Find: at(addr), Timeout: 20 * time.Second}
	started := make(chan outcome)
	go func() {
		s := s
		s.Shard.I = 0
		st, err := Meet(t.Context(), s)
		started <- outcome{st, err}
	}()
	go func() {
		_, err := Meet(first, s)
		went <- err
	}()
	time.AfterFunc(500*time.Millisecond, cancel) // mostly when it waits for shard 2
	if err := <-went; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	for _, i := range []int{1, 2} {
		s := s
		s.Shard.I = i
		go func() {
			time.Sleep(300 * time.Millisecond) // shard 0 sees that the first has gone
			st, err := Meet(t.Context(), s)
			started <- outcome{st, err}
		}()
	}
	for range 3 {
		if o := <-started; o.err != nil {
			t.Error(o.err)
		}
	}
}

// The others hear that shard 0 was stopped.
func TestStopped(t *testing.T) {
	t.Parallel()
	addr := freeAddr(t)
	first, cancel := context.WithCancel(t.Context())
	spec := func(i int) Spec {
		return Spec{Shard: shard.Shard{I: i, N: 3}, Name: addr.String(), Find: at(addr), Timeout: 20 * time.Second}
	}
	ended := make(chan error)
	go func() {
		_, err := Meet(first, spec(0))
		ended <- err
	}()
	go func() {
		_, err := Meet(t.Context(), spec(1))
		cancel() // unless it was before
		ended <- err
	}()
	time.AfterFunc(500*time.Millisecond, cancel) // mostly when shard 1 has come
	for range 2 {
		err := <-ended
		_, ours := errors.AsType[*Error](err)
		late := ours && strings.Contains(err.Error(), "did not listen") // a busy machine
		if !errors.Is(err, context.Canceled) && !late && (!ours || !strings.Contains(err.Error(), "shard 0 was stopped")) {
			t.Error(err)
		}
	}
}

// Strangers do not disturb shard 0, and what is no lastack is told apart.
func TestStrangers(t *testing.T) {
	t.Parallel()
	for _, said := range []string{"", "GET / HTTP/1.1\r\n\r\n", "\x00\x01\x02", "{}\n", `{"hello":{"magic":"other"}}` + "\n", strings.Repeat("x", 1<<20)} {
		t.Run(fmt.Sprintf("%.10q", said), func(t *testing.T) {
			t.Parallel()
			var strangers sync.WaitGroup
			met := make(chan struct{})
			stranger := func(addr string) {
				for {
					if c, err := net.Dial("tcp", addr); err == nil {
						_, _ = io.WriteString(c, said)
						<-met
						c.Close()
						return
					}
					select {
					case <-met:
						return
					case <-time.After(10 * time.Millisecond):
					}
				}
			}
			all := meet(t, 2, []int{0, 1}, func(i int, s *Spec) {
				if addr := s.Name; i == 0 {
					strangers.Go(func() { stranger(addr) })
				}
			})
			close(met)
			strangers.Wait()
			if all[0].err != nil || all[1].err != nil {
				t.Error(all)
			}
		})
		t.Run(fmt.Sprintf("shard 0 says %.10q", said), func(t *testing.T) {
			t.Parallel()
			ln, addr := listen(t)
			go func() {
				if c, err := ln.Accept(); err == nil {
					_, _ = io.WriteString(c, said)
					c.Close()
				}
			}()
			_, err := Meet(t.Context(), Spec{Shard: shard.Shard{I: 1, N: 2}, Name: addr.String(), Find: at(addr), Timeout: 5 * time.Second})
			e, ok := errors.AsType[*Error](err)
			// The end of a connection with data unread is a reset, which may overtake what was said.
			if !ok || e.Shard != 0 || said == "" && !strings.Contains(e.Text, "ended the connection and said nothing") || !strings.Contains(e.Text, "is no shard 0") {
				t.Error(err)
			}
		})
	}
}

// What was so last is what a shard says that heard of no start, or did not reach shard 0.
func TestLate(t *testing.T) {
	t.Parallel()
	now, s := time.Now(), &Spec{Name: "web.example:1", Timeout: time.Minute}
	const together = "start all shards at about the same time, or give all a longer --rendezvous-timeout"
	for _, tc := range []struct {
		j    joining
		want string
	}{
		{joining{began: now.Add(-62 * time.Second), reached: now.Add(-62 * time.Second)}, "what listens at web.example:1 said nothing within 1m2s: is it shard 0?"},
		{joining{began: now.Add(-62 * time.Second), reached: now.Add(-2 * time.Second)}, "what listens at web.example:1 was reached after 1m0s, and said nothing in the 2s left: is it shard 0?"},
		{
			joining{heard: true, began: now.Add(-62 * time.Second), reached: now.Add(-2 * time.Second)},
			"shard 0 at web.example:1 was reached after 1m0s, and the clocks were not compared in the 2s left: " + together,
		},
		{
			joining{heard: true, waits: true, began: now.Add(-62 * time.Second), reached: now.Add(-20 * time.Second)},
			"shard 0 at web.example:1 was reached after 42s, and announced no start in the 20s left, as it waits for other shards: " + together,
		},
	} {
		tc.j.Spec = s
		if got := tc.j.late().Error(); got != "rendezvous: "+tc.want {
			t.Errorf("got  %s\nwant rendezvous: %s", got, tc.want)
		}
	}
	const want = "nothing answered at web.example:1 within 1m0s: does shard 0 run there, and can this host reach it?"
	if got := s.unreached(true, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"hello":{"magic":"lastack-rendezvous/1","i":1,"n":2,"plan":"p","version":"v"}}`))
	f.Add([]byte(`{"start":{"at":1,"run_id":"r","absent":[1,2]}}`))
	f.Add([]byte(`{"ready":true,"error":"x"}`))
	f.Add([]byte(`{"answer":{"t1":1,"t2":-9223372036854775808,"t3":9223372036854775807}}`))
	f.Add([]byte(`{"answer":{"t1":1,"t2":1,"t3":9223372036854775807}}`))
	f.Add([]byte(`{"start":{"at":9223372036854775807,"run_id":"r"}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		m, err := parse(line)
		if err == nil && m.Hello == nil && m.Ask == nil && m.Answer == nil && !m.Ready && m.Start == nil && m.Error == "" {
			t.Errorf("%q is no message", line)
		}
		if m.Answer != nil {
			const now, trip = 1_700_000_000_000_000_000, time.Second
			c := clocks{now, m.Answer.T2, m.Answer.T3}
			ahead, way, ok := c.compare(trip)
			if ok && (way < 0 || way > trip || c.T2 > now+int64(trip) && ahead > 0 || c.T2 < now && ahead < 0) {
				t.Errorf("%+v: ahead by %v, %v on the way", c, ahead, way)
			}
		}
	})
}
