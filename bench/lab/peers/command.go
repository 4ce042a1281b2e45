package main

import "time"

// command is a program to run.
type command struct {
	path string
	args []string
	// lasts is its expected duration. It is killed after patience more.
	lasts time.Duration
	// interrupt sends SIGINT after lasts, for a program without a duration option.
	interrupt bool
	// codes are the exit codes beside 0 that still leave a result.
	codes []int
}

// patience is how much longer than asked for a program may take: to start, to finish what
// is in flight, to settle.
const patience = 20 * time.Second

// ended is a program that has ended.
type ended struct {
	stdout, stderr string
	code           int
	cpu            time.Duration // user and system, its children's included
}

// service is a server that a client needs.
type service struct {
	command
	// port shows that it is ready.
	port int
	// endless is set if it must be told to end.
	endless bool
}
