package sockstate

// Counters are the kernel's cumulative TCP counters of one network namespace, by
// the names that nstat uses: "TcpActiveOpens" from /proc/net/snmp, "TcpExtTW" from
// /proc/net/netstat. Gauges (CurrEstab, the limits of Rto) are left out.
type Counters map[string]int64

// Since returns the counters' growth from before, with zero growth left out, and what was not read at both times:
// its growth is not known.
func (c Counters) Since(before Counters) Counters {
	d := make(Counters)
	for k, v := range c {
		if was, read := before[k]; read && v != was {
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
