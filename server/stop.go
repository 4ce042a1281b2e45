package server

import (
	"context"
	"time"

	"lastack/sockstate"
	"lastack/sockstate/sockdiag"
	"lastack/sockstate/sockio"
)

// listenerLastStays is how long the listening sockets stay open at least when they are the last to go: a server that is
// idle would be gone before anybody could connect to them.
const listenerLastStays = 500 * time.Millisecond

// handshakesTake is how long handshakes that have begun are waited for: what is not complete then
// has lost a segment, and the client may be gone (TCP_TIMEOUT_INIT).
const handshakesTake = time.Second

// Shutdown stops serving, in the way of Config.Shutdown, and reports whether no connection is left but for those that stay by
// policy; it returns earlier when ctx is over. Stop must follow, and may come before it returns.
//
// Graceful: from now on HTTP replies say "Connection: close". New connections are refused, but what the kernel has completed, or
// is about to, is still accepted (sockio.Listener.RefuseSYNs): closing a listener resets its queue, and whatever comes
// between the last accept and the close. When the queue has run empty, some tens of ms later, the listeners
// are closed. Then idle connections are closed, those at once on which nothing has happened for recently; the others may ask once more
// within chance, for a request that meets the close is lost. Requests under way are answered. What is left are clients
// that ask, after a pause of more than recently, just when their connection is closed: HTTP/1.1 cannot help that. Echo
// has no way of saying that it closes, so there the request after the last reply is lost.
//
// Where another process shares the port (Config.ReusePort) SYNs are dropped rather than refused, and come again a
// second later; without CAP_NET_ADMIN they are neither, and what comes between the last accept and the close is reset.
//
// LameDuck: for its time everything goes on, with replies that say "Connection: close"; then it is Graceful.
//
// Abrupt: no reply from now on. What is in the accept queue is accepted, as in Graceful, so that the ledger knows of it; then
// connections are frozen (sockio.Freezer), what they have received is counted, and they are closed as close()
// does: by FIN, or by RST where something had come that was not read when the shutdown began. Stats.Cut is exact: a client whose
// request ends without a reply finds it in the ledger if it was reset, or if any of the request was acknowledged
// (tcpi_bytes_acked) when the FIN came; otherwise the request was never received. Without CAP_NET_ADMIN, and beyond
// maxFilters connections of a worker, a request that was never received may be reset, too: see sockio.Freezer.
//
// RST: the listeners are closed, which resets their queues, and then all connections reset. Stats.Cut misses what arrives
// in the moment between the last look at a connection and its reset.
//
// ListenerLast: accepting stops and connections are drained as in Graceful. The listening sockets are closed after everything
// else, and not before listenerLastStays: connections that the kernel has completed until then are reset.
func (s *Server) Shutdown(ctx context.Context) (drained bool) {
	switch s.cfg.Shutdown.Kind {
	case abrupt:
		s.say(message{kind: sayHush})
		soon, cancel := context.WithTimeout(ctx, handshakesTake)
		defer cancel()
		s.emptyQueues(soon)
		s.stopListening()
		s.say(message{kind: sayFreeze})
		awaitDelivery()
		s.say(message{kind: sayAbort})
	case resetAll:
		s.say(message{kind: sayHush})
		s.stopListening()
		s.say(message{kind: sayAbort, reset: true})
	case listenerLast:
		s.say(message{kind: sayStopAccept})
		stays := time.After(listenerLastStays)
		s.say(message{kind: sayDrain})
		s.awaitGone(ctx)
		select {
		case <-stays:
		case <-ctx.Done():
		}
		s.closeListeners()
	default:
		s.say(message{kind: sayLameDuck})
		if d := s.cfg.Shutdown.LameDuck; d > 0 {
			select {
			case <-time.After(d):
			case <-ctx.Done():
			}
		}
		s.drain(ctx)
	}
	return s.awaitGone(ctx)
}

func (s *Server) drain(ctx context.Context) {
	soon, cancel := context.WithTimeout(ctx, handshakesTake)
	defer cancel()
	if !s.emptyQueues(soon) {
		// Nobody accepts where all slots are taken: closing idle connections makes room.
		s.say(message{kind: sayDrain})
		for ctx.Err() == nil && s.queued() > 0 {
			time.Sleep(pollEvery)
		}
	}
	s.stopListening()
	s.say(message{kind: sayDrain})
}

// stopListening resets what is still in the accept queues.
func (s *Server) stopListening() {
	s.say(message{kind: sayStopAccept})
	s.closeListeners()
}

const pollEvery = 5 * time.Millisecond

// awaitGone waits until all connections are gone but for those that stay by policy.
func (s *Server) awaitGone(ctx context.Context) bool {
	for {
		if st := s.Stats(); st.Open <= st.Stuck {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pollEvery):
		}
	}
}

// emptyQueues keeps new connections out, and waits until the handshakes under way are complete and the workers have accepted
// them all. It reports false if ctx was over before.
func (s *Server) emptyQueues(ctx context.Context) bool {
	s.eachListener(func(ln *sockio.Listener) {
		if ln.RefuseSYNs() != nil || s.cfg.ReusePort {
			_ = ln.DropSYNs() // where that is refused, too, what comes between the last accept and the close is reset
		}
	})
	awaitDelivery()
	diag, err := sockdiag.Open(s.cfg.Namespace)
	if err != nil {
		diag = nil // the queues are all there is to see
	} else {
		defer diag.Close()
	}
	ours := sockstate.Filter{Servers: s.addrs}
	begun := time.Now()
	for {
		n := 0
		// Where another process shares the port, its handshakes count, too: there may always be some.
		if diag != nil && time.Since(begun) < handshakesTake {
			if n, err = diag.Handshakes(&ours); err != nil {
				n = 0
			}
		}
		if n == 0 {
			awaitDelivery() // what has just become complete is queued
			if s.queued() == 0 {
				return true
			}
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pollEvery):
		}
	}
}

// awaitDelivery waits where the kernel cannot say for as long as it mostly takes.
func awaitDelivery() {
	if sockio.AwaitDelivery() != nil {
		time.Sleep(4 * pollEvery)
	}
}

// queued is the number of connections in the accept queues.
func (s *Server) queued() (n int) {
	s.eachListener(func(ln *sockio.Listener) {
		if k, err := ln.QueueLength(); err == nil {
			n += k
		}
	})
	return n
}

func (s *Server) eachListener(do func(*sockio.Listener)) {
	s.closing.Lock()
	defer s.closing.Unlock()
	for _, same := range s.listeners {
		for _, ln := range same {
			do(ln)
		}
	}
}

func (s *Server) closeListeners() {
	s.closing.Lock()
	defer s.closing.Unlock()
	for _, same := range s.listeners {
		for _, ln := range same {
			if n, err := ln.QueueLength(); err == nil {
				s.queueReset += int64(n)
			}
			_ = ln.Close() // nothing depends on it any more
		}
	}
	s.listeners = nil
}

// Stop ends the server: open connections are reset. It returns the final ledger.
func (s *Server) Stop() (Stats, error) {
	s.say(message{kind: sayStop})
	s.closeListeners()
	s.running.Wait()
	st := s.Stats()
	select {
	case err := <-s.failed:
		return st, err
	default:
		return st, nil
	}
}
