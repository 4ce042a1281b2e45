package sockstate

import "errors"

// ErrNeedsLinux is the error of everything that measures on another operating system.
var ErrNeedsLinux = errors.New("measuring needs Linux: only saved runs can be shown here")
