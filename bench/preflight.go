package bench

import (
	"fmt"

	"lastack/bench/host"
	"lastack/bench/quantity"
	"lastack/sockstate/teardown"
)

// preflight checks what a sandbox does not isolate, and a large run could take from the whole
// host: memory, open files, orphans.
func (c *Config) preflight(f *host.Facts) error {
	planned := 0
	for i := range c.Plan.Groups {
		planned += c.Plan.Groups[i].Connections
	}
	sockets := int64(planned)
	if c.Server != nil {
		sockets *= 2
	}
	refuse := func(format string, args ...any) error {
		return &RefusedError{"connections", quantity.Count(int64(planned)), fmt.Sprintf(format, args...)}
	}
	need := sockets * host.SocketBytes
	have, _ := f.UsableMemory()
	if have > 0 && need > have*9/10 {
		return refuse("needs about %s of kernel memory (%s for each of %s sockets), and %s are available: ask for at most %s",
			quantity.Bytes(need), quantity.Bytes(host.SocketBytes), quantity.Count(sockets), quantity.Bytes(have), quantity.Count(int64(planned)*(have*9/10)/need))
	}
	if files, ok := f.Sysctl("fs.file-max"); ok && sockets+f.Usage.Files > files {
		return refuse("needs %s open files, and the whole host may have %s (fs.file-max), of which %s are taken: raise it, or ask for fewer",
			quantity.Count(sockets), quantity.Count(files), quantity.Count(f.Usage.Files))
	}
	return nil
}

// orphanWarning is for a mass close that leaves more orphans than the host keeps: beyond
// tcp_max_orphans the kernel resets them (tcp_check_oom), and the close is not what was asked for.
func (c *Config) orphanWarning(f *host.Facts) string {
	limit, ok := f.Sysctl("net.ipv4.tcp_max_orphans")
	for i := range c.Plan.Groups {
		g := &c.Plan.Groups[i]
		if ok && g.Plateau > 0 && g.Close.How != teardown.RST && int64(g.Connections) > limit/2 {
			return fmt.Sprintf("pressure.orphans: %s connections closed at once may exceed tcp_max_orphans (%s for the whole host, counted double under pressure): the kernel then resets instead of closing; --close-rate paces it",
				quantity.Count(int64(g.Connections)), quantity.Count(limit))
		}
	}
	return ""
}
