package verdict

import (
	"math"
	"strconv"
	"time"

	"lastack/bench/model"
	"lastack/bench/record"
	"lastack/sockstate"
	"lastack/sockstate/teardown"
)

// orphansLast is how long the client's orphans stay in FIN_WAIT_2, where each keeps its local port; left is not set if the load leaves none:
// the server never closes, or only after that.
func (j *judgement) orphansLast() (lasts sockstate.Span, left bool) {
	lasts = j.orphanLasts()
	for i := range j.r.Plan.Groups {
		g := &j.r.Plan.Groups[i]
		if g.Close != (teardown.Policy{Who: teardown.ClientFirst, How: teardown.FIN}).String() {
			continue
		}
		if r, err := teardown.ParseReaction(g.OnEOF); err == nil && (r.Kind == teardown.ReactNever || r.Kind == teardown.ReactDelay && r.Delay > lasts.Max) {
			return lasts, true
		}
	}
	return sockstate.Span{}, false
}

// orphanLasts is how long an orphan of the client's host stays in FIN_WAIT_2 if its peer does not close.
func (j *judgement) orphanLasts() sockstate.Span {
	finTimeout := sockstate.TimeWaitLength
	if s, err := strconv.Atoi(j.sysctl(finTimeoutSysctl)); err == nil {
		finTimeout = time.Duration(s) * time.Second
	}
	return sockstate.OrphanLasts(finTimeout, j.hz())
}

// hz is the CONFIG_HZ of the client's host, 0 if unknown.
func (j *judgement) hz() int {
	if j.host == nil {
		return 0
	}
	return j.host.HZ
}

const finTimeoutSysctl = "net.ipv4.tcp_fin_timeout"

// reactS is how long a connection waits for the side that closes second, in seconds.
func (j *judgement) reactS(g *record.Group) float64 {
	p, bad := teardown.ParsePolicy(g.Close)
	r, err := teardown.ParseReaction(g.OnEOF)
	if bad != nil || err != nil || p.How.Resets() || r.Kind != teardown.ReactDelay || r.Delay > j.orphanLasts().Max {
		return 0
	}
	return r.Delay.Seconds()
}

// portsOfOrphans: the client's orphans in FIN_WAIT_2 held the ports.
func (j *judgement) portsOfOrphans(pairs int) {
	p := &j.r.Pressure.Ports
	ports, rate, keep := float64(p.Available)*float64(pairs), j.asked(), j.portKept()
	lasts := j.orphanLasts()
	each := keep.Mean().Seconds()
	a := args{"ports": ports, "asked": j.openLoop(), "rate_per_s": rate, "orphan_s": lasts.Min.Seconds(), "each_s": each, "sustained_per_s": ports / each}
	if open := j.holdS(); open > 0 {
		a["open_s"] = open
	}
	j.because("ports_in_fin_wait2", a)
	j.orphanAdvice(rate, keep, pairs)
}

// orphanAdvice advises how to get ports for rate connections a second, each of which keeps one for so long, most as an orphan.
func (j *judgement) orphanAdvice(rate float64, keep sockstate.Span, pairs int) {
	available := j.r.Pressure.Ports.Available
	each := float64(available)*float64(pairs)/rate - j.holdS()
	if s := sockstate.FinTimeoutWithin(time.Duration(each*float64(time.Second)), j.hz()); s > 0 {
		j.advise("shorter_fin_timeout", args{"seconds": s})
	}
	if need := int64(math.Ceil(rate * keep.Max.Seconds() / float64(max(available, 1)))); need > int64(pairs) {
		j.advise("more_addresses", args{"rate_per_s": rate, "keep_s": keep.Max.Seconds(), "exactly": false, "pairs": need, "ports": available})
	}
	if available < model.WidenBelow {
		j.advise("wider_range", args{"ports": model.MostPorts, "bears_per_s": float64(model.MostPorts*pairs) / keep.Mean().Seconds()})
	}
	j.advise("server_closes_too", nil)
}

func orphanCodes() []Code {
	return []Code{
		found("ports_in_fin_wait2", "the server closes late or never, so that orphans in FIN_WAIT_2 hold the local ports: what rate the ports bear", "a shorter tcp_fin_timeout, more addresses, or a server that closes",
			"the server closes late or never, so each connection keeps its port as an orphan in FIN_WAIT_2 for {orphan_s} (tcp_fin_timeout)"+
				"[, and is open for {open_s} before]: {ports} ports / {each_s} = {sustained_per_s} connections/s sustained; [{?asked}it was asked for|it opened up to] {rate_per_s}/s"),
		remedy("shorter_fin_timeout", "a shorter net.ipv4.tcp_fin_timeout, after which the kernel ends orphans in FIN_WAIT_2",
			"a shorter timeout: net.ipv4.tcp_fin_timeout={seconds} ends orphans soon enough; a peer that closes later is answered by a reset"),
		remedy("server_closes_too", "a server that closes when it reads EOF", "let the server close when it reads EOF (--on-eof close): nothing waits in FIN_WAIT_2 then"),
	}
}
