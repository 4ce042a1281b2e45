package sandbox

import "errors"

// Close ends the sandbox in good order. Sockets still open keep their namespace alive,
// so it comes after they are closed. It may be called more than once.
func (s *Sandbox) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	for _, ns := range s.namespaces() {
		errs = append(errs, ns.Close())
	}
	return errors.Join(errs...)
}
