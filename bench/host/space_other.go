//go:build !linux

package host

import "os"

// ReserveSpace does nothing.
func ReserveSpace(*os.File, int) error { return nil }
