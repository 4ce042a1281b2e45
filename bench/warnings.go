package bench

import (
	"fmt"

	"lastack/bench/host"
	"lastack/bench/quantity"
	"lastack/sockstate"
)

const bucketsKey = "net.ipv4.tcp_max_tw_buckets"

// orphanWarning is for a mass close that left more orphans than the host keeps: beyond
// tcp_max_orphans, or tcp_mem, the kernel resets them (tcp_check_oom), and the close is not what was asked for.
// grown are the kernel's counters.
func orphanWarning(f *host.Facts, grown sockstate.Counters) string {
	n := grown["TcpExtTCPAbortOnMemory"]
	limit, ok := f.Sysctl("net.ipv4.tcp_max_orphans")
	if n == 0 || !ok {
		return ""
	}
	return fmt.Sprintf("pressure.orphans: the kernel reset %s connections instead of closing them, for there were too many orphans at once (tcp_max_orphans is %s for the whole host, and a slow one counts double) or TCP's memory was full; --close-rate paces a mass close",
		quantity.Count(n), quantity.Count(limit))
}

// bucketWarning is for a plan that leaves more TIME_WAITs than the namespace keeps: what it keeps is known inside only.
func (e *experiment) bucketWarning() string {
	limit, ok := e.facts.Sysctl(bucketsKey)
	_, asked := e.status.Sysctls[bucketsKey]
	n := &e.setup.Needs.TimeWaits
	most := n.Client + n.Server
	switch {
	case e.server == nil:
		most = n.Client
	case e.split():
		most = max(n.Client, n.Server)
	}
	if !ok || asked || most <= limit {
		return ""
	}
	return fmt.Sprintf("time_wait: the plan leaves up to %s TIME_WAITs at once, which last %v each, and tcp_max_tw_buckets is %s: about %s closes will skip TIME_WAIT",
		quantity.Count(most), sockstate.TimeWaitLasts(e.facts.HZ), quantity.Count(limit), quantity.Count(most-limit))
}
