package sockio

import (
	"testing"

	"go.uber.org/goleak"
)

// suite is a part of what a backend has to pass.
type suite struct {
	name string
	test func(*testing.T, newLoop)
}

// testLoop is what every backend has to pass in each of its ways, and more.
func testLoop(t *testing.T, f newLoop, more ...suite) {
	suites := append([]suite{
		{"dial", testDial},
		{"accept", testAccept},
		{"data", testData},
		{"close", testClose},
		{"peer end", testPeerEnd},
		{"connect sent", testConnectSent},
		{"cancel", testCancel},
		{"wait", testWait},
		{"echo", testEcho},
		{"interleavings", testInterleavings},
		{"no allocations", testAllocations},
	}, more...)
	for _, s := range suites {
		t.Run(s.name, func(t *testing.T) {
			// The registered cleanups of subtests have run by the time this one does.
			leaks := goleak.IgnoreCurrent()
			t.Cleanup(func() { goleak.VerifyNone(t, leaks) })
			s.test(t, f)
		})
	}
}

// kernelTimers are the tests that wait for timers of the kernel, which are seconds; so they wait side by side. Whether a loop gives way is
// nothing to them: a backend has to pass them once for each place where its sockets are.
var kernelTimers = suite{"kernel timers", func(t *testing.T, f newLoop) {
	t.Run("many lingerers", func(t *testing.T) { testManyLingerers(t, f) })
	t.Run("linger, blocked", func(t *testing.T) { testLingerBlocked(t, f) })
	t.Run("full backlog that empties", func(t *testing.T) { t.Parallel(); testDialLate(t, f) })
}}

// givesWay is f with Config.GivesWay set.
func givesWay(f newLoop) newLoop {
	return func(cfg Config) (Loop, error) {
		cfg.GivesWay = true
		return f(cfg)
	}
}

// unfiltered is f with Config.Unfiltered set: what the sandbox asks for.
func unfiltered(f newLoop) newLoop {
	return func(cfg Config) (Loop, error) {
		cfg.Unfiltered = true
		return f(cfg)
	}
}
