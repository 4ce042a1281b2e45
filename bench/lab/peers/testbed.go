package main

import (
	"fmt"
	"time"
)

// testbedAddr is where all servers but lastack's own and the floor's listen.
const testbedAddr = "127.0.0.1"

func (t *testbed) addr() string { return fmt.Sprintf("%s:%d", testbedAddr, nginxPort) }

func (t *testbed) url() string { return "http://" + t.addr() + "/" }

// When the machine counts as quiet: this share of its CPU time is idle over a window.
const (
	quietShare  = 0.9
	quietWindow = 100 * time.Millisecond
)

func (t *testbed) busyDoubt(busy, turns int) string {
	return fmt.Sprintf("before %d of %d runs the machine was not idle within %v: something else ran on it", busy, turns, t.quiet)
}
