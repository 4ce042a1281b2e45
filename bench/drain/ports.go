package drain

import (
	"fmt"
	"time"

	"lastack/bench/host"
	"lastack/bench/quantity"
	"lastack/sockstate"
)

// portDoubt warns that the arrivals leave more TIME_WAITs before the stop than there are local ports; it is empty if they do not. ports is
// the number of one source address; f is of the drain's network namespace. It is no refusal, because a server that closes first keeps the
// TIME_WAITs.
func (c *Spec) portDoubt(ports int, f *host.Facts) string {
	kept, arrivals := c.Load.Idle+c.Load.InFlight+c.Load.Partial+c.Load.Queued, c.Load.Arrivals
	lasts := min(c.Stop.After, c.portKept(f))
	need := int64(kept) + int64(arrivals*lasts.Seconds())
	if arrivals == 0 || ports <= 0 || need <= int64(ports) {
		return ""
	}
	return fmt.Sprintf("ports: %s arrivals/s leave %s TIME_WAITs before the stop, beside %s connections, and this host has %s local ports: where it closes first, connects will find none (want fewer --arrivals, a shorter --after, or a wider net.ipv4.ip_local_port_range)",
		quantity.PerSecond(arrivals), quantity.Count(need-int64(kept)), quantity.Count(int64(kept)), quantity.Count(int64(ports)))
}

// portKept is how long at least connect finds a port in TIME_WAIT taken.
func (c *Spec) portKept(f *host.Facts) time.Duration {
	if r := sockstate.ReuseOf(f.Sysctls); r.On(c.Target.Addr().IsLoopback()) {
		return r.Delay
	}
	return sockstate.TimeWaitLasts(f.HZ).Min
}
