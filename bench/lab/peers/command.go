package main

import (
	"context"
	"time"
)

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

// client runs a client against the testbed's nginx.
func (t *testbed) client(ctx context.Context, c command, parse func(string) (result, error)) (result, error) {
	before, err := t.serverCPU()
	if err != nil {
		return result{}, err
	}
	e, err := t.run(ctx, c)
	if err != nil {
		return result{}, err
	}
	after, err := t.serverCPU()
	if err != nil {
		return result{}, err
	}
	r, err := parse(e.stdout)
	r.CPU = cpuTime{Client: e.cpu, Server: after - before}
	return r, err
}

// pair runs a server of the tool's own and its client.
func (t *testbed) pair(ctx context.Context, s service, c command, parse func(string) (result, error)) (result, error) {
	server, err := t.start(ctx, s)
	if err != nil {
		return result{}, err
	}
	e, err := t.run(ctx, c)
	if err != nil {
		_, serr := server.end()
		if serr != nil {
			// Why the client had nobody to talk to.
			return result{}, serr
		}
		return result{}, err
	}
	served, err := server.wait()
	if err != nil {
		return result{}, err
	}
	r, err := parse(e.stdout)
	r.CPU = cpuTime{Client: e.cpu, Server: served.cpu}
	return r, err
}
