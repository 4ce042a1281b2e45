//go:build !linux

package sockio

import "errors"

// ErrNamespaceUnsupported is what everything about namespaces returns elsewhere.
var ErrNamespaceUnsupported = errors.New("network namespaces need Linux")

// Namespace is a network namespace; see the Linux version.
type Namespace struct{}

// CurrentNamespace needs Linux.
func CurrentNamespace() (*Namespace, error) {
	return nil, &NamespaceError{Call: "open", Err: ErrNamespaceUnsupported}
}

// NewNamespace needs Linux.
func NewNamespace() (*Namespace, error) {
	return nil, &NamespaceError{Call: "unshare", Err: ErrNamespaceUnsupported}
}

// Enter needs Linux, except on a nil Namespace.
func (ns *Namespace) Enter() error {
	if ns == nil {
		return nil
	}
	return &NamespaceError{Call: "setns", Err: ErrNamespaceUnsupported}
}

// Do needs Linux, except on a nil Namespace, where it calls f.
func (ns *Namespace) Do(f func() error) error {
	if err := ns.Enter(); err != nil {
		return err
	}
	return f()
}

// ID is empty.
func (ns *Namespace) ID() string { return "" }

// Fd is -1.
func (ns *Namespace) Fd() int { return -1 }

// Close does nothing.
func (ns *Namespace) Close() error { return nil }
