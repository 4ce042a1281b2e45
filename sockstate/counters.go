package sockstate

// Counters are the kernel's cumulative TCP counters of one network namespace, by
// the names that nstat uses: "TcpActiveOpens" from /proc/net/snmp, "TcpExtTW" from
// /proc/net/netstat. Gauges (CurrEstab, the limits of Rto) are left out.
type Counters map[string]int64

// Since returns how much each counter has grown from before. A counter missing on either side is left out.
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

// ByName is what counts holds by index, by the index's name, without zeros.
func ByName[I interface {
	~uint8
	String() string
}, N int | int64](counts []N) map[string]N {
	m := make(map[string]N)
	for i, n := range counts {
		if n > 0 {
			m[I(i).String()] += n
		}
	}
	return m
}

// Range is an inclusive range of counts.
type Range struct {
	Min int64 `json:"min"`
	Max int64 `json:"max"`
}

// Contains reports whether n lies in r.
func (r Range) Contains(n int64) bool { return r.Min <= n && n <= r.Max }

// Times multiplies both ends by n.
func (r Range) Times(n int64) Range { return Range{r.Min * n, r.Max * n} }
