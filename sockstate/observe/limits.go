package observe

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Limits is what there is to run out of; each is Unknown where it cannot be read.
type Limits struct {
	// Namespaces are in the order of Config.Namespaces.
	Namespaces []NamespaceLimits
	// TCPMem is the third value of tcp_mem in bytes, MaxOrphans is tcp_max_orphans. Both
	// are the whole host's, and only the initial namespace has files for them.
	TCPMem, MaxOrphans int64
	// NoFile is this process's soft RLIMIT_NOFILE, Files is fs.file-max.
	NoFile, Files int64
	// Memory is the machine's, in bytes (MemTotal).
	Memory int64
}

// NamespaceLimits are those of one network namespace.
type NamespaceLimits struct {
	// ID is Namespace.ID.
	ID string
	// PortLow and PortHigh are ip_local_port_range; Ports is how many of them
	// ip_local_reserved_ports leaves to choose from.
	PortLow, PortHigh, Ports int
	// MaxTimeWait is tcp_max_tw_buckets, Conntrack is nf_conntrack_max.
	MaxTimeWait, Conntrack int64
}

// PSI is the time in which some task was stalled for want of a resource, since boot
// (/proc/pressure, the "some" totals).
type PSI struct {
	CPU, Memory, IO time.Duration
}

// UsablePorts counts the ports of a range (ip_local_port_range) that a list like "8080,9000-9010" (ip_local_reserved_ports,
// printed by proc_do_large_bitmap) leaves. A list that is in another format is an error.
func UsablePorts(low, high int, reserved string) (int, error) {
	if low < 0 || high > 65535 || low > high {
		return 0, fmt.Errorf("%d to %d is no range of ports", low, high)
	}
	var taken [65536]bool
	for item := range strings.SplitSeq(strings.TrimSpace(reserved), ",") {
		if item == "" {
			continue
		}
		first, last, isRange := strings.Cut(item, "-")
		if !isRange {
			last = first
		}
		lo, err := strconv.ParseUint(first, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("reserved ports %q: %q is no port", reserved, first)
		}
		hi, err := strconv.ParseUint(last, 10, 16)
		if err != nil || hi < lo {
			return 0, fmt.Errorf("reserved ports %q: %q is no range", reserved, item)
		}
		for p := lo; p <= hi; p++ {
			taken[p] = true
		}
	}
	n := 0
	for _, t := range taken[low : high+1] {
		if !t {
			n++
		}
	}
	return n, nil
}
