package sockio

import (
	"runtime"
	"testing"
	"time"

	"lastack/sockstate/clock"
)

func TestParseSchedstat(t *testing.T) {
	for _, tt := range []struct {
		in          string
		ran, waited int64
		ok          bool
	}{
		{"12345 678 9\n", 12345, 678, true},
		{"9223372036854775807 0 1\n", 1<<63 - 1, 0, true},
		{"0 0 0\n", 0, 0, false}, // a kernel without CONFIG_SCHED_INFO
		{"12345 678", 0, 0, false},
		{"-1 0 0\n", 0, 0, false},
		{"", 0, 0, false},
	} {
		ran, waited, ok := parseSchedstat([]byte(tt.in))
		if ok != tt.ok || ok && (ran != tt.ran || waited != tt.waited) {
			t.Errorf("%q: %d, %d, %v; want %d, %d, %v", tt.in, ran, waited, ok, tt.ran, tt.waited, tt.ok)
		}
	}
}

// Sleeping is neither running nor waiting for a CPU; being busy is one of the two.
func TestThreadRun(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start := clock.Now()
	ran0, waited0, ok := ThreadRun()
	if !ok {
		t.Skip("this kernel does not count how long threads wait (CONFIG_SCHED_INFO): /proc/thread-self/schedstat has nothing")
	}
	for clock.Now()-start < int64(50*time.Millisecond) { // on the CPU, or kept from it
	}
	ran, waited, _ := ThreadRun()
	// What runs is counted at each tick, so either reading may be some milliseconds late.
	if own, all := ran-ran0+waited-waited0, clock.Now()-start; own < all/2 || own > all+int64(20*time.Millisecond) {
		t.Errorf("busy for %d ns, of which it ran %d and waited %d", all, ran-ran0, waited-waited0)
	}
	if cpu := ThreadCPU(); cpu < ran {
		t.Errorf("ran %d ns, which is more than the clock's %d", ran, cpu)
	}
	if n := testing.AllocsPerRun(100, func() { ThreadRun() }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
