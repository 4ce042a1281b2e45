package sockstate

// Counters are the kernel's cumulative TCP counters of one network namespace, by
// the names that nstat uses: "TcpActiveOpens" from /proc/net/snmp, "TcpExtTW" from
// /proc/net/netstat. Gauges (CurrEstab, the limits of Rto) are left out.
type Counters map[string]int64

// Since returns the counters' growth from before, 0 for those that did not grow. What was not read at both times is left out: its
// growth is not known.
func (c Counters) Since(before Counters) Counters {
	d := make(Counters)
	for k, v := range c {
		if was, read := before[k]; read {
			d[k] = v - was
		}
	}
	return d
}

// Add sums another namespace's counters into c.
func (c Counters) Add(o Counters) {
	for k, v := range o {
		c[k] += v
	}
}

// Range is an inclusive range of counts.
type Range struct {
	Min int64 `json:"min"`
	Max int64 `json:"max"`
}

// Contains reports whether n lies in r.
func (r Range) Contains(n int64) bool { return r.Min <= n && n <= r.Max }

// Times is the range for n of what r is for one.
func (r Range) Times(n int64) Range { return Range{r.Min * n, r.Max * n} }
