package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"lastack/bench/process"
)

// sameSignal is how close together signals count as one: some senders, like timeout(1),
// signal a process twice, directly and by its group.
const sameSignal = 300 * time.Millisecond

const noResult = "interrupted before there was a result"

// earlyMessage is printed when a signal ends a command that does not handle signals yet.
func earlyMessage(command string) string {
	switch command {
	case "run", "drain", "sweep":
		return noResult
	case "serve":
		return "interrupted before the server listened"
	}
	return "interrupted"
}

// takeOver undoes endBySignal. A signal that came before still ends the program.
var takeOver = func() {}

// endBySignal lets a signal end the program with a message, until a command handles signals itself. By default the runtime would print
// a trace of all goroutines for some of them.
func endBySignal(message string) {
	c, done := make(chan os.Signal, 8), make(chan struct{})
	signal.Notify(c, process.Endings()...)
	go func() {
		defer close(done)
		for range c {
			fmt.Fprintf(os.Stderr, "lastack: %s\n", message)
			exit(exitInterrupted)
		}
	}()
	takeOver = sync.OnceFunc(func() {
		signal.Stop(c)
		close(c)
		<-done
	})
}

// changingFiles is held while a file is half written, or waits to be removed.
var changingFiles = make(chan struct{}, 1)

// dontExit makes exit wait until done is called. Do not hold it while waiting for another process.
func dontExit() (done func()) {
	changingFiles <- struct{}{}
	return func() { <-changingFiles }
}

// changeLimit bounds how long exit waits for a file: a disk may hang.
const changeLimit = 10 * time.Second

// exit ends the program, and leaves no file half written.
func exit(code int) {
	select {
	case changingFiles <- struct{}{}: // never released: no other change may begin
	case <-time.After(changeLimit):
	}
	os.Exit(code)
}

// surviveFailedWrites turns a failed write into an error (EPIPE, EFBIG). By default SIGPIPE and SIGXFSZ would end the program, and lose
// what it has measured. They are caught, not ignored: the programs that lastack starts would inherit an ignored signal.
func surviveFailedWrites() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE, sizeLimitSignal) // Notify drops what does not fit
}

// interruptible returns a context that the first signal of process.Endings cancels. It calls again for a later one. stop restores
// the signals' default action.
func interruptible(parent context.Context, again func()) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	c := make(chan os.Signal, 4)
	signal.Notify(c, process.Endings()...)
	takeOver()
	over := make(chan struct{})
	go heed(c, over, cancel, again)
	return ctx, func() {
		signal.Stop(c)
		close(over)
		cancel()
	}
}

// heed calls first for the first signal, and again for each that comes more than
// sameSignal later, until over is closed.
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
