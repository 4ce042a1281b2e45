package sockstate

import "errors"

// ErrNeedsLinux is what everything that measures returns on another operating system.
var ErrNeedsLinux = errors.New("measuring needs Linux: only saved runs can be shown here")
