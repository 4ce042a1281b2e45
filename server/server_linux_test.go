package server

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/sockio"
	"lastack/sockstate/socktest"
	"lastack/sockstate/teardown"
)

func TestValidate(t *testing.T) {
	for _, tc := range []struct {
		name         string
		change       func(c *Config)
		field, value string
	}{
		{"no address", func(c *Config) { c.Addrs = nil }, "listen", `""`},
		{"zero address", func(c *Config) { c.Addrs = make([]netip.AddrPort, 1) }, "listen", "invalid AddrPort"},
		{"multicast", func(c *Config) { c.Addrs = []netip.AddrPort{netip.MustParseAddrPort("[ff02::1]:80")} }, "listen", "[ff02::1]:80"},
		{"negative listeners", func(c *Config) { c.Listeners = -1 }, "listeners", "-1"},
		{"absurd listeners", func(c *Config) { c.Listeners = 1025 }, "listeners", "1025"},
		{"negative backlog", func(c *Config) { c.Backlog = -1 }, "backlog", "-1"},
		{"absurd backlog", func(c *Config) { c.Backlog = 1<<20 + 1 }, "backlog", "1048577"},
		{"negative workers", func(c *Config) { c.Workers = -1 }, "workers", "-1"},
		{"absurd workers", func(c *Config) { c.Workers = 1025 }, "workers", "1025"},
		{"negative requests", func(c *Config) { c.Requests = -1 }, "requests", "-1"},
		{"absurd requests", func(c *Config) { c.Requests = 1<<30 + 1 }, "requests", "1073741825"},
		{"negative slots", func(c *Config) { c.Slots = -1 }, "connections", "-1"},
		{"negative hold", func(c *Config) { c.Hold = -time.Second }, "hold", "-1s"},
		{"absurd hold", func(c *Config) { c.Hold = 721 * time.Hour }, "hold", "721h0m0s"},
		{"negative delay", func(c *Config) { c.Delay = -time.Second }, "delay", "-1s"},
		{"absurd delay", func(c *Config) { c.Delay = 2 * time.Hour }, "delay", "2h0m0s"},
		{"unread of nothing", func(c *Config) { c.Close.How = teardown.Unread; c.Exchange.Kind = 0 }, "close", "client:unread"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := config("client:fin", "close", "echo:1,1")
			tc.change(&cfg)
			_, err := Start(cfg)
			var ce *sockstate.ValueError
			if !errors.As(err, &ce) || ce.Name != tc.field || ce.Value != tc.value {
				t.Fatalf("Start() = %v, want a refusal of --%s %s", err, tc.field, tc.value)
			}
			if !strings.Contains(err.Error(), "want") && !strings.Contains(err.Error(), "needs") {
				t.Errorf("error %q does not say what is accepted", err)
			}
		})
	}
	cfg := config("client:fin", "close", "echo:1,1")
	if err := cfg.Validate(); err != nil {
		t.Errorf("Validate() = %v", err)
	}
}

func TestAddressInUse(t *testing.T) {
	socktest.Guard(t)
	s := start(t, config("client:fin", "close", "none"))
	cfg := config("client:fin", "close", "none")
	cfg.Addrs = append(cfg.Addrs, s.Addrs()...)
	_, err := Start(cfg)
	var se *sockio.Error
	if !errors.Is(err, unix.EADDRINUSE) || !errors.As(err, &se) || se.Call != "bind" && se.Call != "listen" {
		t.Fatalf("Start() = %v, want %v", err, unix.EADDRINUSE)
	}
	if !strings.Contains(err.Error(), s.Addrs()[0].String()) {
		t.Errorf("error %q does not name %v", err, s.Addrs()[0])
	}
	cfg.Addrs = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:0")}
	if _, err := Start(cfg); !errors.Is(err, unix.EADDRNOTAVAIL) {
		t.Errorf("Start() = %v, want %v", err, unix.EADDRNOTAVAIL)
	}
}

