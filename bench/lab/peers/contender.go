package main

import (
	"fmt"
	"time"
)

// load is what every contender of a comparison is asked for alike.
type load struct {
	// Seconds is how long a run lasts; several tools take nothing finer.
	Seconds int
	// Connections is how many each keeps open at once, where it can do more than one.
	Connections int
	// CPUs is the number of threads of the floor, and the most given to tools that ask for a number.
	CPUs int
}

func (l load) duration() time.Duration { return time.Duration(l.Seconds) * time.Second }

// contender is one row of a comparison.
type contender struct {
	// Name shows the options that matter.
	Name string
	// Family is the tool. Where it has several rows, tried with different options, its best
	// one is what counts.
	Family string

	// client is the program to run, against the server of its own, if it has one.
	client command
	server *service
	// file is what client writes for read; it is removed before.
	file string
	// read makes figures of what client said. Where it says nothing of CPU time, that of both processes is taken.
	read func(ended) (result, error)
}

// said reads what a client printed.
func said(parse func(string) (result, error)) func(ended) (result, error) {
	return func(e ended) (result, error) { return parse(e.stdout) }
}

// result is what one run came to.
type result struct {
	// Connections is the number completed, Failed of those that were not.
	Connections, Failed int64
	PerSecond           float64
	CPU                 cpuTime
	// Doubts are what the figures must not be read without.
	Doubts []string
}

// cpuTime is user and system time over a whole run; 0 is unknown, or does not apply.
type cpuTime struct {
	Client, Server time.Duration
	// All is both ends and whatever else the tool does.
	All time.Duration
}

// the families that ratios are taken of.
const (
	familyLastack = "lastack"
	familyFloor   = "floor"
	familyNeper   = "neper"
)

// unavailableError says that a contender cannot take part at all, as opposed to a run
// that went wrong. It is not tried again.
type unavailableError struct{ Reason string }

func (e *unavailableError) Error() string { return e.Reason }

// runError is a run that gave no figures. It wraps the cause, where there is one.
type runError struct {
	// Command is the program's name.
	Command string
	// Reason is the last it said, or how it ended.
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

// parseError is output that lacks a figure, or holds it in a form not known.
type parseError struct {
	Tool string
	// Want is the line that was looked for.
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
