//go:build !linux

package sandbox

import "lastack/sockstate"

// Main returns.
func Main(_ map[string]Func) {}

func bestMode() Mode { return User }

func spawn(h *handoff) (*child, error) {
	return nil, &Error{step: stepNamespaces, Mode: h.Mode, Err: sockstate.ErrNeedsLinux}
}

type orphanCleaner struct{}
