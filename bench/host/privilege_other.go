//go:build !linux

package host

// There are no capabilities elsewhere.
var RunCapabilities, SandboxCapabilities, ServeCapabilities, PIDCapabilities, FileCapabilities []int

// CheckPrivileges finds nothing.
func CheckPrivileges() error { return nil }

// KeepCapabilities does nothing.
func KeepCapabilities(...[]int) {}

// WithoutCapabilities calls f.
func WithoutCapabilities(f func() error) error { return f() }
