package server

import (
	"context"
	"time"

	"lastack/sockstate"
	"lastack/sockstate/sockdiag"
	"lastack/sockstate/sockio"
)

// listenerLastStays is the least time that the listening sockets stay open when they are closed last. Without it an idle server
// would be gone before a client could connect to them.
const listenerLastStays = 500 * time.Millisecond

// handshakesTake is how long to wait for handshakes that have begun. One that takes longer has lost a segment (TCP_TIMEOUT_INIT),
// and its client may be gone.
const handshakesTake = time.Second

// Shutdown stops serving in the way of Config.Shutdown. It reports whether all connections are gone but those that stay by
// policy, and returns earlier when ctx is done. Stop must follow; it may be called before Shutdown returns.
//
// graceful: HTTP replies say "Connection: close" from now on. SYNs are refused (sockio.Listener.RefuseSYNs), while handshakes under
// way are completed and accepted: closing a listener resets what is in its queue. When the queue is empty, after some tens of
// milliseconds, the listeners are closed. Then idle connections are closed: at once if idle for longer than recently, otherwise after
// up to chance more, because a request that meets the close is lost. Requests under way are answered. A client that pauses for longer
// than recently and sends a request just as its connection is closed still loses it: HTTP/1.1 cannot prevent that. Echo cannot
// announce a close, so there the request after the last reply is lost.
//
// Where another process shares the port (Config.ReusePort), SYNs are dropped instead of refused, and the client sends them again
// after a second. Without CAP_NET_ADMIN neither is possible: connections that arrive between the last accept and the close are reset.
//
// lame-duck: goes on serving for its time, with replies that say "Connection: close"; then it is graceful.
//
// abrupt: sends no reply from now on. The accept queue is emptied as in graceful, so that the ledger has those connections. Then
// connections are frozen (sockio.Freezer), what they have received is counted, and they are closed as close() does: by FIN, or by
// RST if data was unread when the shutdown began. Stats.Cut is exact. A request without a reply is in the ledger if its connection
// was reset, or if any of it was acknowledged (tcpi_bytes_acked) when the FIN came; otherwise the server never received it. Without
// CAP_NET_ADMIN, and beyond maxFilters connections of a worker, a request that was never received may also be reset: see
// sockio.Freezer.
//
// rst: closes the listeners, which resets their queues, and then resets all connections. Stats.Cut misses what arrives between the
// last read of a connection and its reset.
//
// listener-last: stops accepting and drains connections as in graceful. The listening sockets are closed last, after
// listenerLastStays or later: connections that the kernel has completed until then are reset.
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
	case graceful, lameDuck:
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
		// A worker without a free slot does not accept: closing idle connections makes room.
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

// emptyQueues keeps new connections out and waits until all handshakes under way are complete and accepted. It reports false if ctx
// was done before.
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

// awaitDelivery waits until packets sent before have been received; a fixed time where the kernel cannot tell.
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
