package verdict

import "lastack/bench/record"

// router says whether the router between client and server had no entry, or no port, for a connection. Their SYNs were dropped, so that a
// client sees a slow connect or none.
func (j *judgement) router() bool {
	t, n := j.r.Tracking, j.r.Sandbox.NAT
	switch {
	case t == nil:
		return false
	case t.Max > 0 && t.Peak >= t.Max*99/100 && t.Dropped > 0: // a clash is counted as dropped too
		return j.limit(record.LimitConntrack, true, "router_full", args{"entries": t.Peak, "limit": t.Max, "dropped": t.Dropped}, "raise_conntrack")
	case t.InsertFailed == 0 || n == nil:
		return false
	}
	return j.limit(record.LimitNATPorts, true, "nat_ports_out", args{"failed": t.InsertFailed, "addresses": n.Addresses, "ports": n.Ports}, "nat_addresses")
}

func (j *judgement) conntrack() bool {
	c := j.r.Pressure.Conntrack
	if c == nil || c.Limit == 0 || c.Peak < c.Limit*99/100 {
		return false
	}
	return j.limit(record.LimitConntrack, false, "conntrack_full", args{"entries": c.Peak, "limit": c.Limit}, "raise_conntrack")
}

func (j *judgement) buckets() bool {
	n := j.r.TimeWait.Overflow
	if n == 0 {
		return false
	}
	defer j.onHost()()
	most := j.r.TimeWait.MaxBuckets
	return j.limit(record.LimitTWBuckets, true, "tw_buckets_full",
		args{"skipped": n, "limit": most, "lasts_for_per_s": float64(most) / j.timeWait().Mean().Seconds()}, "raise_tw_buckets")
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
			if p.Backlog > 0 && s.Listeners > 0 {
				a["backlog_each"] = p.Backlog / s.Listeners
			}
		}
		return j.limit(record.LimitAcceptQueue, true, "accept_queue_full", a, "larger_accept_queue")
	case syn > 0:
		return j.limit(record.LimitSYNDrops, true, "syn_queue_full", args{"times": syn}, "larger_syn_queue")
	case drops > 0:
		// Without SYN cookies a listener drops SYNs before its queue is full: it keeps a quarter of tcp_max_syn_backlog for peers that
		// it knows (tcp_conn_request).
		a := args{"times": drops}
		if j.sysctl("net.ipv4.tcp_syncookies") == "0" {
			a["syn_backlog"] = j.sysctl("net.ipv4.tcp_max_syn_backlog")
		}
		return j.limit(record.LimitSYNDrops, true, "syns_dropped", a, "larger_syn_queue_or_cookies")
	}
	return false
}

func queueCodes() []Code {
	return []Code{
		found("router_full", "the router's connection tracking was full", "a larger nf_conntrack_max, or shorter timeouts",
			"the router tracked up to {entries} connections, of at most {limit}, and dropped {dropped} packets of new ones"),
		found("nat_ports_out", "the NAT had no free port", "more addresses of the NAT, or a shorter hold",
			"the NAT found no free port {failed} times: it has ports {ports} of {addresses} addresses, and drops the SYN, which the client sends again"),
		remedy("nat_addresses", "more addresses of the NAT", "more --nat-addresses, wider --nat-ports, or a shorter --hold"),
		found("conntrack_full", "connection tracking (nf_conntrack) was full", "raise net.netfilter.nf_conntrack_max, or do not track the load",
			"connection tracking was full: {entries} of {limit} entries"),
		found("tw_buckets_full", "there were tcp_max_tw_buckets TIME_WAITs, so that further closes skipped TIME_WAIT", "raise net.ipv4.tcp_max_tw_buckets, or accept it",
			"{skipped} closed connections skipped TIME_WAIT: tcp_max_tw_buckets is {limit}, enough for {lasts_for_per_s} closes/s"),
		found("accept_queue_full", "the listeners' accept queue overflowed, so that handshakes were dropped", "a larger backlog, more listeners, or a server that accepts faster",
			"the accept queue overflowed {times} times (backlog [{backlog_each} of each of {listeners:several} listeners|{backlog}|unknown]): clients that were dropped retry their SYN after 1 s"),
		found("syn_queue_full", "the listeners' queue of half-open connections was full", "raise net.ipv4.tcp_max_syn_backlog and the backlog",
			"the SYN queue was full {times} times"),
		found("syns_dropped", "the listeners dropped SYNs", "raise net.ipv4.tcp_max_syn_backlog and the backlog, or switch SYN cookies on",
			"the listeners dropped {times} SYNs[: without SYN cookies (tcp_syncookies=0) three quarters of tcp_max_syn_backlog ({syn_backlog}) may wait for their handshake's last ACK]"),
		remedy("raise_conntrack", "raise net.netfilter.nf_conntrack_max, or do not track the load", "raise net.netfilter.nf_conntrack_max, or exempt the load with a notrack rule"),
		remedy("raise_tw_buckets", "raise net.ipv4.tcp_max_tw_buckets",
			"raise net.ipv4.tcp_max_tw_buckets (256 to 768 B each), or accept it: TIME_WAIT's protection is lost for those"),
		remedy("larger_accept_queue", "a larger accept queue, or a server that empties it faster",
			"a larger --backlog (net.core.somaxconn caps it), more --listeners, or a server that accepts faster"),
		remedy("larger_syn_queue", "a larger queue of half-open connections", "raise net.ipv4.tcp_max_syn_backlog and the listener's backlog"),
		remedy("larger_syn_queue_or_cookies", "a larger queue of half-open connections, or SYN cookies",
			"raise net.ipv4.tcp_max_syn_backlog and the listener's backlog, or switch SYN cookies on (net.ipv4.tcp_syncookies=1)"),
	}
}
