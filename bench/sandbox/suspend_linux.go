package sandbox

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// suspension extends a terminal's Ctrl-Z to the cells, which are not in its foreground group: SIGTSTP stops all cells and then this
// process; SIGCONT continues them. There is one for all cells, as a process stops as a whole. It catches the signals while cells
// exist.
type suspension struct {
	mu      sync.Mutex
	cells   map[*child]bool
	signals chan os.Signal
	over    chan struct{}
}

var suspended = suspension{cells: make(map[*child]bool)}

func (s *suspension) add(c *child) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cells[c] = true
	if s.signals != nil || signal.Ignored(syscall.SIGTSTP) { // a shell without job control ignores it
		return
	}
	s.signals, s.over = make(chan os.Signal, 4), make(chan struct{})
	signal.Notify(s.signals, syscall.SIGTSTP, syscall.SIGCONT)
	go s.forward(s.signals, s.over)
}

// remove may be called more than once.
func (s *suspension) remove(c *child) {
	s.mu.Lock()
	delete(s.cells, c)
	signals, over := s.signals, s.over
	last := len(s.cells) == 0 && signals != nil
	if last {
		signal.Stop(signals)
		close(signals)
		s.signals = nil
	}
	s.mu.Unlock()
	if last {
		<-over
	}
}

func (s *suspension) forward(signals <-chan os.Signal, over chan<- struct{}) {
	defer close(over)
	for sig := range signals {
		if sig == syscall.SIGCONT {
			s.signal(syscall.SIGCONT)
			continue
		}
		s.signal(syscall.SIGSTOP)
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) // cannot fail for the own process
	}
}

func (s *suspension) signal(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.cells {
		_ = c.cmd.Process.Signal(sig) // it may have ended
	}
}
