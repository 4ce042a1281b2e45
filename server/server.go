package server

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"syscall"

	"lastack/sockstate/netns"
	"lastack/sockstate/sockio"
)

// Server is a server at work.
type Server struct {
	cfg       Config
	listeners [][]*sockio.Listener // by address
	closing   sync.Mutex           // of listeners: a Stop may overtake a Shutdown
	// queueReset counts connections that were never accepted. It goes with closing.
	queueReset int64
	addrs      []netip.AddrPort
	workers    []*worker
	running    sync.WaitGroup
	mu         sync.Mutex // one message at a time
	final      Stats
	stopped    bool
	failed     chan error
}

// Start listens and serves. Its errors are *sockstate.ValueError, or wrap a *sockio.Error.
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
			_ = netns.OnOwnThread(func() error { s.work(w, opened, begin); return nil })
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
			ln, err := sockio.Listen(a, sockio.ListenConfig{Backlog: s.cfg.Backlog, ReusePort: s.cfg.Listeners > 1 || s.cfg.ReusePort})
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

// vacant returns an error if somebody listens on a. With SO_REUSEPORT the kernel lets any process of the same user bind
// (inet_csk_bind_conflict), and a forgotten server would silently get its share of the connections.
func (s *Server) vacant(a netip.AddrPort) error {
	if s.cfg.ReusePort || s.cfg.Listeners < 2 || a.Port() == 0 {
		return nil
	}
	ln, err := sockio.Listen(a, sockio.ListenConfig{Backlog: 1})
	if err != nil {
		return err
	}
	return ln.Close()
}

// listenersOf distributes an address's listeners over the workers. If there are fewer listeners, workers share them.
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
func (s *Server) say(m message) Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return s.ledger(&s.final)
	}
	m.done = make(chan Stats, len(s.workers))
	for _, w := range s.workers {
		w.message.Store(&m)
		w.loop.Wake()
	}
	var sum Stats
	for range s.workers {
		one := <-m.done
		sum.add(&one)
	}
	if m.kind == sayStop {
		s.stopped = true
		s.final = sum
	}
	return s.ledger(&sum)
}

// ledger adds the counts that are not the workers'.
func (s *Server) ledger(sum *Stats) Stats {
	st := sum.clone()
	s.closing.Lock()
	defer s.closing.Unlock()
	st.QueueReset = s.queueReset
	return st
}

// Stats is the ledger so far.
func (s *Server) Stats() Stats { return s.say(message{kind: sayStats}) }

// IsTaken reports whether an error of Start says that an address is taken.
func IsTaken(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }
