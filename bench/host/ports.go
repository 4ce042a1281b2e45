package host

import (
	"fmt"

	"lastack/sockstate/sockio"
)

// usablePorts counts the ports of a range that are not in reserved, a list like "8080,9000-9010" (ip_local_reserved_ports,
// printed by proc_do_large_bitmap). step is 1 for all ports, 2 for those of low's parity.
func usablePorts(low, high, step int, reserved string) (int, error) {
	if low < 0 || high > 65535 || low > high {
		return 0, fmt.Errorf("%d to %d is not a range of ports", low, high)
	}
	taken, err := sockio.ParsePorts(reserved)
	if err != nil {
		return 0, err
	}
	n := 0
	for p := low; p <= high; p += step {
		if !taken[p] {
			n++
		}
	}
	return n, nil
}
