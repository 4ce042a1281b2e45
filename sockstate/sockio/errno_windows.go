package sockio

import "fmt"

// ErrnoName is the number: package syscall has no names here.
func ErrnoName(e Errno) string { return fmt.Sprintf("errno %d", int(e)) }
