package preset

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"lastack/bench/quantity"
	"lastack/bench/sweep"
	"lastack/sockstate"
)

// The loads of the presets. Most use up 500 local ports at 300 connections per second.
const (
	fewPorts  = 500
	portsFlag = "sysctl=net.ipv4.ip_local_port_range=20000 20499"
	rate      = 300
	rateFlag  = "rate=300"

	// shortLoad uses up the ports. longLoad lasts until each TIME_WAIT has ended, and until its port is used up again; on any kernel that takes
	// less than 65.2 + 2*500/300 s.
	shortLoad, shortFlag = 10, "duration=10s"
	longLoad, longFlag   = 70, "duration=70s"
	lives                = 2

	// times is how often a port that is reused serves at least, where one that is not serves once.
	times = 20

	// finRate is that of the load that fills FIN_WAIT_2, which holds a connection of the server for each of the client's.
	finRate, finFlag          = 50, "rate=50"
	finSampled, finEachSample = 250 * time.Millisecond, "interval=250ms"

	// burst is how many connections arrive at once.
	burst = 300
	queue = 16
)

// noReuse keeps the answer of every other preset free of tcp_tw_reuse.
const noReuse = "sysctl=net.ipv4.tcp_tw_reuse=0"

const (
	completed = "connections.completed"
	reused    = "time_wait.reused_by_connect"
	entered   = "time_wait.entered"
	overflow  = "time_wait.overflow"
	waiting   = "time_wait.peak"
	orphaned  = "time_wait.fin_wait2_mini_peak"
	overflows = "counters.TcpExtListenOverflows"
	connect   = "connect.max"
	balanced  = "accounting.mismatches"
	failed    = "failed_ratio"
)

// The reasons of predictions.
const (
	noPort   = "a port in TIME_WAIT is no port for connect: it fails with EADDRNOTAVAIL until TIME_WAIT ends, after 60 s and the rounding of the kernel's timer (TCP_TIMEWAIT_LEN, calc_index)"
	reusable = "connect takes over a port whose TIME_WAIT is a second old, if the connection had timestamps (tcp_twsk_unique)"
)