// Every worker is reached, however the listeners are dealt out.
func TestListeners(t *testing.T) {
	for _, tc := range []struct{ listeners, workers, addrs int }{
		{0, 0, 1}, {1, 3, 1}, {3, 1, 1}, {2, 2, 1}, {3, 2, 1}, {2, 3, 2}, {4, 2, 3},
	} {
		socktest.Guard(t)
		cfg := config("client:half", "close", "echo:1,1")
		cfg.Listeners, cfg.Workers = tc.listeners, tc.workers
		for len(cfg.Addrs) < tc.addrs {
			cfg.Addrs = append(cfg.Addrs, netip.MustParseAddrPort("[::1]:0"))
		}
		s := start(t, cfg)
		addrs := s.Addrs()
		seen := make(map[netip.AddrPort]bool)
		for _, a := range addrs {
			if a.Port() == 0 || seen[a] {
				t.Errorf("addresses %v: want a port of its own for each", addrs)
			}
			seen[a] = true
		}
		if len(addrs) != tc.addrs {
			t.Fatalf("%+v: listens on %v", tc, addrs)
		}
		if n := len(s.Threads()); n != max(tc.workers, 1) {
			t.Errorf("%+v: %d threads", tc, n)
		}
		const n = 50
		for i := range n {
			c, err := net.Dial("tcp", addrs[i%len(addrs)].String())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				t.Errorf("%+v: connection %d: %v", tc, i, err)
			}
			_ = c.Close()
		}
		st := settled(t, s, n, 0)
		if st.Outcomes[sockstate.OutcomeFIN] != n {
			t.Errorf("%+v: %v", tc, st.ByName())
		}
	}
}

// A server without a free slot leaves connections in the kernel's queue, which holds one more than
// the backlog, and takes them when it can.
func TestBacklogAndSlots(t *testing.T) {
	socktest.Guard(t)
	cfg := config("client:fin", "close", "echo:1,1")
	cfg.Slots, cfg.Backlog = 1, 1
	s := start(t, cfg)
	first := dial(t, s)
	settled(t, s, 1, 1)
	queued := []*client{dial(t, s), dial(t, s)}
	if c, err := net.DialTimeout("tcp", s.Addrs()[0].String(), 200*time.Millisecond); err == nil {
		t.Error("a connection more than the queue holds was opened")
		_ = c.Close()
	} else if ne, ok := err.(net.Error); !ok || !ne.Timeout() {
		t.Errorf("a connection more than the queue holds: %v, want a timeout", err)
	}
	_ = first.Close()
	for _, c := range queued {
		c.say("x")
		c.hear(1)
		_ = c.Close()
	}
	st := settled(t, s, 3, 0)
	if st.AcceptErrors[unix.EMFILE] == 0 {
		t.Errorf("accept errors %v, want some %v", st.AcceptErrors, unix.EMFILE)
	}
}

func TestHTTPClientsKeepAlive(t *testing.T) {
	socktest.Guard(t)
	cfg := config("client:fin", "close", "http:/")
	cfg.Workers = 2
	s := start(t, cfg)
	const clients, requests = 10, 50
	tr := &http.Transport{MaxConnsPerHost: clients, MaxIdleConnsPerHost: clients}
	hc := &http.Client{Transport: tr, Timeout: bound}
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range requests {
				r, err := hc.Get("http://" + s.Addrs()[0].String() + "/x?y")
				if err != nil {
					t.Error(err)
					return
				}
				b, err := io.ReadAll(r.Body)
				_ = r.Body.Close()
				if err != nil || string(b) != "lastack\n" || r.StatusCode != 200 {
					t.Errorf("status %d, body %q, %v", r.StatusCode, b, err)
				}
			}
		})
	}
	wg.Wait()
	st := s.Stats()
	if st.Requests != clients*requests || st.Accepted > clients {
		t.Errorf("%d requests on %d connections, want %d on at most %d", st.Requests, st.Accepted, clients*requests, clients)
	}
	tr.CloseIdleConnections()
	settled(t, s, st.Accepted, 0)
}

