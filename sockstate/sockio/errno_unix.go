//go:build unix

package sockio

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// ErrnoName is a name like "ECONNRESET", or the number if it has none.
func ErrnoName(e Errno) string {
	if name := unix.ErrnoName(e); name != "" {
		return name
	}
	return fmt.Sprintf("errno %d", int(e))
}
