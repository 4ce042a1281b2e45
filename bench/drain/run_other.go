//go:build !linux

package drain

import (
	"context"

	"lastack/bench/record"
	"lastack/sockstate"
)

// Run needs Linux.
func Run(context.Context, Setup, record.Sandbox, func(record.Event)) (*record.Run, error) {
	return nil, sockstate.ErrNeedsLinux
}
