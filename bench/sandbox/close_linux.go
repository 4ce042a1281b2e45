package sandbox

import (
	"errors"
	"fmt"

	"lastack/sockstate"
	"lastack/sockstate/netns"
	"lastack/sockstate/procnet"
	"lastack/sockstate/sockdiag"
)

// close ends the sandbox in good order: it destroys the sockets that no process holds any more and whose packets still wait for an
// answer, because they would outlive the process, and lets go of the namespaces. Sockets still open keep their namespace alive, so it
// comes after they are closed. It may be called more than once. The error is no failure of what was done in the sandbox.
func (s *Sandbox) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	// A sandbox that never was on has no load, and has opened nothing to look with.
	for _, o := range s.orphans {
		if err := o.end(); err != nil {
			errs = append(errs, fmt.Errorf("sockets without a process may outlive the sandbox for some minutes: %w", err))
		}
	}
	for _, ns := range s.namespaces() {
		errs = append(errs, ns.Close())
	}
	return errors.Join(errs...)
}

// orphanage looks for orphans in one namespace. It is opened before the load, since it takes CAP_SYS_ADMIN to get there, which
// the load is without.
type orphanage struct {
	diag  *sockdiag.Conn
	table *procnet.Source // where there is no sock_diag
	err   error           // why
}

func openOrphanage(ns *netns.NS) *orphanage {
	o := &orphanage{}
	if o.diag, o.err = sockdiag.Open(ns); o.err != nil {
		o.diag = nil
		if t, err := procnet.Open(ns); err == nil {
			o.table = t
		}
	}
	return o
}

// end destroys the orphans. The error is one of a namespace that may have some.
func (o *orphanage) end() error {
	if o.diag != nil {
		defer o.diag.Close()
		_, err := o.diag.DestroyAll(nil, func(s *sockdiag.Socket) bool { return isOrphan(&s.Socket) })
		return err
	}
	if o.table != nil {
		defer o.table.Close()
		n := 0
		err := o.table.Each(func(s *sockstate.Socket) {
			if isOrphan(s) {
				n++
			}
		})
		if err == nil && n == 0 {
			return nil
		}
	}
	return o.err
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
