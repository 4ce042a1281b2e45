package socktest

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"lastack/sockstate"
)

// ReadCounters reads the kernel's counters of the calling thread's namespace by names like "TcpActiveOpens". As an independent
// witness it shares no code with package observe.
func ReadCounters() (sockstate.Counters, error) {
	all := make(sockstate.Counters)
	for _, file := range []string{"snmp", "netstat"} {
		b, err := os.ReadFile("/proc/thread-self/net/" + file)
		if err != nil {
			return nil, err
		}
		lines := strings.Split(strings.TrimSpace(string(b)), "\n")
		for i := 0; i+1 < len(lines); i += 2 {
			names, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
			if len(names) != len(values) {
				return nil, fmt.Errorf("%s: %d names and %d values", file, len(names), len(values))
			}
			for j := 1; j < len(names); j++ {
				n, err := strconv.ParseInt(values[j], 10, 64)
				if err != nil {
					return nil, err
				}
				all[strings.TrimSuffix(names[0], ":")+names[j]] = n
			}
		}
	}
	return all, nil
}
