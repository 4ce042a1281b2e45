package server

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/sockio"
	"lastack/sockstate/socktest"
)

// backends are those that this kernel allows.
func backends(t *testing.T) (all []sockio.Backend) {
	t.Helper()
	for _, name := range []string{"epoll", "uring"} {
		b, _, err := sockio.Choose(name)
		if err != nil && name == "uring" {
			t.Logf("without io_uring: %v", err)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// end shuts a server down that must have no connection left then, and returns its ledger.
func end(t *testing.T, s *Server) Stats {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	drained := s.Shutdown(ctx)
	st, err := s.Stop()
	if err != nil || !drained || st.Open != 0 || st.Outcomes[sockstate.OutcomeAborted] != 0 {
		t.Errorf("drained %v, %v: %v", drained, err, st.Counts())
	}
	checkLedger(t, &st)
	return st
}

// begin starts a server and clients; load is how long they have before the shutdown.
func begin(t *testing.T, cfg Config) (*Server, *swarm) {
	t.Helper()
	s, err := Start(cfg)
	if err != nil {
		t.Error(err)
		return nil, nil
	}
	return s, &swarm{addr: s.Addrs()[0].String()}
}

// underWay waits until the server has answered so many.
func underWay(t *testing.T, s *Server, requests int64) {
	t.Helper()
	for end := time.Now().Add(bound); s.Stats().Requests < requests; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("%d requests answered, want %d", s.Stats().Requests, requests)
			return
		}
	}
}

// Whoever asks all the time, or has connected, has a reply.
func TestGracefulLosesNothing(t *testing.T) {
	socktest.Guard(t)
	tries(t, 20, 4, func(t *testing.T, cfg Config) {
		cfg.Delay = time.Millisecond
		s, w := begin(t, cfg)
		if s == nil {
			return
		}
		for range 6 {
			w.keepAlive(0)
			w.keepAlive(5 * time.Millisecond)
			w.arrivals()
		}
		underWay(t, s, 300)
		st := end(t, s)
		w.wg.Wait()
		if lost := w.cut.Load() + w.raced.Load() + w.resets.Load() - w.late.Load(); lost > 0 || st.Cut+st.QueueReset != 0 {
			t.Errorf("%s: %d lost: %d cut, %d raced, %d reset; %v", cfg.Backend.Name, lost, w.cut.Load(), w.raced.Load(), w.resets.Load(), st.Counts())
		}
		if st.Requests != w.answered.Load() || st.Closing != w.closing.Load() || st.Accepted < w.connected.Load() {
			t.Errorf("the clients have %d replies, %d with close, on %d connections; %v", w.answered.Load(), w.closing.Load(), w.connected.Load(), st.Counts())
		}
	})
}

// What the server has received and not answered is what it says to have cut.
func TestAbruptCutsWhatItsLedgerSays(t *testing.T) {
	socktest.Guard(t)
	tries(t, 20, 4, func(t *testing.T, cfg Config) {
		cfg.Delay = 2 * time.Millisecond
		cfg.Shutdown.Kind = abrupt
		if backend := cfg.Backend.New; cfg.Listeners == 2 {
			cfg.Backend.New = func(c sockio.Config) (sockio.Loop, error) {
				l, err := backend(c)
				return poorLoop{l}, err
			}
		}
		s, w := begin(t, cfg)
		if s == nil {
			return
		}
		idle := dial(t, s)
		w.partial()
		for range 6 {
			w.keepAlive(0)
			w.keepAlive(5 * time.Millisecond)
			w.arrivals()
		}
		underWay(t, s, 200)
		st := end(t, s)
		w.wg.Wait()
		idle.eof()
		if st.Cut != w.cut.Load() || st.Requests != w.answered.Load() {
			t.Errorf("%s: the ledger says %d answered and %d cut, the clients say %d and %d, and %d raced: %v", cfg.Backend.Name,
				st.Requests, st.Cut, w.answered.Load(), w.cut.Load(), w.raced.Load(), st.Counts())
		}
		if st.QueueReset != 0 || st.Outcomes[sockstate.OutcomeAbruptFIN] == 0 || st.Cut == 0 {
			t.Errorf("%v", st.Counts())
		}
	})
}

// poorLoop has no privilege, and cannot filter.
type poorLoop struct{ sockio.Loop }

func (l poorLoop) Freeze(s sockio.Sock, _ bool) error {
	return l.Loop.(sockio.Freezer).Freeze(s, false)
}

func TestRSTResetsAll(t *testing.T) {
	socktest.Guard(t)
	tries(t, 20, 4, func(t *testing.T, cfg Config) {
		cfg.Shutdown.Kind = resetAll
		cfg.Workers, cfg.Listeners = 1, 1
		cfg.Slots, cfg.Delay = 10, time.Hour
		s, _ := begin(t, cfg)
		if s == nil {
			return
		}
		var all []*client
		for range 10 {
			all = append(all, dial(t, s))
		}
		settled(t, s, 10, 10)
		for range 5 { // for which there is no slot
			all = append(all, dial(t, s))
		}
		for _, c := range all[5:8] {
			c.say(get)
		}
		all[8].say(get[:5])
		if n := s.queued(); n != 5 {
			t.Errorf("%d connections are queued, want 5", n)
		}
		st := end(t, s)
		for _, c := range all {
			c.aborted()
		}
		if st.Outcomes[sockstate.OutcomeShutdownRST] != 10 || st.QueueReset != 5 || st.Cut != 4 || st.Requests != 0 {
			t.Errorf("%s: %v, want 10 reset, 5 in the queue, 4 requests cut", cfg.Backend.Name, st.Counts())
		}
	})
}

// The kernel goes on completing handshakes for a server that does not accept any more.
func TestListenerLast(t *testing.T) {
	socktest.Guard(t)
	tries(t, 20, 10, func(t *testing.T, cfg Config) {
		cfg.Shutdown.Kind = listenerLast
		s, w := begin(t, cfg)
		if s == nil {
			return
		}
		w.keepAlive(0)
		idle, busy := dial(t, s), dial(t, s)
		// In the middle of a request, which the server waits for: it is not gone before the test has looked.
		busy.say("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
		busy.hear(len("HTTP/1.1 100 Continue\r\n\r\n"))
		underWay(t, s, 3)
		began := time.Now()
		over := makeOver(t, s)
		w.wg.Wait() // the server drains
		if n := w.cut.Load() + w.raced.Load() + w.resets.Load() - w.late.Load(); n > 0 {
			t.Errorf("%d requests lost", n)
		}
		var queued []net.Conn
		for range 5 {
			c, err := net.Dial("tcp", s.Addrs()[0].String())
			if err != nil {
				t.Errorf("while the listener is open: %v", err)
				continue
			}
			defer c.Close()
			_, _ = io.WriteString(c, get) // it stays in the queue
			queued = append(queued, c)
		}
		idle.eof()
		busy.say("x")
		busy.reply("POST")
		busy.eof()
		st := <-over
		if d := time.Since(began); d < listenerLastStays {
			t.Errorf("the listener was closed after %v", d)
		}
		for _, c := range queued {
			_ = c.SetDeadline(time.Now().Add(bound))
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
				t.Errorf("a connection that was never accepted: %v, want %v", err, unix.ECONNRESET)
			}
		}
		if st.QueueReset != 5 || st.Cut != 0 {
			t.Errorf("%s: %v, want 5 reset in the queue", cfg.Backend.Name, st.Counts())
		}
	})
}

func TestLameDuck(t *testing.T) {
	socktest.Guard(t)
	tries(t, 20, 10, func(t *testing.T, cfg Config) {
		cfg.Shutdown = Shutdown{lameDuck, 500 * time.Millisecond}
		s, w := begin(t, cfg)
		if s == nil {
			return
		}
		idle := dial(t, s)
		for range 4 {
			w.keepAlive(5 * time.Millisecond)
		}
		underWay(t, s, 20)
		began := time.Now()
		over := makeOver(t, s)
		w.wg.Wait() // each has been told to close
		c := dial(t, s)
		c.say(get)
		if r := c.reply("GET"); !r.Close {
			t.Error("the reply to a new connection does not say that it will close")
		}
		c.eof()
		st := <-over
		if d := time.Since(began); d < cfg.Shutdown.LameDuck {
			t.Errorf("it served for %v more", d)
		}
		idle.eof()
		if n := w.cut.Load() + w.raced.Load() + w.resets.Load() - w.late.Load(); n > 0 || st.Cut+st.QueueReset != 0 {
			t.Errorf("%s: %d lost, %v", cfg.Backend.Name, n, st.Counts())
		}
		if st.Accepted != 6 || st.Closing != 5 || st.Requests != w.answered.Load()+1 {
			t.Errorf("%s: %v: want 5 of 6 connections told to close", cfg.Backend.Name, st.Counts())
		}
	})
}

// A client that has connected when the shutdown begins, and was not accepted, is not forgotten, and one that says nothing does
// not keep the server.
func TestGracefulAcceptsWhatIsQueued(t *testing.T) {
	socktest.Guard(t)
	tries(t, 4, 4, func(t *testing.T, cfg Config) {
		cfg.Workers, cfg.Listeners = 1, 1
		backend, stall := socktest.Stalling(cfg.Backend)
		cfg.Backend = backend
		s, _ := begin(t, cfg)
		if s == nil {
			return
		}
		stall(200 * time.Millisecond)
		asks, silent := dial(t, s), dial(t, s)
		asks.say(get)
		st := end(t, s)
		asks.reply("GET")
		asks.eof()
		silent.eof()
		if st.Accepted != 2 || st.Outcomes[sockstate.OutcomeDrained]+st.Outcomes[sockstate.OutcomeFIN] != 2 || st.QueueReset != 0 {
			t.Errorf("%s: %v", cfg.Backend.Name, st.Counts())
		}
	})
}

// eagerLoop goes on accepting.
type eagerLoop struct{ sockio.Loop }

func (eagerLoop) StopAccept() {}

// What the kernel accepts after the server has stopped to is closed, though the client does not speak.
func TestLateAcceptsAreDrained(t *testing.T) {
	socktest.Guard(t)
	tries(t, 2, 2, func(t *testing.T, cfg Config) {
		backend := cfg.Backend.New
		cfg.Backend.New = func(c sockio.Config) (sockio.Loop, error) {
			l, err := backend(c)
			return eagerLoop{l}, err
		}
		cfg.Shutdown.Kind = listenerLast
		s, _ := begin(t, cfg)
		if s == nil {
			return
		}
		over := makeOver(t, s)
		var late []*client
		for range 20 {
			late = append(late, dial(t, s))
			time.Sleep(10 * time.Millisecond)
		}
		st := <-over
		for _, c := range late {
			if _, err := c.r.ReadByte(); err == nil {
				t.Error("a byte from nowhere")
			}
		}
		if st.Outcomes[sockstate.OutcomeDrained] != st.Accepted || st.Accepted == 0 {
			t.Errorf("%s: %v, want all drained", cfg.Backend.Name, st.Counts())
		}
	})
}

// makeOver shuts the server down on another goroutine.
func makeOver(t *testing.T, s *Server) <-chan Stats {
	over := make(chan Stats, 1)
	go func() { over <- end(t, s) }()
	return over
}

// Pipelined requests are answered to the last, which says that it is.
func TestGracefulAnswersWhatIsPipelined(t *testing.T) {
	socktest.Guard(t)
	tries(t, 4, 4, func(t *testing.T, cfg Config) {
		cfg.Delay = 100 * time.Millisecond
		s, _ := begin(t, cfg)
		if s == nil {
			return
		}
		c := dial(t, s)
		c.say(get + get + get)
		settled(t, s, 1, 1)
		st := end(t, s)
		for i := range 3 {
			if r := c.reply("GET"); r.Close != (i == 2) {
				t.Errorf("reply %d: close %v", i, r.Close)
			}
		}
		c.eof()
		if st.Requests != 3 || st.Closing != 1 {
			t.Errorf("%s: %v", cfg.Backend.Name, st.Counts())
		}
	})
}

// What is pipelined is cut one by one.
func TestAbruptCountsWhatIsPipelined(t *testing.T) {
	socktest.Guard(t)
	tries(t, 4, 4, func(t *testing.T, cfg Config) {
		cfg.Delay, cfg.Shutdown.Kind = time.Hour, abrupt
		s, _ := begin(t, cfg)
		if s == nil {
			return
		}
		read, unread := dial(t, s), dial(t, s)
		read.say(get + get + get[:9])
		unread.say(get)
		settled(t, s, 2, 2)
		unread.say(get + get[:9])
		st := end(t, s)
		if st.Cut != 6 || st.Requests != 0 || st.Outcomes[sockstate.OutcomeAbruptFIN]+st.Outcomes[sockstate.OutcomeAbruptRST] != 2 {
			t.Errorf("%s: %v, want 6 cut", cfg.Backend.Name, st.Counts())
		}
		for _, c := range []*client{read, unread} {
			if n, err := io.Copy(io.Discard, c.r); n != 0 || err != nil && !errors.Is(err, unix.ECONNRESET) {
				t.Errorf("%d bytes of a reply, %v", n, err)
			}
		}
	})
}

// What the grace does not suffice for is reset, and counted.
func TestCutWhenTheGraceIsOver(t *testing.T) {
	socktest.Guard(t)
	tries(t, 4, 4, func(t *testing.T, cfg Config) {
		cfg.Slow = time.Hour
		s, _ := begin(t, cfg)
		if s == nil {
			return
		}
		slow, fast := dial(t, s), dial(t, s)
		slow.say("GET /slow?x HTTP/1.1\r\nHost: x\r\n\r\n")
		fast.say(get)
		fast.reply("GET")
		settled(t, s, 2, 2)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if s.Shutdown(ctx) {
			t.Error("drained")
		}
		st, err := s.Stop()
		checkLedger(t, &st)
		if err != nil || st.Cut != 1 || st.Requests != 1 {
			t.Errorf("%v: %v, want 1 cut and 1 answered", err, st.Counts())
		}
		slow.aborted()
	})
}
