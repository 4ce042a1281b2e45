package observe

import "time"

// PSI is the time in which some task was stalled for want of a resource, since boot
// (/proc/pressure, the "some" totals).
type PSI struct {
	CPU, Memory, IO time.Duration
}
