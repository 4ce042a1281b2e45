package tune

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"lastack/bench/host"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/teardown"
)

// situation is a load without any change, as far as remedies depend on it.
type situation struct {
	rate  float64
	group *loadgen.Group
	// inside are the facts in the client's namespace. known lists the sysctls of this kernel, empty if unknown.
	inside *host.Facts
	known  []string
	// loopback is set if both ends are on loopback.
	loopback bool
	// ports are the local ports in all, of so many source addresses. A connection keeps one for as long as kept.
	ports     int64
	addresses int64
	kept      sockstate.Span
	// waits is set if the client has the TIME_WAIT.
	waits   bool
	backlog int
}

// Names of settings that a sweep can vary, and sysctls.
const (
	keyClose   = "close"
	keySources = "sources"
	keyBacklog = "backlog"

	keyRange      = "net.ipv4.ip_local_port_range"
	keyReserved   = "net.ipv4.ip_local_reserved_ports"
	keyTimestamps = "net.ipv4.tcp_timestamps"
	keyBuckets    = "net.ipv4.tcp_max_tw_buckets"
	keyFinTimeout = "net.ipv4.tcp_fin_timeout"
	keySynBacklog = "net.ipv4.tcp_max_syn_backlog"
	keyCookies    = "net.ipv4.tcp_syncookies"
	keySomaxconn  = "net.core.somaxconn"
)

// remedy is a line of the table.
type remedy struct {
	code string
	// limits are those that admit it.
	limits []string
	// cost orders remedies: a sysctl of which the kernel keeps what it had promised, one with a price, an address, the program.
	cost int
	keys []string
	// changes is what it changes, nil if there is nothing to change.
	changes func(*situation) []record.TuneSetting
	// costs, risk and why are as in record.TuneRemedy.
	costs, risk, why string
}

// The costs of remedies.
const (
	cheap = 1 + iota
	dearer
	addresses
	program
	protocol
	folklore
)

var ofPorts = []string{record.LimitPorts, record.LimitPortSearch}

