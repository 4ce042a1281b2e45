package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// sameSignal is how close together signals count as one: some senders, timeout(1) among
// them, reach a process twice, by itself and by its group.
const sameSignal = 300 * time.Millisecond

// endings are the signals that end a command in good order, with what it has until then. HUP stays ignored where whoever started the
// command wants that (nohup). INT and QUIT do not: a shell without job control ignores them for all that it starts with &, and
// who sends one then means it.
func endings() []os.Signal {
	list := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGABRT, cpuLimitSignal}
	if !signal.Ignored(syscall.SIGHUP) {
		list = append(list, syscall.SIGHUP)
	}
	return list
}

// noResult is said of a run or a drain that a signal ended too early.
const noResult = "interrupted before the load had begun, so that there is no result"

// earlyWords are what an early signal ends a command with.
func earlyWords(command string) string {
	switch command {
	case "run", "drain":
		return noResult
	case "serve":
		return "interrupted before it listened"
	}
	return "interrupted"
}

// takeOver ends what endBySignal began; a signal that came before still ends the program.
var takeOver = func() {}

// endBySignal has a signal end the program with words, until a command takes care of signals itself: the runtime answers some with a
// trace of all goroutines.
func endBySignal(words string) {
	c, done := make(chan os.Signal, 8), make(chan struct{})
	signal.Notify(c, endings()...)
	go func() {
		defer close(done)
		for range c {
			fmt.Fprintf(os.Stderr, "lastack: %s\n", words)
			exit(exitInterrupted)
		}
	}()
	takeOver = sync.OnceFunc(func() {
		signal.Stop(c)
		close(c)
		<-done
	})
}

// changingFiles is held while there is a file that is half written, or is to be removed.
var changingFiles = make(chan struct{}, 1)

// dontExit has exit wait until done is called. It is not for a wait for somebody.
func dontExit() (done func()) {
	changingFiles <- struct{}{}
	return func() { <-changingFiles }
}

// changeLimit bounds how long exit waits for a file: a disk may not answer.
const changeLimit = 10 * time.Second

// exit ends the program, and leaves no file half written.
func exit(code int) {
	select {
	case changingFiles <- struct{}{}: // and it stays so: no other change begins
	case <-time.After(changeLimit):
	}
	os.Exit(code)
}

// outliveWriting has a write that nobody reads, or that a limit forbids, be an error (EPIPE, EFBIG): by default SIGPIPE and SIGXFSZ
// would end the program, and what it has measured would be lost. To ignore them would have the programs that
// it starts ignore them too.
func outliveWriting() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE, sizeLimitSignal) // nobody reads: what does not fit is dropped
}

// interruptible returns a context that the endings cancel, and calls again for the signal after that. stop gives
// the signals their default meaning back.
func interruptible(parent context.Context, again func()) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	c := make(chan os.Signal, 4)
	signal.Notify(c, endings()...)
	takeOver()
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
