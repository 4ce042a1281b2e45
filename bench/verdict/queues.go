package verdict

import (
	"lastack/bench/quantity"
	"lastack/bench/record"
)

func (j *judgement) conntrack() bool {
	c := j.r.Pressure.Conntrack
	if c == nil || c.Limit == 0 || c.Peak < c.Limit*99/100 {
		return false
	}
	j.limit(record.LimitConntrack, false, "conntrack_full", args{"entries": c.Peak, "limit": c.Limit})
	j.advise("raise_conntrack", nil)
	return true
}

func (j *judgement) buckets() bool {
	n := j.r.TimeWait.Overflow
	if n == 0 {
		return false
	}
	defer j.onHost()()
	j.limit(record.LimitTWBuckets, true, "tw_buckets_full", args{
		"skipped": n, "limit": j.r.TimeWait.MaxBuckets, "lasts_for_per_s": float64(j.r.TimeWait.MaxBuckets) / j.timeWait().Mean().Seconds(),
	})
	j.advise("raise_tw_buckets", nil)
	return true
}

func (j *judgement) queues() bool {
	c := j.r.Counters
	p := j.r.Pressure
	if j.r.Sandbox.Mode == "off" && (p.Backlog == 0 || p.AcceptQueuePeak < p.Backlog) {
		// These counters are of a namespace that others listen in too, and the target's queue was not full.
		return false
	}
	overflow, drops := c["TcpExtListenOverflows"], c["TcpExtListenDrops"]
	syn := c["TcpExtTCPReqQFullDrop"] + c["TcpExtTCPReqQFullDoCookies"]
	switch {
	case overflow > 0:
		a := args{"times": overflow}
		if p.Backlog > 0 {
			a["backlog"] = p.Backlog
		}
		if s := j.r.Server; s != nil {
			a["listeners"] = s.Listeners
		}
		j.limit(record.LimitAcceptQueue, true, "accept_queue_full", a)
		j.advise("larger_accept_queue", nil)
	case syn > 0:
		j.limit(record.LimitSYNDrops, true, "syn_queue_full", args{"times": syn})
		j.advise("larger_syn_queue", nil)
	case drops > 0:
		// Without SYN cookies a listener drops SYNs before its queue is full: it keeps a quarter of tcp_max_syn_backlog for peers that
		// it knows (tcp_conn_request).
		a := args{"times": drops}
		if j.sysctl("net.ipv4.tcp_syncookies") == "0" {
			a["syn_backlog"] = j.sysctl("net.ipv4.tcp_max_syn_backlog")
		}
		j.limit(record.LimitSYNDrops, true, "syns_dropped", a)
		j.advise("larger_syn_queue_or_cookies", nil)
	default:
		return false
	}
	return true
}

// backlogWords is "backlog 4,096", of each listener where their number is known.
func backlogWords(a args) string {
	n, listeners := a.integer("backlog"), a.integer("listeners")
	switch {
	case n == 0:
		return "backlog unknown"
	case listeners > 1:
		return "backlog " + quantity.Count(n/listeners) + " of each of " + quantity.Count(listeners) + " listeners"
	}
	return "backlog " + quantity.Count(n)
}

func queueCodes() []Code {
	return []Code{
		found("conntrack_full", "connection tracking (nf_conntrack) was full", "raise net.netfilter.nf_conntrack_max, or do not track the load", func(a args) string {
			return "connection tracking was full: " + a.count("entries") + " of " + a.count("limit") + " entries"
		}),
		found("tw_buckets_full", "there were tcp_max_tw_buckets TIME_WAITs, so that further closes skipped TIME_WAIT", "raise net.ipv4.tcp_max_tw_buckets, or accept it", func(a args) string {
			return a.count("skipped") + " closed connections skipped TIME_WAIT: tcp_max_tw_buckets is " + a.count("limit") + ", which lasts for " + a.perSecond("lasts_for_per_s") + " closes/s"
		}),
		found("accept_queue_full", "the listeners' accept queue overflowed, so that handshakes were dropped", "a larger backlog, more listeners, or a server that accepts faster", func(a args) string {
			return "the accept queue overflowed " + a.count("times") + " times (" + backlogWords(a) + "): clients that were dropped retry their SYN after 1 s"
		}),
		found("syn_queue_full", "the listeners' queue of half-open connections was full", "raise net.ipv4.tcp_max_syn_backlog and the backlog", func(a args) string { return "the SYN queue was full " + a.count("times") + " times" }),
		found("syns_dropped", "the listeners dropped SYNs", "raise net.ipv4.tcp_max_syn_backlog and the backlog, or switch SYN cookies on", func(a args) string {
			s := "the listeners dropped " + a.count("times") + " SYNs"
			if a.has("syn_backlog") {
				s += ": without SYN cookies (tcp_syncookies=0) three quarters of tcp_max_syn_backlog (" + a.text("syn_backlog") + ") may wait for their handshake's last ACK"
			}
			return s
		}),
		remedy("raise_conntrack", "raise net.netfilter.nf_conntrack_max, or do not track the load", fixed("raise net.netfilter.nf_conntrack_max, or exempt the load with a notrack rule")),
		remedy("raise_tw_buckets", "raise net.ipv4.tcp_max_tw_buckets", fixed("raise net.ipv4.tcp_max_tw_buckets (256 to 768 B each), or accept it: TIME_WAIT's protection is lost for those")),
		remedy("larger_accept_queue", "a larger accept queue, or a server that empties it faster", fixed("a larger --backlog (net.core.somaxconn caps it), more --listeners, or a server that accepts faster")),
		remedy("larger_syn_queue", "a larger queue of half-open connections", fixed("raise net.ipv4.tcp_max_syn_backlog and the listener's backlog")),
		remedy("larger_syn_queue_or_cookies", "a larger queue of half-open connections, or SYN cookies", fixed("raise net.ipv4.tcp_max_syn_backlog and the listener's backlog, or switch SYN cookies on (net.ipv4.tcp_syncookies=1)")),
	}
}
