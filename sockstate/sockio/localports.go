package sockio

import (
	"fmt"
	"strconv"
	"strings"
)

// PortSet is a set of ports.
type PortSet [1 << 16]bool

// Count is the number of ports from lo to hi in the set.
func (s *PortSet) Count(lo, hi uint16) (n int) {
	for p := int(lo); p <= int(hi); p++ {
		if s[p] {
			n++
		}
	}
	return n
}

// ParsePorts parses a list like "8080,9000-9010", the format of ip_local_reserved_ports (proc_do_large_bitmap).
func ParsePorts(list string) (*PortSet, error) {
	s := new(PortSet)
	list = strings.TrimSpace(list)
	if list == "" {
		return s, nil
	}
	for item := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(item, "-")
		if !isRange {
			last = first
		}
		lo, err := strconv.ParseUint(first, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("reserved ports %q: %q is not a port", list, first)
		}
		hi, err := strconv.ParseUint(last, 10, 16)
		if err != nil || hi < lo {
			return nil, fmt.Errorf("reserved ports %q: %q is not a range", list, item)
		}
		for p := lo; p <= hi; p++ {
			s[p] = true
		}
	}
	return s, nil
}
