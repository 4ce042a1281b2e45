package sandbox

import (
	"errors"

	"lastack/sockstate"
	"lastack/sockstate/procnet"
	"lastack/sockstate/sockdiag"
	"lastack/sockstate/sockio"
)

// Close ends the sandbox in good order: it destroys the sockets that no process holds
// any more and whose packets still wait for an answer, because they would outlive the
// process, and lets go of the namespaces. Sockets still open keep their namespace
// alive, so it comes after they are closed. It may be called more than once. A *LeftError is no failure of what was
// done in the sandbox.
func (s *Sandbox) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	for _, ns := range s.namespaces() {
		// A sandbox that never was on has no load, and may have no right to look.
		if s.Status.Mode != "" {
			if err := destroyOrphans(ns); err != nil {
				errs = append(errs, &LeftError{err})
			}
		}
		errs = append(errs, ns.Close())
	}
	return errors.Join(errs...)
}

func destroyOrphans(ns *sockio.Namespace) error {
	c, err := sockdiag.Open(ns)
	if err != nil {
		if n, perr := countOrphans(ns); perr == nil && n == 0 {
			return nil
		}
		return err
	}
	defer c.Close()
	_, err = c.DestroyAll(nil, func(s *sockdiag.Socket) bool { return isOrphan(&s.Socket) })
	return err
}

// countOrphans looks where sock_diag is not to be had.
func countOrphans(ns *sockio.Namespace) (n int, err error) {
	table, err := procnet.Open(ns)
	if err != nil {
		return 0, err
	}
	defer table.Close()
	err = table.Each(func(s *sockstate.Socket) {
		if isOrphan(s) {
			n++
		}
	})
	return n, err
}

// isOrphan tells full sockets that were closed and still retransmit or wait; minisockets
// go with their namespace (inet_twsk_purge).
func isOrphan(s *sockstate.Socket) bool {
	if s.Mini || s.Inode != 0 {
		return false
	}
	switch s.State {
	case sockstate.FinWait1, sockstate.FinWait2, sockstate.Closing, sockstate.LastAck:
		return true
	}
	return false
}
