package observe

import "time"

// PSI is how long some task was stalled for want of a resource, since boot (the "some"
// totals of /proc/pressure).
type PSI struct {
	CPU, Memory, IO time.Duration
}

// PSI reads the pressure totals, nil on a kernel without them (CONFIG_PSI, psi=1).
func (o *Observer) PSI() *PSI {
	var p PSI
	for _, r := range []struct {
		name string
		into *time.Duration
	}{{"cpu", &p.CPU}, {"memory", &p.Memory}, {"io", &p.IO}} {
		stats, err := o.proc.PSIStatsForResource(r.name)
		if err != nil || stats.Some == nil {
			return nil
		}
		*r.into = time.Duration(stats.Some.Total) * time.Microsecond
	}
	return &p
}
