package sandbox

import (
	"errors"
	"fmt"

	"lastack/sockstate"
	"lastack/sockstate/netns"
	"lastack/sockstate/procnet"
	"lastack/sockstate/sockdiag"
)

// close destroys orphans that still retransmit or wait, as they would outlive the process, and releases the namespaces. Call it after
// the load's sockets are closed: open sockets keep their namespace alive. It may be called more than once. The error is not
// a failure of the job.
func (s *Sandbox) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	// Empty if the sandbox never was on: then there was no load either.
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

// orphanCleaner destroys the orphans of one namespace. It is opened before the load: entering the namespace needs CAP_SYS_ADMIN, which
// the load does not have.
type orphanCleaner struct {
	diag  *sockdiag.Conn
	table *procnet.Source // without sock_diag
	err   error           // why there is no sock_diag
}

func openOrphanCleaner(ns *netns.NS) *orphanCleaner {
	o := &orphanCleaner{}
	if o.diag, o.err = sockdiag.Open(ns); o.err != nil {
		o.diag = nil
		if t, err := procnet.Open(ns); err == nil {
			o.table = t
		}
	}
	return o
}

// end destroys the orphans. The error means that some may be left.
func (o *orphanCleaner) end() error {
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

// isOrphan reports whether s is a closed full socket that still retransmits or waits. Minisockets
// disappear with their namespace (inet_twsk_purge).
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
