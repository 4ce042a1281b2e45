package setup

import (
	"cmp"
	"fmt"

	"lastack/bench/quantity"
	"lastack/sockstate"
)

// usableTenths is the share of the available memory that a load may use, in tenths.
const usableTenths = 9

// preflight checks what a sandbox does not isolate and a large run could exhaust for the whole
// host: memory and open files.
func (r *resolver) preflight() error {
	f, n := &r.facts.Host, &r.Needs
	if r.Flush && r.Sandbox == nil && !f.Can("net_admin") {
		return sockstate.BadValue("flush", "", "ends sockets in this host's namespace, which needs CAP_NET_ADMIN: start lastack by sudo, or leave it out")
	}
	if n.Connections == 0 {
		return nil // an open loop without a cap: the number of connections is not planned
	}
	refuse := func(format string, args ...any) error {
		flag, value := "connections", quantity.Count(n.Connections)
		if planned, uncapped := r.planned(); uncapped && int64(planned) < n.Connections {
			flag, value = "hold", r.Plan.Groups[0].Hold.String()
		}
		return sockstate.BadValue(flag, value, format, args...)
	}
	need := n.KernelBytes + n.ProcessBytes
	have, byCgroup := f.UsableMemory()
	if usable := have / 10 * usableTenths; have > 0 && need > usable {
		tw := ""
		if k := n.TimeWaits.Client + n.TimeWaits.Server; k > 0 {
			tw = fmt.Sprintf(" and their %s TIME_WAITs", quantity.Count(k))
		}
		limit := "MemAvailable"
		if byCgroup {
			limit = "the cgroup's " + cmp.Or(f.CgroupMemoryFile, "memory.max")
		}
		if err := r.tooManyTimeWaits(usable); err != nil {
			return err
		}
		return refuse("needs about %s of memory (%s in the kernel for %s sockets%s, %s in this process), %s available (%s); a load may use %s: ask for at most %s connections",
			quantity.Bytes(need), quantity.Bytes(n.KernelBytes), quantity.Count(n.Sockets), tw, quantity.Bytes(n.ProcessBytes),
			quantity.Bytes(have), limit, quantity.Bytes(usable), quantity.Count(max(fraction(n.Connections, usable-ownMemory, need-ownMemory), 0)))
	}
	if files, ok := f.Sysctl("fs.file-max"); ok && n.Sockets+f.Usage.Files > files {
		return refuse("needs %s open files; the whole host may have %s (fs.file-max), %s are in use: raise it, or ask for at most %s connections",
			quantity.Count(n.Sockets), quantity.Count(files), quantity.Count(f.Usage.Files), quantity.Count(max(files-f.Usage.Files, 0)/r.ends()))
	}
	return nil
}

// tooManyTimeWaits refuses a plan that would fit in memory without its TIME_WAITs: fewer connections would leave just as many.
func (r *resolver) tooManyTimeWaits(usable int64) error {
	n := &r.Needs
	bytes, all := r.timeWaitBytes(), n.TimeWaits.Client+n.TimeWaits.Server
	rest := n.KernelBytes + n.ProcessBytes - bytes
	g := &r.Plan.Groups[0]
	if bytes == 0 || rest > usable || g.Plateau > 0 {
		return nil
	}
	fit := fraction(all, usable-rest, bytes)
	flag, value, most := "count", quantity.Count(r.Plan.Count), quantity.Count(fit)+" lifecycles"
	switch {
	case g.OpenLoop():
		flag, value = "rate", quantity.PerSecond(max(g.RateFrom, g.RateTo))
		most = quantity.PerSecond(float64(fit)/sockstate.TimeWaitLasts(r.inside.HZ).Max.Seconds()) + "/s"
	case r.Plan.Count == 0:
		return nil
	}
	return sockstate.BadValue(flag, value, "leaves up to %s TIME_WAITs at once, for which the kernel needs about %s of memory; a load may use %s: ask for at most %s, or avoid TIME_WAIT (--close client:rst)", quantity.Count(all), quantity.Bytes(bytes), quantity.Bytes(usable), most)
}

// fraction is n * part / whole, without overflow.
func fraction(n, part, whole int64) int64 {
	return int64(float64(n) * (float64(part) / float64(whole)))
}

// bufferWarning warns of exchanges that could use up tcp_mem for the whole host: above it the kernel drops data
// (tcp_try_rmem_schedule).
func (r *resolver) bufferWarning() string {
	f, n := &r.facts.Host, &r.Needs
	pages, ok := f.TCPMemoryPages()
	limit := pages * f.PageBytes
	left := limit - f.Usage.TCPPages*f.PageBytes
	if !ok || n.ExchangeBytes == 0 || n.ExchangeBytes <= left {
		return ""
	}
	return fmt.Sprintf("pressure.memory: the exchanges of %s connections may have %s in TCP buffers at once, but the whole host has only %s of %s left (tcp_mem), above which the kernel drops data: %s connections are safe",
		quantity.Count(n.Connections), quantity.Bytes(n.ExchangeBytes), quantity.Bytes(max(left, 0)), quantity.Bytes(limit), quantity.Count(max(fraction(n.Connections, left, n.ExchangeBytes), 0)))
}