// All lists the presets.
func All() []Preset {
	return []Preset{
		{
			Name:     "tw-reuse",
			Question: "Does tcp_tw_reuse give more connections to a client that closes first?",
			About: `The side that closes first holds the port in TIME_WAIT for a minute. With tcp_tw_reuse=1 connect takes over such a port after a second
(tcp_twsk_unique; the wait is tcp_tw_reuse_delay, Linux 6.14). The kernel's default, 2, does that on loopback only, so that a test on loopback shows what no network has.
The load has 500 ports, offers 300 connections/s for 70 s, and sees each port come back once.`,
			Vary:   []string{"tcp_tw_reuse=0,1,2", "topology=veth,lo"},
			Flags:  []string{portsFlag, rateFlag, longFlag, "sysctl=net.ipv4.tcp_timestamps=1"},
			Blocks: 1,
			predict: func(c cell) []prediction {
				reuse := c.levels["tcp_tw_reuse"]
				if reuse == "1" || reuse == "2" && c.levels["topology"] == "lo" {
					return reuses(longLoad)
				}
				because := noPort
				if reuse == "2" {
					because = "2 means loopback: an address in 127/8, ::1, or the device lo; across veth nothing is reused (tcp_twsk_unique)"
				}
				return []prediction{{completed, lives * fewPorts, lives * fewPorts, because}, {reused, 0, 0, because}}
			},
			answer: func(o *observed) string {
				_, without := o.of(completed, "tcp_tw_reuse=0", "topology=veth")
				_, with := o.of(completed, "tcp_tw_reuse=1", "topology=veth")
				_, standard := o.of(completed, "tcp_tw_reuse=2", "topology=veth")
				_, flattered := o.of(completed, "tcp_tw_reuse=2", "topology=lo")
				return fmt.Sprintf("yes, 1 does: across a network %d ports served %s connections in %d s with 1 and %s with 0; the default, 2, helps on loopback only: %s there, %s across a network",
					fewPorts, with, longLoad, without, flattered, standard)
			},
		},
		{
			Name:     "port-range",
			Question: "How many connections per second does a port range bear?",
			About: `A client that closes first needs a port for as long as TIME_WAIT lasts: 60 s, rounded up by the kernel's timer wheel to 61.02 s in the mean at
CONFIG_HZ=250. So N ports bear N/61.02 connections/s to one destination and from one address, and twice the range bears twice the rate: 28,232 ports 463/s. The load is
faster than that, and measures how fast ports come back.`,
			Vary:   []string{"ip_local_port_range=20000-20499,20000-20999,20000-21999"},
			Flags:  []string{"find=rate", "scale=1", noReuse},
			Blocks: 1,
			predict: func(c cell) []prediction {
				return []prediction{turnover(c, portsOf(c.levels["ip_local_port_range"]), "each port is back when its TIME_WAIT ends (TCP_TIMEWAIT_LEN, calc_index): the rate is ports / 61.02 s, in proportion to the ports")}
			},
			answer: func(o *observed) string {
				few, fewWords := o.of(sweep.FoundRate, "ip_local_port_range=20000 20499")
				many, manyWords := o.of(sweep.FoundRate, "ip_local_port_range=20000 21999")
				return fmt.Sprintf("the rate is linear in the ports: 500 bear %s, 2,000 bear %s, so each further 1,000 add %s/s (predicted: %s/s)",
					fewWords, manyWords, quantity.PerSecond((many-few)/1.5), quantity.PerSecond(1000/o.cell(0).timeWait().Mean().Seconds()))
			},
		},
		{
			Name:     "sources",
			Question: "Do more source addresses bear more connections per second?",
			About: `TIME_WAIT keeps a pair of address and port from being used again to the same destination, not a port as such (__inet_check_established). So each further
source address brings its own ports. Every address has 500 here, and TIME_WAIT lasts for 61.02 s in the mean at CONFIG_HZ=250.`,
			Vary:   []string{"sources=1,2,4"},
			Flags:  []string{"find=rate", "scale=1", portsFlag, noReuse},
			Blocks: 1,
			predict: func(c cell) []prediction {
				n, _ := strconv.Atoi(c.levels["sources"]) // a level of the preset's
				return []prediction{turnover(c, float64(n)*fewPorts, "every address has ports of its own (__inet_check_established): the rate is addresses * ports / 61.02 s")}
			},
			answer: func(o *observed) string {
				one, oneWords := o.of(sweep.FoundRate, "sources=1")
				four, fourWords := o.of(sweep.FoundRate, "sources=4")
				return fmt.Sprintf("yes, in proportion: one address bears %s, four bear %s (%.2f times as much)", oneWords, fourWords, four/max(one, 1e-9))
			},
		},
		{
			Name:     "close-policy",
			Question: "Who must close first, and how, so that local ports do not run out?",
			About: `TIME_WAIT is on the side that closes first (tcp_fin, tcp_time_wait). If that is the client, its ports run out; if it is the server, the client's port is
free at once, and the server's TIME_WAIT gives way to the new SYN (tcp_timewait_state_process). After an RST nobody has a TIME_WAIT. The load has 500 ports, and offers 3,000
connections.`,
			Vary:   []string{"close=client:fin,client:half,server:fin,server:half,client:rst,server:rst"},
			Flags:  []string{portsFlag, rateFlag, shortFlag, noReuse},
			Blocks: 5,
			predict: func(c cell) []prediction {
				who, how, _ := strings.Cut(c.levels["close"], ":")
				const all = rate * shortLoad
				switch {
				case how == "rst":
					because := "an RST ends the connection on both sides at once: nobody holds a TIME_WAIT (tcp_disconnect, tcp_reset)"
					return []prediction{{completed, all, all, because}, {entered, 0, 0, because}}
				case who == "server":
					because := "the server, which closes first, holds the TIME_WAIT, and opens it again for a new SYN (tcp_timewait_state_process)"
					return []prediction{{completed, all, all, because}, {entered, all, all, because}}
				}
				return []prediction{{completed, fewPorts, fewPorts, noPort}, {entered, fewPorts, fewPorts, noPort}}
			},
			answer: func(o *observed) string {
				_, client := o.of(completed, "close=client:fin")
				_, server := o.of(completed, "close=server:fin")
				_, rst := o.of(completed, "close=client:rst")
				return fmt.Sprintf("the server, or either side by RST: %d ports served %s connections if the client closed first, %s if the server did, and %s with an RST, which may lose data under way",
					fewPorts, client, server, rst)
			},
		},
		{
			Name:     "fin-timeout",
			Question: "Does tcp_fin_timeout shorten TIME_WAIT?",
			About: `TIME_WAIT lasts for TCP_TIMEWAIT_LEN, which is no sysctl. tcp_fin_timeout bounds FIN_WAIT_2 of an orphan: a connection that its program has closed, and
the peer has not (tcp_rcv_state_process, tcp_time_wait). The load opens 50 connections/s for 70 s. As many sockets are in a state as begin while one of them lasts, so that the
most in a state at once, divided by 50/s, is how long it lasts at most: until the end of its bucket of the timer wheel (calc_index).`,
			Vary:   []string{"tcp_fin_timeout=60,5,15", "on-eof=close,never"},
			Flags:  []string{"close=client:fin", finFlag, longFlag, finEachSample, noReuse},
			Blocks: 1,
			predict: func(c cell) []prediction {
				if c.levels["on-eof"] == "close" {
					return []prediction{lasting(waiting, c.timeWait(), "TIME_WAIT lasts for TCP_TIMEWAIT_LEN and the rounding of its timer, whatever tcp_fin_timeout is (tcp_time_wait)")}
				}
				d, _ := strconv.Atoi(c.levels["tcp_fin_timeout"]) // a level of the preset's
				return []prediction{
					lasting(orphaned, sockstate.OrphanLasts(time.Duration(d)*time.Second, c.hz), "an orphan whose peer does not close ends after tcp_fin_timeout and the rounding of its timer (tcp_rcv_state_process, tcp_time_wait)"),
					{waiting, 0, 0, "it never gets the FIN that would lead to TIME_WAIT"},
				}
			},
			answer: func(o *observed) string {
				wait, _ := o.of(waiting, "tcp_fin_timeout=5", "on-eof=close")
				usual, _ := o.of(waiting, "tcp_fin_timeout=60", "on-eof=close")
				orphan, _ := o.of(orphaned, "tcp_fin_timeout=5", "on-eof=never")
				return fmt.Sprintf("no: TIME_WAIT lasted for %.1f s with 60 and for %.1f s with 5; what it ends is FIN_WAIT_2 of connections whose peer does not close, with 5 after %.2f s",
					usual/finRate, wait/finRate, orphan/finRate)
			},
		},
		{
			Name:     "tw-buckets",
			Question: "What happens at tcp_max_tw_buckets?",
			About: `A connection that would enter TIME_WAIT when there are tcp_max_tw_buckets of them is closed at once instead (inet_twsk_alloc), and TCPTimeWaitOverflow
counts it. Nothing fails, and its port is free again, but late packets of the old connection may meet a new one. The kernel counts without a lock, so that each CPU may let
one more through. The load closes 3,000 connections.`,
			Vary:   []string{"tcp_max_tw_buckets=100000,1000,500"},
			Flags:  []string{"close=client:fin", rateFlag, shortFlag, noReuse},
			Blocks: 5,
			predict: func(c cell) []prediction {
				limit, _ := strconv.ParseFloat(c.levels["tcp_max_tw_buckets"], 64) // a level of the preset's
				const all = rate * shortLoad
				most := min(all, limit+float64(c.cpus))
				because := "above tcp_max_tw_buckets a close goes without TIME_WAIT, and is counted (inet_twsk_alloc, tcp_time_wait)"
				return []prediction{
					{entered, min(all, limit), most, because},
					{overflow, all - most, max(all-limit, 0), because},
					{failed, 0, 0, "without TIME_WAIT the connection closes as well"},
					{balanced, 0, 0, "each connection of the ledger has entered TIME_WAIT, or overflowed"},
				}
			},
			answer: func(o *observed) string {
				_, in := o.of(entered, "tcp_max_tw_buckets=500")
				_, over := o.of(overflow, "tcp_max_tw_buckets=500")
				return fmt.Sprintf("closes skip TIME_WAIT, and nothing fails: with 500 buckets %s of 3,000 entered it, and %s were counted as overflows", in, over)
			},
		},
		{
			Name:     "backlog",
			Question: "Does a longer accept queue help when many connections arrive at once?",
			About: `listen's backlog is how many connections wait for accept, and net.core.somaxconn caps it without a word (__sys_listen). When the queue is full the kernel
drops the SYN (tcp_conn_request), and the client sends it again after a second. Here 300 connections arrive at once.`,
			Vary:   []string{"backlog=4096,16", "somaxconn=4096,16"},
			Flags:  []string{"connections=" + strconv.Itoa(burst), "plateau=500ms", "listeners=1", "connect-timeout=10s", "request-timeout=4s", noReuse},
			Blocks: 3,
			predict: func(c cell) []prediction {
				if c.levels["backlog"] == c.levels["somaxconn"] && c.levels["backlog"] != strconv.Itoa(queue) {
					return []prediction{{overflows, 0, 0, "the queue is longer than all of the connections (sk_acceptq_is_full)"}}
				}
				return []prediction{
					{overflows, 1, 0, "the queue holds the smaller of backlog and somaxconn, and one more (sk_acceptq_is_full)"},
					{connect, 1e6, 0, "a dropped SYN is sent again after TCP_TIMEOUT_INIT, 1 s"},
				}
			},
			answer: func(o *observed) string {
				_, slow := o.of(connect, "backlog=16", "somaxconn=16")
				_, capped := o.of(connect, "backlog=4096", "somaxconn=16")
				return fmt.Sprintf("yes, as far as somaxconn allows: with a queue of 16 the slowest connect took %s or more; a backlog of 4,096 changed nothing with somaxconn at 16 (%s); with both at 4,096 no SYN was dropped",
					slow, capped)
			},
		},
		{
			Name:     "timestamps",
			Question: "Does tcp_tw_reuse work without tcp_timestamps?",
			About: `By timestamps a connection that takes over a port tells its own packets from those of the old one (PAWS, RFC 6191). Without them the kernel reuses no
TIME_WAIT in connect (tcp_twsk_unique). The load has 500 ports, tcp_tw_reuse=1 on both hosts, and offers 3,000 connections.`,
			Vary:   []string{"tcp_timestamps=1,0"},
			Flags:  []string{portsFlag, rateFlag, shortFlag, "sysctl=net.ipv4.tcp_tw_reuse=1"},
			Blocks: 5,
			predict: func(c cell) []prediction {
				if c.levels["tcp_timestamps"] == "1" {
					return reuses(shortLoad)
				}
				because := "without timestamps there is no ts_recent_stamp, and tcp_twsk_unique refuses"
				return []prediction{{completed, fewPorts, fewPorts, because}, {reused, 0, 0, because}}
			},
			answer: func(o *observed) string {
				_, with := o.of(completed, "tcp_timestamps=1")
				_, without := o.of(completed, "tcp_timestamps=0")
				return fmt.Sprintf("no: with tcp_tw_reuse=1, %d ports served %s connections with timestamps, and %s without", fewPorts, with, without)
			},
		},
	}
}