// http.Client retries nothing here: a server that closes after each reply says so.
func TestHTTPClientsWithAServerThatCloses(t *testing.T) {
	socktest.Guard(t)
	cfg := config("server:fin", "close", "http:/")
	cfg.Requests = 1
	s := start(t, cfg)
	tr := &http.Transport{}
	hc := &http.Client{Transport: tr, Timeout: bound}
	for range 20 {
		r, err := hc.Post("http://"+s.Addrs()[0].String(), "text/plain", strings.NewReader("a body"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(r.Body); err != nil || !r.Close {
			t.Errorf("close %v, %v", r.Close, err)
		}
		_ = r.Body.Close()
	}
	tr.CloseIdleConnections()
	if st := settled(t, s, 20, 0); st.Outcomes[sockstate.OutcomeFIN] != 20 {
		t.Errorf("outcomes %v", st.ByName())
	}
}

func TestShutdownDrains(t *testing.T) {
	socktest.Guard(t)
	cfg := config("client:fin", "close", "http:/")
	cfg.Delay, cfg.Workers = 300*time.Millisecond, 2
	s := start(t, cfg)
	idle, fresh, busy := dial(t, s), dial(t, s), dial(t, s)
	idle.say(get)
	idle.reply("GET")
	busy.say(get)
	settled(t, s, 3, 3)
	// The server has read the request once it has answered one that came later.
	probe := dial(t, s)
	probe.say(get)
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, c := range []*client{idle, fresh} {
			c.eof()
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	settled(t, s, 4, 4)
	if !s.Shutdown(ctx) {
		t.Errorf("not drained: %+v", s.Stats())
	}
	wg.Wait()
	busy.reply("GET")
	busy.eof()
	if c, err := net.Dial("tcp", s.Addrs()[0].String()); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("connect after Shutdown: %v, %v; want %v", c, err, unix.ECONNREFUSED)
	}
	st, err := s.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if st.Open != 0 || st.Outcomes[sockstate.OutcomeDrained] < 2 || st.Outcomes[sockstate.OutcomeAborted] != 0 || st.Outcomes[sockstate.OutcomeFIN] < 1 {
		t.Errorf("open %d, outcomes %v: want the idle ones drained, the busy one ended by FIN", st.Open, st.ByName())
	}
}

func TestShutdownWhileHolding(t *testing.T) {
	socktest.Guard(t)
	cfg := config("server:fin", "close", "echo:1,1")
	cfg.Hold = time.Hour
	s := start(t, cfg)
	c := dial(t, s)
	c.say("x")
	c.hear(1)
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	settled(t, s, 1, 1)
	if !s.Shutdown(ctx) {
		t.Error("not drained")
	}
	c.eof()
	if st := s.Stats(); st.Outcomes[sockstate.OutcomeDrained] != 1 {
		t.Errorf("outcomes %v", st.ByName())
	}
}

// A connection that stays in CLOSE_WAIT by policy is not waited for.
func TestShutdownLeavesStuckConnections(t *testing.T) {
	socktest.Guard(t)
	s := start(t, config("client:fin", "never", "echo:1,1"))
	c := dial(t, s)
	c.say("x")
	c.hear(1)
	_ = c.CloseWrite()
	for deadline := time.Now().Add(bound); s.Stats().Stuck != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the server does not notice the client's FIN")
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	if !s.Shutdown(ctx) {
		t.Error("not drained")
	}
	st, err := s.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if st.Outcomes[sockstate.OutcomeHeld] != 1 || st.Stuck != 0 || st.Open != 0 {
		t.Errorf("%+v, want one held", st)
	}
}

// What has not ended within the grace is reset by Stop.
func TestShutdownGivesUp(t *testing.T) {
	socktest.Guard(t)
	s := start(t, config("client:fin", "never", "echo:2,1"))
	half, stuck := dial(t, s), dial(t, s)
	half.say("x")
	stuck.say("xx")
	stuck.hear(1)
	_ = stuck.CloseWrite()
	probe := dial(t, s)
	probe.say("xx")
	probe.hear(1) // by now the server has read the others'
	probe.abort()
	settled(t, s, 3, 2)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if s.Shutdown(ctx) {
		t.Error("drained, with half a request under way")
	}
	st, err := s.Stop()
	if err != nil {
		t.Fatal(err)
	}
	if st.Outcomes[sockstate.OutcomeAborted] != 1 || st.Outcomes[sockstate.OutcomeHeld] != 1 {
		t.Errorf("outcomes %v: want one aborted and one held", st.ByName())
	}
	half.aborted()
	stuck.aborted()
}

// Whatever the order of the calls, nothing hangs and nothing is closed twice.
func TestOrderOfCalls(t *testing.T) {
	type step = func(t *testing.T, s *Server)
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	var (
		stop     = func(_ *testing.T, s *Server) { _, _ = s.Stop() }
		shutdown = func(t *testing.T, s *Server) {
			if !s.Shutdown(ctx) {
				t.Error("not drained")
			}
		}
		stats = func(t *testing.T, s *Server) {
			st := s.Stats()
			checkLedger(t, &st)
		}
		addrs = func(t *testing.T, s *Server) {
			if len(s.Addrs()) != 1 {
				t.Error("the address is gone")
			}
		}
	)
	for name, steps := range map[string][]step{
		"stop twice":             {stop, stop},
		"shutdown twice":         {shutdown, shutdown, stop},
		"shutdown after stop":    {stop, shutdown, stop},
		"stats after stop":       {stats, stop, stats, addrs},
		"address after shutdown": {addrs, shutdown, addrs, stop, addrs},
	} {
		t.Run(name, func(t *testing.T) {
			socktest.Guard(t)
			s := start(t, config("client:fin", "close", "none"))
			dial(t, s)
			settled(t, s, 1, 1)
			for _, f := range steps {
				f(t, s)
			}
			a, _ := s.Stop()
			b, _ := s.Stop()
			if a.Accepted != 1 || b.Accepted != 1 || a.Open != 0 || b.Open != 0 {
				t.Errorf("ledgers %+v and %+v", a, b)
			}
		})
	}
}

// A second signal: Stop while Shutdown still waits.
func TestStopOvertakesShutdown(t *testing.T) {
	socktest.Guard(t)
	s := start(t, config("client:fin", "close", "echo:2,1"))
	c := dial(t, s)
	c.say("x")
	probe := dial(t, s)
	probe.say("xx")
	probe.hear(1)
	probe.abort()
	settled(t, s, 2, 1)
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	over := make(chan bool)
	go func() { over <- s.Shutdown(ctx) }()
	st, err := s.Stop()
	if err != nil {
		t.Fatal(err)
	}
	<-over
	if st.Outcomes[sockstate.OutcomeAborted] != 1 {
		t.Errorf("outcomes %v", st.ByName())
	}
	c.aborted()
}

// brokenLoop fails when it is told to.
type brokenLoop struct {
	sockio.Loop
	broken *atomic.Bool
}

var errBroken = &sockio.Error{Call: "epoll_wait", Errno: unix.EBADF}

func (l brokenLoop) Wait(until int64) error {
	if l.broken.Load() {
		return errBroken
	}
	return l.Loop.Wait(until)
}

func TestWorkerThatFails(t *testing.T) {
	socktest.Guard(t)
	var broken atomic.Bool
	cfg := config("client:fin", "close", "echo:1,1")
	cfg.Backend.New = func(c sockio.Config) (sockio.Loop, error) {
		l, err := sockio.NewEpoll(c)
		return brokenLoop{l, &broken}, err
	}
	s := start(t, cfg)
	c := dial(t, s)
	c.say("x")
	c.hear(1)
	broken.Store(true)
	select {
	case err := <-s.Failed():
		if !errors.Is(err, unix.EBADF) || !strings.Contains(err.Error(), "server worker 0") {
			t.Errorf("Failed delivers %v", err)
		}
	case <-time.After(bound):
		t.Fatal("nobody says that the worker has failed")
	}
	st := s.Stats()
	checkLedger(t, &st)
	if st.Open != 1 || st.Requests != 1 {
		t.Errorf("ledger %+v", st)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if s.Shutdown(ctx) {
		t.Error("drained by a worker that has failed")
	}
	if st, err := s.Stop(); err != nil || st.Outcomes[sockstate.OutcomeAborted] != 1 {
		t.Errorf("Stop() = %v, %v", st.ByName(), err)
	}
	c.aborted()
}

// The error of a worker that nobody has asked about comes with Stop.
func TestStopTellsOfAFailure(t *testing.T) {
	socktest.Guard(t)
	var broken atomic.Bool
	cfg := config("client:fin", "close", "none")
	cfg.Workers = 3
	cfg.Backend.New = func(c sockio.Config) (sockio.Loop, error) {
		l, err := sockio.NewEpoll(c)
		return brokenLoop{l, &broken}, err
	}
	s, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	for range 20 {
		s.Stats() // wakes the workers
	}
	if _, err := s.Stop(); !errors.Is(err, unix.EBADF) {
		t.Errorf("Stop() = %v, want %v", err, errBroken)
	}
}

func TestWorkerThatCannotStart(t *testing.T) {
	socktest.Guard(t)
	want := &sockio.Error{Call: "epoll_create1", Errno: unix.EMFILE}
	var n atomic.Int32
	cfg := config("client:fin", "close", "none")
	cfg.Workers = 3
	cfg.Backend.New = func(c sockio.Config) (sockio.Loop, error) {
		if n.Add(1) == 2 {
			return nil, want
		}
		return sockio.NewEpoll(c)
	}
	if _, err := Start(cfg); !errors.Is(err, unix.EMFILE) || !strings.Contains(err.Error(), "epoll_create1") {
		t.Errorf("Start() = %v, want %v", err, want)
	}
}
