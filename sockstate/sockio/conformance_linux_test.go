package sockio

import (
	"testing"

	"go.uber.org/goleak"
)

// testLoop is what every backend has to pass.
func testLoop(t *testing.T, f newLoop) {
	suites := []struct {
		name string
		test func(*testing.T, newLoop)
	}{
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
	}
	for _, s := range suites {
		t.Run(s.name, func(t *testing.T) {
			// The registered cleanups of subtests have run by the time this one does.
			leaks := goleak.IgnoreCurrent()
			t.Cleanup(func() { goleak.VerifyNone(t, leaks) })
			s.test(t, f)
		})
	}
}

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