// reuses predicts a load whose connects take over ports in TIME_WAIT.
func reuses(lasts float64) []prediction {
	least := times * fewPorts / sockstate.TimeWaitLength.Seconds() * lasts
	return []prediction{{completed, math.Ceil(least), rate * lasts, reusable}, {reused, math.Ceil(least) - fewPorts, rate * lasts, reusable}}
}

// turnover predicts the rate at which ports come back from TIME_WAIT.
func turnover(c cell, ports float64, because string) prediction {
	life := c.timeWait()
	p := prediction{metric: sweep.FoundRate, lo: ports / life.Max.Seconds(), hi: ports / life.Min.Seconds(), because: because}
	if c.hz == 250 { // elsewhere the bursts in which ports come back do not differ from the mean by less than a percent
		const within = 0.01
		p.lo, p.hi = ports/life.Mean().Seconds()*(1-within), ports/life.Mean().Seconds()*(1+within)
	}
	return p
}

// begins is how many sockets more or fewer are in a state at once for each second that connections begin late.
var begins = map[string]float64{waiting: finRate, orphaned: finRate}

// lasting predicts the most sockets at once in a state that a timer ends after d, if they begin at finRate. The kernel's timer wheel ends those of a whole
// bucket together (calc_index), at the end of the longest life of any of them: just before that there are as many as begin in it.
//
//	sockets |      /|  /|  /|     finRate * Max: the most
//	        |    /  |/  |/  |     finRate * Min, just after
//	        |  /
//	        +-------------------> t
//	                |<->| a bucket: Max - Min
//
// A sample sees the peaks from up to missed before, and some few sockets are early or late: their last ACK was delayed (tcp_delack_max, 40 ms and more).
func lasting(metric string, lasts sockstate.Span, because string) prediction {
	const few = 3
	bucket := lasts.Max - lasts.Min
	full := longLoad*time.Second - lasts.Max // from when the peaks are whole, until the load ends
	peaks := max(int(full/bucket), 1)
	seen := lasts.Max - missed(bucket, finSampled, peaks) - max(bucket-full, 0)
	return prediction{metric: metric, lo: math.Floor(finRate*seen.Seconds()) - few, hi: math.Ceil(finRate*lasts.Max.Seconds()) + few, because: because}
}

// missed is how long before the best seen of n peaks, which are each apart, its sample is at worst, if samples are every apart: the longest gap between the
// peaks' places in the time between two samples.
func missed(each, every time.Duration, n int) time.Duration {
	var at []time.Duration
	for k := range n {
		at = append(at, time.Duration(k)*each%every)
	}
	slices.Sort(at)
	gap := at[0] + every - at[n-1]
	for k := 1; k < n; k++ {
		gap = max(gap, at[k]-at[k-1])
	}
	return gap
}

// timeWait is how long TIME_WAIT lasts.
func (c cell) timeWait() sockstate.Span { return sockstate.TimeWaitLasts(c.hz) }

// portsOf counts the ports of a range.
func portsOf(level string) float64 {
	lo, hi, _ := strings.Cut(strings.Replace(level, "-", " ", 1), " ")
	from, _ := strconv.ParseFloat(lo, 64) // a level of the preset's
	to, _ := strconv.ParseFloat(hi, 64)
	return to - from + 1
}
