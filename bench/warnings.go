package bench

import (
	"fmt"

	"lastack/bench/host"
	"lastack/bench/quantity"
	"lastack/sockstate"
)

const bucketsKey = "net.ipv4.tcp_max_tw_buckets"

// orphanWarning warns if a mass close left more orphans than the host keeps: beyond tcp_max_orphans
// or tcp_mem the kernel resets them instead of closing them (tcp_check_oom).
func orphanWarning(f *host.Facts, grown sockstate.Counters) string {
	n := grown["TcpExtTCPAbortOnMemory"]
	limit, ok := f.Sysctl("net.ipv4.tcp_max_orphans")
	if n == 0 || !ok {
		return ""
	}
	return fmt.Sprintf("pressure.orphans: the kernel reset %s connections instead of closing them, because there were too many orphans at once (tcp_max_orphans is %s for the whole host, and a slow orphan counts double) or TCP's memory was full; --close-rate slows a mass close",
		quantity.Count(n), quantity.Count(limit))
}

// bucketWarning warns if a plan leaves more TIME_WAITs than the namespace keeps. The limit is known only inside the sandbox.
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
	return fmt.Sprintf("time_wait: the plan leaves up to %s TIME_WAITs at once, %v each, but tcp_max_tw_buckets is %s: about %s closes will skip TIME_WAIT",
		quantity.Count(most), sockstate.TimeWaitLasts(e.facts.HZ), quantity.Count(limit), quantity.Count(most-limit))
}
