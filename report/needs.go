package report

import (
	"fmt"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
)

// manyConnections is from where on a run's needs are worth a line: a laptop bears what is below.
const manyConnections = 100_000

// NeedsLine says what a large run is about to take, to be shown before it starts; empty for one that is not large.
func NeedsLine(n *record.Needs) string {
	if n == nil || n.Connections < manyConnections {
		return ""
	}
	parts := []string{fmt.Sprintf("%s open sockets, %s of kernel memory, %s of this process's",
		quantity.Count(n.Sockets), quantity.Bytes(n.KernelBytes), quantity.Bytes(n.ProcessBytes))}
	if tw := n.TimeWaits.Client + n.TimeWaits.Server; tw > 0 {
		parts = append(parts, quantity.Count(tw)+" TIME_WAITs")
	}
	if n.SourceAddresses > 1 {
		parts = append(parts, fmt.Sprintf("%s source addresses x %s ports", quantity.Count(int64(n.SourceAddresses)), quantity.Count(int64(n.PortsEach))))
	}
	return fmt.Sprintf("%s connections will take about %s", quantity.Count(n.Connections), strings.Join(parts, ", "))
}
