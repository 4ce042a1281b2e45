package server

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"lastack/sockstate/sockio"
)

// Server is a server at work.
type Server struct {
	cfg       Config
	listeners [][]*sockio.Listener // by address
	closing   sync.Mutex           // of listeners: a Stop may overtake a Shutdown
	addrs     []netip.AddrPort
	workers   []*worker
	running   sync.WaitGroup
	mu        sync.Mutex // one message at a time
	final     Stats
	stopped   bool
	failed    chan error
}

// Start listens and serves. Its errors are *ConfigError, or wrap a *sockio.Error.
func Start(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	s := &Server{cfg: cfg, failed: make(chan error, 2*cfg.Workers)}
	if err := cfg.Namespace.Do(s.listen); err != nil {
		s.closeListeners()
		return nil, err
	}
	opened := make(chan error, cfg.Workers)
	begin := make(chan bool)
	for id := range cfg.Workers {
		w := newWorker(&s.cfg, id)
		s.workers = append(s.workers, w)
		s.running.Go(func() {
			// Its errors go to opened and failed.
			_ = sockio.OnOwnThread(func() error { s.work(w, opened, begin); return nil })
		})
	}
	var errs []error
	for range cfg.Workers {
		errs = append(errs, <-opened)
	}
	err := errors.Join(errs...)
	for _, e := range errs {
		if e == nil {
			begin <- err == nil
		}
	}
	if err != nil {
		s.running.Wait()
		s.closeListeners()
		return nil, fmt.Errorf("start the server's workers: %w", err)
	}
	return s, nil
}

func (s *Server) work(w *worker, opened chan<- error, begin <-chan bool) {
	err := w.open(s.listenersOf(w.id))
	opened <- err
	if err != nil {
		return
	}
	if <-begin {
		if err := w.run(); err != nil {
			s.failed <- fmt.Errorf("server worker %d: %w", w.id, err)
			w.answerUntilStopped()
		}
	}
	if err := w.loop.CloseAll(true); err != nil {
		s.failed <- err
	}
}

func (s *Server) listen() error {
	for _, a := range s.cfg.Addrs {
		if err := s.vacant(a); err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		i := len(s.listeners)
		s.listeners = append(s.listeners, nil)
		for range s.cfg.Listeners {
			ln, err := sockio.Listen(a, sockio.ListenConfig{Backlog: s.cfg.Backlog, ReusePort: s.cfg.Listeners > 1})
			if err != nil {
				return fmt.Errorf("listen: %w", err)
			}
			a = ln.Addr // the others share the port that port 0 became
			s.listeners[i] = append(s.listeners[i], ln)
		}
		s.addrs = append(s.addrs, a)
	}
	return nil
}

// vacant returns an error if somebody listens on a. With SO_REUSEPORT the kernel would let
// every process of the same user in (inet_csk_bind_conflict), and a server that was
// forgotten would get its share of the connections without a word.
func (s *Server) vacant(a netip.AddrPort) error {
	if s.cfg.Listeners < 2 || a.Port() == 0 {
		return nil
	}
	ln, err := sockio.Listen(a, sockio.ListenConfig{Backlog: 1})
	if err != nil {
		return err
	}
	return ln.Close()
}

// listenersOf deals an address's listeners out to the workers; where there are fewer
// of them than workers, workers share one.
func (s *Server) listenersOf(id int) (mine []*sockio.Listener) {
	for _, same := range s.listeners {
		if len(same) <= s.cfg.Workers {
			mine = append(mine, same[id%len(same)])
			continue
		}
		for i := id; i < len(same); i += s.cfg.Workers {
			mine = append(mine, same[i])
		}
	}
	return mine
}

func (s *Server) closeListeners() {
	s.closing.Lock()
	defer s.closing.Unlock()
	for _, same := range s.listeners {
		for _, ln := range same {
			_ = ln.Close() // nothing depends on it any more
		}
	}
	s.listeners = nil
}

// Addrs are the addresses listened on, with their ports.
func (s *Server) Addrs() []netip.AddrPort { return slices.Clone(s.addrs) }

// Threads lists the thread ids of the workers.
func (s *Server) Threads() []int {
	var ids []int
	for _, w := range s.workers {
		ids = append(ids, w.thread)
	}
	return ids
}

// Failed delivers the error of a worker that could not go on.
func (s *Server) Failed() <-chan error { return s.failed }

// say sends a message to every worker and sums the answers.
func (s *Server) say(kind messageKind, stall time.Duration) Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return s.final.clone()
	}
	answers := make(chan Stats, len(s.workers))
	for _, w := range s.workers {
		w.message.Store(&message{kind: kind, stall: stall, done: answers})
		w.loop.Wake()
	}
	var sum Stats
	for range s.workers {
		one := <-answers
		sum.add(&one)
	}
	if kind == sayStop {
		s.stopped = true
		s.final = sum
		return sum.clone()
	}
	return sum
}

// Stats is the ledger so far.
func (s *Server) Stats() Stats { return s.say(sayStats, 0) }

// Stall makes every worker do nothing for d: a server that hangs.
func (s *Server) Stall(d time.Duration) { s.say(sayStall, d) }

// Shutdown drains: it stops listening, which resets what is still in the accept
// queue, closes idle connections, lets the others have their reply, and waits until all
// are gone, but for those that stay by policy, or ctx is done. Stop must follow, and may come before it returns.
func (s *Server) Shutdown(ctx context.Context) (drained bool) {
	st := s.say(sayDrain, 0)
	s.closeListeners()
	for st.Open > st.Stuck {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(5 * time.Millisecond):
		}
		st = s.Stats()
	}
	return true
}

// Stop ends the server: open connections are reset. It returns the final ledger.
func (s *Server) Stop() (Stats, error) {
	st := s.say(sayStop, 0)
	s.closeListeners()
	s.running.Wait()
	select {
	case err := <-s.failed:
		return st, err
	default:
		return st, nil
	}
}
