package sockio

import "syscall"

// Errno is a kernel error number, 0 for success.
type Errno = syscall.Errno
