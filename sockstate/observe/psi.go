package observe

import "time"

// PSI is how long some task was stalled for want of a resource, since boot (the "some"
// totals of /proc/pressure).
type PSI struct {
	CPU, Memory, IO time.Duration
}
