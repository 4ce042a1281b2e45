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

// quit ends the program as if the signal had never been caught: whoever asks twice does
// not want to wait for the result.
func quit() { os.Exit(exitInterrupted) }

// interruptible returns a context that SIGINT and SIGTERM cancel, and calls again for
// the signal after that.
func interruptible(parent context.Context, again func()) (context.Context, func()) {
	ctx, cancel := context.WithCancel(parent)
	c := make(chan os.Signal, 4)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	over := make(chan struct{})
	go func() {
		var first time.Time
		for {
			select {
			case <-over:
				return
			case <-c:
			}
			switch {
			case first.IsZero():
				first = time.Now()
				cancel()
			case time.Since(first) > sameSignal:
				again()
			}
		}
	}()
	return ctx, func() {
		signal.Stop(c)
		close(over)
		cancel()
	}
}
