//go:build !linux

package process

// Main does nothing.
func Main() {}
