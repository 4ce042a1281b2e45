//go:build !linux

package handshake

import (
	"context"

	"lastack/bench/cell"
	"lastack/bench/record"
	"lastack/sockstate"
)

func do(context.Context, Setup, cell.Env) (*record.Run, error) { return nil, sockstate.ErrNeedsLinux }
