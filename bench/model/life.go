package model

import (
	"cmp"
	"math"

	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/teardown"
)

// stage is a state that a connection's end passes through.
type stage struct {
	state sockstate.State
	// share is the share of the connections that do, lasts how long in seconds.
	share, lasts span
	// held is set while a process has the socket.
	held bool
	// mini is set for a FIN_WAIT_2 minisocket, which a TIME_WAIT is too.
	mini bool
}

// life is what becomes of a connection on each side: its stages in their order.
type life struct {
	sides [sockstate.NumSides][]stage
	// open is the time from the end of the handshake to the first close, busy the part of it in which an exchange is in progress.
	open, busy span
	// waits says which sides enter TIME_WAIT, resets whether the connection ends by an RST.
	waits  [sockstate.NumSides]span
	resets bool
}

// delayedACK is how much later the ACK of a FIN may come than a round trip, if no FIN goes with it (TCP_DELACK_MIN).
const delayedACK = 0.04

// segment and firstWindow: a message of more than the initial window of ten segments takes more round trips (RFC 6928, RFC 5681).
const (
	segment     = 1448
	firstWindow = 10 * segment
)

// rounds is how many round trips a message takes beyond the first, in slow start.
func rounds(bytes int) float64 {
	if bytes <= firstWindow {
		return 0
	}
	return math.Ceil(math.Log2(float64(bytes)/firstWindow+1)) - 1
}

// lifeOf follows a connection from SYN to the end of its last state.
func lifeOf(in *Input) life {
	l := &in.Load
	rtt := l.RTT.unsure()
	var x life
	if l.Exchange.Kind != exchange.None {
		trips := 1 + rounds(l.Exchange.Request) + rounds(l.Exchange.Response)
		x.busy = rtt.scale(trips).plus(l.Service.unsure()).scale(float64(max(l.Requests, 1)))
	}
	x.open = x.busy.plus(l.Hold.mean())
	if l.Close.Who == teardown.Nobody {
		x.open = exactly(math.Inf(1))
	}
	env := func(side sockstate.Side) teardown.Env { return teardown.Env{FinTimeout: in.host(side).FinTimeout} }
	for side := range sockstate.Side(sockstate.NumSides) {
		// The active side's tcp_fin_timeout decides.
		active := side
		if !l.Close.Active(side) {
			active = 1 - side
		}
		p := teardown.Predict(l.Close, l.OnEOF, l.Exchange, env(active))
		w := waiting(&p, side)
		x.waits[side] = w
		x.resets = x.resets || p.Resets.Min > 0
		x.sides[side] = in.stages(&p, side, x.open, rtt, w, in.orphanLasts(active).Min.Seconds())
	}
	return x
}

// orphanLasts is how long an orphan of a side stays in FIN_WAIT_2 if its peer does not close. A host that does not say has the kernel's default.
func (in *Input) orphanLasts(side sockstate.Side) sockstate.Span {
	h := in.host(side)
	return sockstate.OrphanLasts(cmp.Or(h.FinTimeout, sockstate.TimeWaitLength), h.HZ)
}

// waiting is the share of connections that leave a TIME_WAIT on a side.
func waiting(p *teardown.Prediction, side sockstate.Side) span {
	switch p.TimeWait.String() {
	case teardown.HeldByEither.String():
		// Each side has it if the FINs cross, one of them if they do not.
		return span{0, float64(p.TimeWaits.Min+p.TimeWaits.Max) / 4, 1}
	case side.String():
		return exactly(1)
	}
	return exactly(0)
}

func (in *Input) stages(p *teardown.Prediction, side sockstate.Side, open, rtt, waits span, orphan float64) []stage {
	l := &in.Load
	begin := sockstate.SynSent
	if side == sockstate.Server {
		begin = sockstate.SynRecv
	}
	all := []stage{
		{state: begin, share: exactly(1), lasts: rtt, held: side == sockstate.Client},
		{state: sockstate.Established, share: exactly(1), lasts: open, held: true},
	}
	active := l.Close.Active(side)
	seen := map[sockstate.State]int{}
	var order []sockstate.State
	for _, path := range p.Paths[side] {
		for _, s := range path {
			if s == sockstate.Established || s == sockstate.Closed {
				continue
			}
			if seen[s] == 0 {
				order = append(order, s)
			}
			seen[s]++
		}
	}
	for _, s := range order {
		st := stage{state: s, share: exactly(1)}
		if seen[s] < len(p.Paths[side]) {
			st.share = span{0, float64(seen[s]) / float64(len(p.Paths[side])), 1}
		}
		in.dwell(&st, side, active, rtt, waits, orphan)
		if st.lasts.hi > 0 {
			all = append(all, st)
		}
	}
	return all
}

// dwell says how long a state after ESTABLISHED lasts, and who has the socket in it.
func (in *Input) dwell(st *stage, side sockstate.Side, active bool, rtt, waits span, orphan float64) {
	l := &in.Load
	reads := active && l.Close.How.ReadsEnd()
	switch st.state {
	case sockstate.FinWait1:
		st.lasts, st.held = rtt, reads || l.Close.How == teardown.Linger
		if l.OnEOF.Kind != teardown.ReactClose && l.Close.Who != teardown.BothAtOnce {
			st.lasts.hi += delayedACK
			st.lasts.mean += delayedACK / 2
		}
	case sockstate.Closing, sockstate.LastAck:
		st.lasts = rtt
	case sockstate.FinWait2:
		st.held, st.mini = reads, !reads
		switch l.OnEOF.Kind {
		case teardown.ReactDelay:
			// The passive side counts from the FIN, the active one from its ACK, which FIN_WAIT_1 waits for.
			d, late := l.OnEOF.Delay.Seconds(), delayedACK
			if st.lasts = (span{max(0, d-1.2*late), max(0, d-late/2), d}); !reads {
				st.lasts = st.lasts.most(orphan)
			}
		case teardown.ReactNever:
			st.lasts = exactly(math.Inf(1))
			if !reads {
				st.lasts = spanOf(in.orphanLasts(side))
			}
		}
	case sockstate.CloseWait:
		st.held = true
		switch l.OnEOF.Kind {
		case teardown.ReactDelay:
			st.lasts = exactly(l.OnEOF.Delay.Seconds())
		case teardown.ReactNever:
			st.lasts = exactly(math.Inf(1))
		}
	case sockstate.TimeWait:
		st.lasts, st.share = spanOf(sockstate.TimeWaitLasts(in.host(side).HZ)), waits
	}
}

// total is the time that a connection spends in the stages that which accepts, in seconds.
func (x *life) total(side sockstate.Side, which func(*stage) bool) (sum span) {
	for i := range x.sides[side] {
		if st := &x.sides[side][i]; which(st) {
			sum = sum.plus(st.share.times(st.lasts))
		}
	}
	return sum
}
