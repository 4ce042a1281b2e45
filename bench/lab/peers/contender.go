package main

import (
	"fmt"
	"time"
)

// load is the load that every contender of a comparison makes.
type load struct {
	// Seconds is how long a run lasts; several tools accept only whole seconds.
	Seconds int
	// Connections is how many each keeps open at once, if it can keep more than one.
	Connections int
	// CPUs is the number of threads of the floor, and the most given to tools that ask for a number.
	CPUs int
}

func (l load) duration() time.Duration { return time.Duration(l.Seconds) * time.Second }

// contender is one row of a comparison.
type contender struct {
	// Name shows the options that matter.
	Name string
	// Family is the tool. If it has several rows, with different options, the best one
	// counts.
	Family string

	// client is the program to run, against the server of its own, if it has one.
	client command
	server *service
	// file is what client writes for read; it is removed before.
	file string
	// read parses client's output. If that has no CPU time, the CPU time of both processes counts.
	read func(ended) (result, error)
}

// said is a client's output.
func said(parse func(string) (result, error)) func(ended) (result, error) {
	return func(e ended) (result, error) { return parse(e.stdout) }
}

// result is the result of one run.
type result struct {
	// Connections is the number completed, Failed of those that were not.
	Connections, Failed int64
	PerSecond           float64
	CPU                 cpuTime
	// Doubts are caveats of the figures.
	Doubts []string
}

// cpuTime is user and system time over a whole run; 0 is unknown, or does not apply.
type cpuTime struct {
	Client, Server time.Duration
	// All is both ends and everything else in the tool.
	All time.Duration
}

// The families of the ratios.
const (
	familyLastack = "lastack"
	familyFloor   = "floor"
	familyNeper   = "neper"
)

// unavailableError means that a contender cannot take part, unlike a failed run. It is not
// tried again.
type unavailableError struct{ Reason string }

func (e *unavailableError) Error() string { return e.Reason }

// runError is a run without figures. It wraps the cause, if any.
type runError struct {
	// Command is the program's name.
	Command string
	// Reason is its last output, or how it ended.
	Reason string
	Err    error
}

func (e *runError) Error() string {
	switch {
	case e.Err == nil:
		return fmt.Sprintf("%s: %s", e.Command, e.Reason)
	case e.Reason == "":
		return fmt.Sprintf("%s: %v", e.Command, e.Err)
	}
	return fmt.Sprintf("%s: %s: %v", e.Command, e.Reason, e.Err)
}

func (e *runError) Unwrap() error { return e.Err }

// parseError is output with a missing or malformed figure.
type parseError struct {
	Tool string
	// Want is the expected line.
	Want string
	// Got is the line that was found, if any.
	Got string
}

func (e *parseError) Error() string {
	if e.Got == "" {
		return fmt.Sprintf("the output of %s has no line %q: is this another version of it?", e.Tool, e.Want)
	}
	return fmt.Sprintf("the output of %s has %.80q where %q was expected: is this another version of it?", e.Tool, e.Got, e.Want)
}
