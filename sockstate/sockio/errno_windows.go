package sockio

import "fmt"

// ErrnoName is the number: package syscall has no table of names here.
func ErrnoName(e Errno) string { return fmt.Sprintf("errno %d", int(e)) }
