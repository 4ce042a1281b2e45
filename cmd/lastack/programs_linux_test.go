package main

import (
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"lastack/bench/process"
	"lastack/sockstate/socktest"
)

func TestMain(m *testing.M) {
	// Under the race detector a program would wait a second before each exit.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")); err != nil {
		panic(err)
	}
	// What drain starts its servers below is /proc/self/exe too, under names of package process's own.
	process.Main()
	commands := map[string]func(){
		"lastack": main,
		// The child in which doctor tries a namespace is /proc/self/exe under this name: here, the test binary.
		"lastack-namespace-proof": main,

		"lastack-many": manyCommands,

		"noring":   noRing,
		"nosignal": noSignal,
		"nokill":   noKill,
		"faulty":   faulty,
		"nodiag":   noDiag,
		"noload":   noLoad,
	}
	if _, isCommand := commands[filepath.Base(os.Args[0])]; !isCommand {
		// Under nohup SIGHUP is ignored, and would be in all programs: what is caught here has its default meaning there.
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	testscript.Main(tests{m}, commands)
}

// tests are those of this package, as testscript runs them.
type tests struct{ *testing.M }

func (m tests) Run() int {
	socktest.Parallel(4)
	defer unship()
	return m.M.Run()
}
