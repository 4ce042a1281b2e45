package main

import "time"

// command is a program to run.
type command struct {
	path string
	args []string
	// lasts is how long it means to take. It is ended when it takes patience longer.
	lasts time.Duration
	// interrupt sends SIGINT when lasts is over, to a program that knows no end.
	interrupt bool
	// codes are the exit codes, beside 0, with which it has something to say.
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
	// port tells that it listens.
	port int
	// endless is set where it has to be told to end.
	endless bool
}
