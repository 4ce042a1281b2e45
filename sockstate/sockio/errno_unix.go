//go:build unix

package sockio

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// ErrnoName is "ECONNRESET", or the number of an errno without a name.
func ErrnoName(e Errno) string {
	if name := unix.ErrnoName(e); name != "" {
		return name
	}
	return fmt.Sprintf("errno %d", int(e))
}
