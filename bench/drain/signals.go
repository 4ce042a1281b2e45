package drain

import "syscall"

// The signals that halt a server and let it go on.
const (
	haltSignal = syscall.SIGSTOP
	goOnSignal = syscall.SIGCONT
)