// remedies is the table: to add a remedy, add a line.
func remedies() []remedy {
	return []remedy{
		{
			code: "reuse", limits: ofPorts, cost: cheap, keys: []string{sockstate.ReuseSysctl, keyTimestamps}, changes: reuse,
			costs: "connect searches longer for a port, the more of them are in TIME_WAIT",
			risk:  "a port is used again after a second; the peer tells old segments from new by TCP timestamps, so both ends need them (RFC 6191, RFC 7323). A NAT on the way that still holds the old connection may drop the SYN",
			why:   "it needs TCP timestamps, and a TIME_WAIT older than tcp_tw_reuse_delay",
		},
		{
			code: "reuse_delay", limits: ofPorts, cost: cheap, keys: []string{sockstate.ReuseDelaySysctl}, changes: reuseDelay,
			costs: "none",
			risk:  "the less time, the more likely that an old segment is on the way; TCP timestamps tell it, in ticks of 1 ms (RFC 7323)",
		},
		{
			code: "range", limits: ofPorts, cost: dearer, keys: []string{keyRange}, changes: widerRange,
			costs: "256 to 768 bytes of kernel memory for each more port in TIME_WAIT",
			risk:  "a server that starts later may find its port taken: keep it out with net.ipv4.ip_local_reserved_ports",
			why:   "even all ports are too few",
		},
		{
			code: "unreserve", limits: ofPorts, cost: dearer, keys: []string{keyReserved}, changes: unreserve,
			costs: "none",
			risk:  "the servers for which the ports were reserved may find them taken",
			why:   "too few ports are reserved to matter",
		},
		{
			code: "fin_timeout_orphans", limits: ofPorts, cost: dearer, keys: []string{keyFinTimeout}, changes: finTimeoutOfOrphans,
			costs: "none",
			risk:  "a peer that closes later than that is answered by a reset",
		},
		{
			code: "addresses", limits: ofPorts, cost: addresses, keys: []string{keySources}, changes: moreAddresses,
			costs: "as many addresses, and a client that binds to them in turn (IP_BIND_ADDRESS_NO_PORT); more targets do the same",
			risk:  "firewalls and allow-lists of the peer have to know them",
		},
		{
			code: "addresses_of_first_pass", limits: ofPorts, cost: addresses, keys: []string{keySources}, changes: manyAddresses,
			costs: "as many addresses, and a client that binds to them in turn (IP_BIND_ADDRESS_NO_PORT); more targets do the same. connect finds a port in its first pass then, without a long search",
			risk:  "firewalls and allow-lists of the peer have to know them",
		},
		{
			code: "server_closes", limits: ofPorts, cost: program, keys: []string{keyClose}, changes: closeBy(teardown.ServerFirst, teardown.FIN),
			costs: "a change of both programs: the server closes first, the client waits for that; the server has the TIME_WAITs then, at 256 bytes each",
			risk:  "a client whose server does not close holds its connections",
		},
		{
			code: "client_resets", limits: append([]string{record.LimitTWBuckets}, ofPorts...), cost: protocol, keys: []string{keyClose}, changes: closeBy(teardown.ClientFirst, teardown.RST),
			costs: "a change of the client: SO_LINGER with 0 before close",
			risk:  "data on the way is lost, the peer sees ECONNRESET, and nothing protects the next connection of the port from old segments (RFC 1337)",
		},
		{
			code: "buckets", limits: []string{record.LimitTWBuckets}, cost: cheap, keys: []string{keyBuckets}, changes: moreBuckets,
			costs: "256 to 768 bytes of kernel memory for each TIME_WAIT",
			risk:  "none but the memory",
		},
		{
			code: "backlog", limits: []string{record.LimitAcceptQueue}, cost: dearer, keys: []string{keyBacklog, keySomaxconn}, changes: longerBacklog,
			costs: "a change of the server: its argument of listen; memory of the connections that wait",
			risk:  "if the server is too slow on average, connections only wait longer",
			why:   "the server does not accept fast enough for any queue",
		},
		{
			code: "syn_backlog", limits: []string{record.LimitSYNDrops, record.LimitAcceptQueue}, cost: cheap, keys: []string{keySynBacklog}, changes: longerSYNBacklog,
			costs: "320 bytes of kernel memory for each handshake",
			risk:  "a flood of SYNs takes more memory",
			why:   "it bounds handshakes that have not ended, not connections that wait for accept",
		},
		{
			code: "syncookies", limits: []string{record.LimitSYNDrops}, cost: cheap, keys: []string{keyCookies}, changes: cookies,
			costs: "none unless the queue is full",
			risk:  "with a cookie, a connection without timestamps has no window scaling and no SACK",
		},

		// Well known, but they do not help.
		{
			code: "fin_timeout", limits: ofPorts, cost: folklore, keys: []string{keyFinTimeout}, changes: finTimeout,
			why: "it ends orphans in FIN_WAIT_2; TIME_WAIT is 60 s, which no sysctl changes (TCP_TIMEWAIT_LEN)",
		},
		{
			code: "reuse_loopback", limits: ofPorts, cost: folklore, keys: []string{sockstate.ReuseSysctl}, changes: reuseOnLoopback,
			why: "2 is for loopback only",
		},
		{
			code: "buckets_of_ports", limits: ofPorts, cost: folklore, keys: []string{keyBuckets}, changes: doubleBuckets,
			why: "it bounds how many TIME_WAITs there may be, not how many ports",
		},
		{
			code: "somaxconn", limits: ofPorts, cost: folklore, keys: []string{keySomaxconn}, changes: largerSomaxconn,
			why: "the accept queue is the server's, and was not full",
		},
	}
}

// Keys lists the settings that tune may change.
func Keys() (keys []string) {
	for _, r := range remedies() {
		for _, k := range r.keys {
			if !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
		}
	}
	return keys
}

// admitted lists the remedies of a limit that change something, and nothing that must stay.
func admitted(limit string, s *situation, keep []string) (list []record.TuneRemedy) {
	for _, r := range remedies() {
		if !slices.Contains(r.limits, limit) {
			continue
		}
		changes := r.changes(s)
		if len(changes) == 0 || slices.ContainsFunc(changes, func(c record.TuneSetting) bool { return slices.Contains(keep, c.Key) }) {
			continue
		}
		list = append(list, record.TuneRemedy{Code: r.code, Changes: changes, Cost: r.cost, Costs: r.costs, Risk: r.risk, Why: r.why})
	}
	return list
}

// set is a change to a value, nil if it is that already.
func (s *situation) set(key, to string) []record.TuneSetting {
	from := s.inside.Sysctls[key]
	if from == to || len(s.known) > 0 && len(key) > 4 && key[:4] == "net." && !slices.Contains(s.known, key) {
		return nil
	}
	return []record.TuneSetting{{Key: key, From: from, To: to}}
}

// atLeast raises a number.
func (s *situation) atLeast(key string, to int64) []record.TuneSetting {
	if n, known := s.inside.Sysctl(key); known && n >= to {
		return nil
	}
	return s.set(key, strconv.FormatInt(to, 10))
}

