package process

import "syscall"

// unixSignals has none: no server is stopped by a signal here.
func unixSignals() map[string]syscall.Signal { return nil }
