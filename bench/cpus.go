package bench

import "lastack/sockstate/sockio"

// shareCPUs gives worker i of the load and worker i of the embedded server one CPU, whose listener takes
// the connections from there: each connection then lives on one CPU, and nobody is woken across CPUs. It
// is for a closed loop that has no more workers than there are CPUs, and a listener for each; a load on a
// schedule must find a free CPU to be on time. Measured with two CPUs, 64 connections, echo and RST, medians of
// seven pairs: io_uring 1.10 times as fast (1.03 to 1.25), epoll 0.93. Without it the result is empty.
func (c *Config) shareCPUs() []int {
	s := c.Server
	if c.Backend.Name != "uring" || s == nil || s.Workers != c.Plan.Workers || s.Listeners != s.Workers {
		return nil
	}
	for i := range c.Plan.Groups {
		if c.Plan.Groups[i].OnSchedule() {
			return nil
		}
	}
	cpus, err := sockio.AllowedCPUs()
	if err != nil || len(cpus) < s.Workers {
		return nil // the scheduler does it, too
	}
	return cpus[:s.Workers]
}