func reuse(s *situation) (c []record.TuneSetting) {
	if !s.waits {
		return nil
	}
	r := sockstate.ReuseOf(s.inside.Sysctls)
	if !r.Asked(s.loopback) {
		c = s.set(sockstate.ReuseSysctl, "1")
	}
	if !r.Timestamps {
		c = append(c, s.set(keyTimestamps, "1")...)
	}
	return c
}

// spare is the part of what is just enough that a proposal leaves free.
const spare = 0.1

func reuseDelay(s *situation) []record.TuneSetting {
	r := sockstate.ReuseOf(s.inside.Sysctls)
	ms := (float64(s.ports)/s.rate - s.group.Hold.Seconds()) * 1000 * (1 - spare)
	if !s.waits || !r.On(s.loopback) || ms < 1 || ms >= float64(r.Delay.Milliseconds()) {
		return nil
	}
	return s.set(sockstate.ReuseDelaySysctl, strconv.Itoa(int(ms)))
}

// needs is how many local ports the load takes in all: TIME_WAITs end in bursts, so that at times there are as many as if each lasted for the
// longest time. What keeps a port for a fixed time keeps it a little longer, while it opens and closes.
func (s *situation) needs() int64 {
	n := s.rate * s.kept.Max.Seconds()
	if s.kept.Min == s.kept.Max {
		n *= 1 + spare
	}
	return int64(math.Ceil(n))
}

// ranges are the usual ranges of local ports, the narrowest first.
var ranges = []struct{ lo, hi int }{{32768, 65535}, {16384, 65535}, {10240, 65535}, {8192, 65535}, {4096, 65535}, {2048, 65535}, {1024, 65535}}

// widerRange is the narrowest of the usual ranges that suffices, or else the widest. A narrowed trial knows ports to a hundredth.
func widerRange(s *situation) []record.TuneSetting {
	const sure = 1.01
	lo, hi, have, ok := s.inside.LocalPorts()
	if !ok || !s.group.SourcePorts.IsZero() {
		return nil
	}
	var to []record.TuneSetting
	for _, r := range ranges {
		n, err := s.inside.UsablePorts(r.lo, r.hi)
		if err != nil || n <= have || r.lo > lo || r.hi < hi {
			continue
		}
		to = s.set(keyRange, fmt.Sprintf("%d %d", r.lo, r.hi))
		if float64(int64(n)*s.addresses) >= float64(s.needs())*sure {
			break
		}
	}
	return to
}

// unreserve reserves a port that connect does not choose anyway: no list is empty in a file of sysctl.d.
func unreserve(s *situation) []record.TuneSetting {
	lo, hi, have, ok := s.inside.LocalPorts()
	if !ok || have >= hi-lo+1 {
		return nil
	}
	return s.set(keyReserved, "1")
}

// orphans reports whether the client's FIN_WAIT_2 waits for a server that does not close.
func (s *situation) orphans() bool {
	return s.group.Close.Active(sockstate.Client) && s.group.OnEOF != teardown.Reaction{} && !s.group.Close.How.Resets()
}

// unpredicted reports whether nothing says how long a connection keeps its port: a delayed close of the server's may come before or after the
// orphan ends, and what only shuts down is no orphan.
func (s *situation) unpredicted() bool {
	return s.orphans() && (s.group.OnEOF.Kind != teardown.ReactNever || s.group.Close.How != teardown.FIN)
}

// finTimeoutOfOrphans is the longest timeout, of a minute at most, by which orphans give their ports back in time.
func finTimeoutOfOrphans(s *situation) []record.TuneSetting {
	if !s.orphans() {
		return nil
	}
	may := time.Duration(float64(s.ports)/s.rate*(1-spare)*float64(time.Second)) - s.group.Hold
	if n, known := s.inside.Sysctl(keyFinTimeout); known && sockstate.OrphanLasts(time.Duration(n)*time.Second, s.inside.HZ).Max <= may {
		return nil
	}
	return s.set(keyFinTimeout, strconv.Itoa(max(sockstate.FinTimeoutWithin(may, s.inside.HZ), 1)))
}

func finTimeout(s *situation) []record.TuneSetting {
	if s.orphans() {
		return nil
	}
	return s.set(keyFinTimeout, "15")
}

func moreAddresses(s *situation) []record.TuneSetting { return s.from(s.addressesNeeded()) }

// manyAddresses are so many that connect finds a port among those that it tries first (__inet_hash_connect).
func manyAddresses(s *situation) []record.TuneSetting {
	lo, hi, all, ok := s.inside.LocalPorts()
	if !ok || !s.group.SourcePorts.IsZero() {
		return nil
	}
	first, err := s.inside.FirstPass(lo, hi)
	n := s.addressesNeeded()
	if err != nil || first == 0 || first >= all {
		return nil
	}
	if more := int64(math.Ceil(float64(s.needs()) / float64(first))); more > n {
		return s.from(more)
	}
	return nil
}

