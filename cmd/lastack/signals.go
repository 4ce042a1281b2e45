package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// sameSignal is how close together signals count as one: some senders, timeout(1) among
// them, reach a process twice, by itself and by its group.
const sameSignal = 300 * time.Millisecond

// interruptible returns a context that SIGINT, SIGTERM and those of more cancel, and calls again for
// the signal after that. stop gives the signals their default meaning back.
func interruptible(parent context.Context, again func(), more ...os.Signal) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	c := make(chan os.Signal, 4)
	signal.Notify(c, append(more, os.Interrupt, syscall.SIGTERM)...)
	over := make(chan struct{})
	go heed(c, over, cancel, again)
	return ctx, func() {
		signal.Stop(c)
		close(over)
		cancel()
	}
}

// heed calls first for the first signal and again for each that comes later than
// sameSignal after it, until over is closed.
func heed(c <-chan os.Signal, over <-chan struct{}, first, again func()) {
	var began time.Time
	for {
		select {
		case <-over:
			return
		case <-c:
		}
		switch {
		case began.IsZero():
			began = time.Now()
			first()
		case time.Since(began) > sameSignal:
			again()
		}
	}
}
