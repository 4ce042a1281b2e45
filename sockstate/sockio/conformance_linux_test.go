package sockio

import (
	"slices"
	"testing"

	"go.uber.org/goleak"
)

// suite is a part of what a backend has to pass.
type suite struct {
	name string
	test func(*testing.T, newLoop)
}

// way is a way in which a backend is used, and what it has to pass beside what all have to.
type way struct {
	name string
	loop newLoop
	more []suite
}

// testLoops is what a backend has to pass in each of its ways: side by side, for they wait more than they work, but for what is the whole
// process's.
func testLoops(t *testing.T, ways ...way) {
	// The cleanups of subtests, parallel ones too, have run by the time this one does.
	leaks := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, leaks) })
	suites := []suite{
		{"dial", testDial},
		{"accept", testAccept},
		{"data", testData},
		{"close", testClose},
		{"peer end", testPeerEnd},
		{"connect sent", testConnectSent},
		{"cancel", testCancel},
		{"wait", testWait},
		{"in time", testInTime},
		{"echo", testEcho},
		{"interleavings", testInterleavings},
	}
	for _, s := range []suite{{"no allocations", testAllocations}, {"dial without descriptors", testDialNoDescriptor}} {
		t.Run(s.name, func(t *testing.T) {
			for _, w := range ways {
				t.Run(w.name, func(t *testing.T) { s.test(t, w.loop) })
			}
		})
	}
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			for _, s := range slices.Concat(suites, w.more) {
				t.Run(s.name, func(t *testing.T) { s.test(t, w.loop) })
			}
		})
	}
}

// kernelTimers are the tests that wait for timers of the kernel, which are seconds; so they wait side by side. Whether a loop gives way is
// nothing to them: a backend has to pass them once for each place where its sockets are.
var kernelTimers = []suite{{"kernel timers", func(t *testing.T, f newLoop) {
	t.Run("many lingerers", func(t *testing.T) { testManyLingerers(t, f) })
	t.Run("linger, blocked", func(t *testing.T) { testLingerBlocked(t, f) })
	t.Run("full backlog that empties", func(t *testing.T) { t.Parallel(); testDialLate(t, f) })
}}}

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
