package bench

import (
	"fmt"

	"lastack/bench/quantity"
)

// slotsAtMost bounds what no plan asks for, where RLIMIT_NOFILE is as good as none.
const slotsAtMost = 1 << 20

// divideFds says how many connections the load and the server may have open: each has
// a descriptor for its end.
func (c *Config) divideFds(limit int64) (load, server int, err error) {
	budget := int(min(limit, 1<<30)) - reservedFds - fdsOfWorker*c.Plan.Workers
	if c.Server != nil {
		budget -= fdsOfWorker*c.Server.Workers + c.Server.Listeners
	}
	planned, uncapped := 0, false
	for i := range c.Plan.Groups {
		n := c.Plan.Groups[i].Connections
		planned += max(n, 1)
		uncapped = uncapped || n == 0
	}
	ends := 1
	if c.Server != nil {
		ends = 2
	}
	if planned*ends > budget {
		why := "a descriptor each"
		if ends == 2 {
			why = "a descriptor at each end, both in this process"
		}
		remedy := "raise it (ulimit -n)"
		if budget >= ends {
			remedy += ", or ask for at most " + quantity.Count(int64(budget/ends))
		}
		return 0, 0, &RefusedError{
			"connections", quantity.Count(int64(planned)),
			fmt.Sprintf("needs %s descriptors (%s), and RLIMIT_NOFILE leaves %s of %s: %s",
				quantity.Count(int64(planned*ends)), why, quantity.Count(int64(max(budget, 0))), quantity.Count(limit), remedy),
		}
	}
	most := max(planned, slotsAtMost)
	if c.Server == nil {
		return min(budget, most), 0, nil
	}
	if uncapped {
		return min(budget/2, most), min(budget-budget/2, most), nil
	}
	// A server's end may outlive the client's; what the client cannot use is there for that.
	return planned, min(budget-planned, most), nil
}