func (s *situation) from(n int64) []record.TuneSetting {
	const most = 60_000 // of a sandbox
	if n <= s.addresses || n > most {
		return nil
	}
	return []record.TuneSetting{{Key: keySources, From: strconv.FormatInt(s.addresses, 10), To: strconv.FormatInt(n, 10)}}
}

// addressesNeeded is how many source addresses with the ports of one have enough.
func (s *situation) addressesNeeded() int64 {
	if s.ports == 0 {
		return 0
	}
	return int64(math.Ceil(float64(s.needs()) * float64(s.addresses) / float64(s.ports)))
}

// need is what the load takes, nil if ports do not matter.
func (s *situation) need() *record.TuneNeed {
	if s.ports == 0 || s.needs() <= s.ports {
		return nil
	}
	n := &record.TuneNeed{Ports: s.needs(), PortsEach: s.ports / s.addresses, Addresses: s.addressesNeeded()}
	buckets := s.bucketsNeeded()
	if all := n.Addresses * n.PortsEach; float64(all) < s.rate*sockstate.TimeWaitLasts(s.inside.HZ).Max.Seconds() {
		buckets = all // connect takes over ports in TIME_WAIT
	}
	if have, known := s.inside.Sysctl(keyBuckets); s.waits && known && have < buckets {
		n.TWBuckets = buckets
	}
	return n
}

func closeBy(who teardown.Who, how teardown.How) func(*situation) []record.TuneSetting {
	return func(s *situation) []record.TuneSetting {
		from, to := s.group.Close, teardown.Policy{Who: who, How: how}
		if !from.Active(sockstate.Client) || from == to || from.Who == teardown.Nobody {
			return nil
		}
		return []record.TuneSetting{{Key: keyClose, From: from.String(), To: to.String()}}
	}
}

// bucketsNeeded is how many TIME_WAITs there are at once, with some to spare.
func (s *situation) bucketsNeeded() int64 {
	const step = 1024
	n := s.rate * sockstate.TimeWaitLasts(s.inside.HZ).Max.Seconds() * (1 + spare)
	return int64(math.Ceil(n/step)) * step
}

func moreBuckets(s *situation) []record.TuneSetting {
	return s.atLeast(keyBuckets, s.bucketsNeeded())
}

func doubleBuckets(s *situation) []record.TuneSetting {
	n, known := s.inside.Sysctl(keyBuckets)
	if !known || n > math.MaxInt32/2 || !s.waits {
		return nil
	}
	return s.set(keyBuckets, strconv.FormatInt(2*n, 10))
}

// usual is what a queue is raised to, or four times its length.
const usual = 4096

func longerBacklog(s *situation) []record.TuneSetting {
	to := int64(max(4*s.backlog, usual))
	c := []record.TuneSetting{{Key: keyBacklog, From: strconv.Itoa(s.backlog), To: quantity.FormatCount(to)}}
	return append(c, s.atLeast(keySomaxconn, to)...)
}

func longerSYNBacklog(s *situation) []record.TuneSetting {
	n, _ := s.inside.Sysctl(keySynBacklog)
	return s.atLeast(keySynBacklog, max(4*n, 2*usual))
}

func largerSomaxconn(s *situation) []record.TuneSetting { return s.atLeast(keySomaxconn, 65_535) }

func cookies(s *situation) []record.TuneSetting {
	if s.inside.Sysctls[keyCookies] != "0" {
		return nil
	}
	return s.set(keyCookies, "1")
}

func reuseOnLoopback(s *situation) []record.TuneSetting {
	if s.loopback || s.inside.Sysctls[sockstate.ReuseSysctl] == "1" {
		return nil
	}
	return s.set(sockstate.ReuseSysctl, "2")
}

// predict is what ports bear, if each connection keeps one for as long as kept. It is nil if a connection keeps none.
func predict(rate float64, ports int64, kept sockstate.Span) *record.TunePrediction {
	if ports == 0 || kept.Max == 0 {
		return nil
	}
	p := &record.TunePrediction{Ports: ports, KeptMinS: kept.Min.Seconds(), KeptMaxS: kept.Max.Seconds()}
	p.LoPerS, p.HiPerS = float64(ports)/p.KeptMaxS, float64(ports)/max(p.KeptMinS, time.Millisecond.Seconds())
	if at := float64(ports) / rate; at < p.KeptMinS {
		p.ExhaustedS = at
	}
	return p
}
