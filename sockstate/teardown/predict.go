package teardown

import (
	"strings"
	"time"

	"lastack/sockstate"
	"lastack/sockstate/exchange"
)

// Env is the environment that changes a teardown. tcp_timestamps, tcp_tw_reuse and
// tcp_rfc1337 do not: they decide how long a TIME_WAIT lasts, not whether it is entered,
// and the kernel counts entries.
type Env struct {
	// FinTimeout is net.ipv4.tcp_fin_timeout of the active side; 0 means the
	// kernel's default of 60 s.
	FinTimeout time.Duration
	// Lifecycles is the expected number of teardowns within a TIME_WAIT's length, and MaxTWBuckets
	// is their limit, net.ipv4.tcp_max_tw_buckets. 0 lifecycles means that it is not reached.
	Lifecycles   int
	MaxTWBuckets int
	// Lossy is set if packets may be lost: an RST is not resent.
	Lossy bool
}

// holder is the side that ends in TIME_WAIT.
type holder uint8

// The holders.
const (
	HeldByNone holder = iota
	heldByClient
	heldByServer
	HeldByEither // client, server or both, depending on whether the FINs cross
)

var holderNames = [...]string{"none", "client", "server", "either"}

func (h holder) String() string { return holderNames[h] }

func holderOf(s sockstate.Side) holder {
	if s == sockstate.Client {
		return heldByClient
	}
	return heldByServer
}

// observable is the set of ends of its peer that a side can observe.
type observable uint8

// The ends. After close() a side observes nothing.
const (
	nothingObservable observable = 1 << iota
	finObservable                // recv returns 0
	rstObservable                // ECONNRESET or EPIPE: from connect, send, recv or SO_ERROR
)

func (s observable) String() string {
	var names []string
	for i, name := range [...]string{"nothing", "FIN", "RST"} {
		if s&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " or ")
}

func exactly(n int64) sockstate.Range { return sockstate.Range{Min: n, Max: n} }

// Path is a path through the states, from ESTABLISHED. It ends in TIME_WAIT, in CLOSED, or in
// the state that the connection stays in.
type Path []sockstate.State

func (p Path) String() string {
	var b strings.Builder
	for i, s := range p {
		if i > 0 {
			b.WriteString(" > ")
		}
		b.WriteString(s.String())
	}
	return b.String()
}

// Prediction is what the kernel does and counts for one teardown. The connection is open, and
// its exchange is as complete as the policy allows. If nothing races, each set has one member
// and each range is a single number.
type Prediction struct {
	// Paths are the possible paths of each side.
	Paths [sockstate.NumSides][]Path
	// TimeWait is the side that enters TIME_WAIT. On a busy host a few TIME_WAITs end at once,
	// but are counted: a duplicate ACK reaches the peer's closed socket, whose RST kills
	// the TIME_WAIT unless tcp_rfc1337 is set (RFC 1337; measured).
	TimeWait holder
	// Observes is what each side can observe of its peer's end.
	Observes [sockstate.NumSides]observable

	// TimeWaits is the growth of TW + TWKilled + TCPTimeWaitOverflow. They count entries into
	// TIME_WAIT and an orphan's into a FIN_WAIT_2 minisocket (as TWKilled if its timeout is
	// 4 s or less), whose later TIME_WAIT is not counted again (inet_twsk_schedule,
	// tcp_time_wait). Which of the three counts does not depend on the policy alone.
	TimeWaits sockstate.Range
	// AbortOnData and AbortOnClose are the growth of TCPAbortOnData and
	// TCPAbortOnClose (__tcp_close).
	AbortOnData, AbortOnClose sockstate.Range
	// Resets is the growth of EstabResets (tcp_set_state).
	Resets sockstate.Range

	// Notes explain, in a sentence each, the races and what the numbers leave out.
	Notes []string
}

// The keys of Prediction.Counters and Observed.
const (
	CounterTimeWaits    = "TcpExtTW+TcpExtTWKilled+TcpExtTCPTimeWaitOverflow"
	CounterAbortOnData  = "TcpExtTCPAbortOnData"
	CounterAbortOnClose = "TcpExtTCPAbortOnClose"
	CounterResets       = "TcpEstabResets"
)

// Counters is how much n teardowns add to the kernel's counters, summed over both
// namespaces, once everything has settled.
func (p *Prediction) Counters(n int64) map[string]sockstate.Range {
	return map[string]sockstate.Range{
		CounterTimeWaits:    p.TimeWaits.Times(n),
		CounterAbortOnData:  p.AbortOnData.Times(n),
		CounterAbortOnClose: p.AbortOnClose.Times(n),
		CounterResets:       p.Resets.Times(n),
	}
}

// Observed extracts the counters that Counters predicts.
func Observed(c sockstate.Counters) map[string]int64 {
	return map[string]int64{
		CounterTimeWaits:    c["TcpExtTW"] + c["TcpExtTWKilled"] + c["TcpExtTCPTimeWaitOverflow"],
		CounterAbortOnData:  c[CounterAbortOnData],
		CounterAbortOnClose: c[CounterAbortOnClose],
		CounterResets:       c[CounterResets],
	}
}

// Describe returns the paths as text, by side name.
func (p *Prediction) Describe() map[string][]string {
	d := make(map[string][]string, sockstate.NumSides)
	for side := range p.Paths {
		var words []string
		for _, path := range p.Paths[side] {
			words = append(words, path.String())
		}
		d[sockstate.Side(side).String()] = words
	}
	return d
}

const (
	est  = sockstate.Established
	fw1  = sockstate.FinWait1
	fw2  = sockstate.FinWait2
	tw   = sockstate.TimeWait
	shut = sockstate.Closed
	cw   = sockstate.CloseWait
	la   = sockstate.LastAck
	crs  = sockstate.Closing
)

// Predict predicts one teardown, if the connection was established, the exchange went
// as far as the policy allows, and neither side timed out. It follows __tcp_close,
// tcp_rcv_state_process, tcp_fin and tcp_time_wait of Linux 6.18; every combination is
// tested against a kernel.
func Predict(p Policy, r Reaction, e exchange.Spec, env Env) Prediction {
	data := e.Kind != exchange.None
	var q Prediction
	switch {
	case p.Who == Nobody:
		q.never()
	case p.Who == BothAtOnce:
		q.both(env)
	case p.How.Resets() && (data || !p.How.LeavesUnread()):
		q.abort(p, data, env)
	default:
		q.orderly(p, r, env)
	}
	return q
}

func (q *Prediction) note(s string) { q.Notes = append(q.Notes, s) }

func (q *Prediction) never() {
	for side := range q.Paths {
		q.Paths[side] = []Path{{est}}
		q.Observes[side] = nothingObservable
	}
	q.note("Nobody closes: both ends stay ESTABLISHED until the run ends. How they close then is not predicted.")
}

func (q *Prediction) both(env Env) {
	for side := range q.Paths {
		q.Paths[side] = []Path{{est, fw1, fw2, tw}, {est, fw1, crs, tw}, {est, cw, la, shut}}
		q.Observes[side] = nothingObservable
	}
	q.TimeWait = HeldByEither
	q.TimeWaits = sockstate.Range{Min: 1, Max: 2}
	q.note("Both ends close without waiting. If the FINs cross, both enter TIME_WAIT, otherwise the first to close. TIME_WAITs minus connections is how many crossed.")
	q.overflow(env, sockstate.Client, sockstate.Server)
}

func (q *Prediction) abort(p Policy, data bool, env Env) {
	active, passive := p.sides()
	for side := range q.Paths {
		q.Paths[side] = []Path{{est, shut}}
	}
	q.Observes[active], q.Observes[passive] = nothingObservable, rstObservable
	q.Resets = exactly(2)
	if p.How == Unread {
		q.AbortOnClose = exactly(1)
		q.note("close() with received data unread sends an RST instead of a FIN (RFC 2525, section 2.17).")
	} else {
		q.AbortOnData = exactly(1)
	}
	if p.Who == ClientFirst && !data {
		q.Resets.Min = 1
		q.note("If the accept queue is full, the client's RST can arrive while the server's end is still a request socket, which does not count in EstabResets.")
	}
	if p.Who == ServerFirst && !data {
		q.note("The server's RST can arrive before the client knows that it is connected: connect itself then reports ECONNRESET.")
	}
	if p.Who == ServerFirst && p.How == Unread {
		q.note("The RST reaches the client while it sends its request or waits for the reply: the policy cuts the request.")
	}
	q.lossy(env, passive)
}

// lossy adds what happens if an RST is lost.
func (q *Prediction) lossy(env Env, receiver sockstate.Side) {
	if !env.Lossy {
		return
	}
	q.Observes[receiver] |= nothingObservable
	q.Resets.Min = min(q.Resets.Min, 1)
	q.note("A lost RST is not resent: its receiver keeps its state until it sends or times out.")
}

func (p Policy) sides() (active, passive sockstate.Side) {
	if p.Who == ServerFirst {
		return sockstate.Server, sockstate.Client
	}
	return sockstate.Client, sockstate.Server
}

// orderly predicts a close that begins with a FIN.
func (q *Prediction) orderly(p Policy, r Reaction, env Env) {
	active, passive := p.sides()
	half := p.How == Half
	q.Observes[active], q.Observes[passive] = nothingObservable, finObservable
	if half {
		q.Observes[active] = finObservable
	}
	if p.How == Unread {
		q.note("Without an exchange there is nothing to leave unread: close() sends a FIN.")
	}
	if p.How == Linger {
		q.note("close() blocks until its FIN is acknowledged, for up to " + shortDuration(p.Linger) + ". If the peer does not close at once, the ACK is delayed.")
	}
	q.TimeWaits = exactly(1)
	q.TimeWait = holderOf(active)
	q.Paths[active] = []Path{{est, fw1, fw2, tw}}
	q.Paths[passive] = []Path{{est, cw, la, shut}}
	switch r.Kind {
	case ReactClose:
		q.note("If the peer closes at once, its FIN and ACK are one segment: FIN_WAIT_2 lasts no time.")
	case ReactDelay:
		if !half {
			q.outlived(active, passive, r.Delay, orphanTime(env))
		}
	case ReactNever:
		q.Paths[passive] = []Path{{est, cw}}
		q.TimeWait = HeldByNone
		q.neverClosed(active, passive, half, env)
	case ReactRST:
		q.Paths[passive] = []Path{{est, cw, shut}}
		q.TimeWait = HeldByNone
		q.AbortOnData = exactly(1)
		q.Resets = exactly(1)
		q.resetWhileWaiting(active, half)
		q.lossyReaction(env, active, half)
	}
	if r.Kind != ReactRST {
		q.overflow(env, active)
	}
}

// raceMargin is how far the delay must be from the orphan's timeout to be sure which
// comes first. The orphan's timeout starts with the ACK of its FIN, up to 200 ms late
// (TCP_DELACK_MAX), and a busy process is late itself.
const raceMargin = 250 * time.Millisecond

// outlived adds the case that the FIN arrives after the orphan in FIN_WAIT_2 is gone.
func (q *Prediction) outlived(active, passive sockstate.Side, delay, orphan time.Duration) {
	gone := Path{est, fw1, fw2, shut}
	switch {
	case delay < orphan-raceMargin:
		return
	case delay > orphan+raceMargin:
		q.Paths[active] = []Path{gone}
		q.TimeWait = HeldByNone
		q.note("The peer's delay outlasts the orphan in FIN_WAIT_2 (" + shortDuration(orphan) + ", by tcp_fin_timeout): its FIN is answered by RST, and nobody enters TIME_WAIT. The minisocket counts all the same.")
	default:
		q.Paths[active] = append(q.Paths[active], gone)
		q.note("The peer's delay races the timeout of the orphan in FIN_WAIT_2 (" + shortDuration(orphan) + ", by tcp_fin_timeout): TIME_WAIT is entered only if the FIN comes first. The minisocket counts either way.")
	}
	q.fullOrphan(passive)
}

// fullOrphan adds the case that the ACK of the FIN is processed between __tcp_close and
// release_sock. tcp_rcv_state_process then finds the socket owned by the closing process
// and leaves it a full socket, on the keepalive timer.
func (q *Prediction) fullOrphan(passive sockstate.Side) {
	q.TimeWaits.Min, q.Resets.Max = 0, 1
	q.Paths[passive] = append(q.Paths[passive], Path{est, cw, shut})
	q.Observes[passive] |= rstObservable
	q.note("Rarely (measured: 3 in 8,000 under load) the ACK arrives just as close() ends, and the orphan stays a full socket: it is not counted unless a FIN arrives, and ends after tcp_fin_timeout with an RST (tcp_keepalive_timer).")
}

func (q *Prediction) neverClosed(active, passive sockstate.Side, half bool, env Env) {
	if half {
		q.Observes[active] = nothingObservable
		q.Paths[active] = []Path{{est, fw1, fw2}}
		q.TimeWaits = sockstate.Range{Min: 0, Max: 1}
		q.note("tcp_fin_timeout does not apply to a socket that a process holds: it stays in FIN_WAIT_2 and counts only once the process closes it.")
		return
	}
	q.Paths[active] = []Path{{est, fw1, fw2, shut}}
	q.note("The kernel drops the orphan in FIN_WAIT_2 after " + shortDuration(orphanTime(env)) + " (tcp_fin_timeout). A FIN before that, as when the run ends, turns it into a TIME_WAIT that is not counted again.")
	q.fullOrphan(passive)
	if t := finTimeout(env); t > sockstate.TimeWaitLength {
		q.note("As tcp_fin_timeout is above 60 s, the orphan becomes a minisocket, and counts, only after " + shortDuration(t-sockstate.TimeWaitLength) + ".")
	}
}

func (q *Prediction) resetWhileWaiting(active sockstate.Side, half bool) {
	q.Paths[active] = []Path{{est, fw1, shut}, {est, fw1, fw2, shut}}
	if half {
		q.Observes[active] = rstObservable
		q.TimeWaits = exactly(0)
		return
	}
	q.TimeWaits = sockstate.Range{Min: 0, Max: 1}
	q.note("The RST usually overtakes the delayed ACK of the FIN. If the ACK is first, the orphan is already a FIN_WAIT_2 minisocket, which counts and is killed by the RST.")
}

func (q *Prediction) lossyReaction(env Env, active sockstate.Side, half bool) {
	q.lossy(env, active)
	if env.Lossy && half {
		q.TimeWaits = sockstate.Range{Min: 0, Max: 1}
	}
}

// overflow adds what happens if tcp_max_tw_buckets is full.
func (q *Prediction) overflow(env Env, sides ...sockstate.Side) {
	if env.Lifecycles <= env.MaxTWBuckets {
		return
	}
	for _, side := range sides {
		for _, path := range q.Paths[side] {
			n := len(path) - 1
			if path[n] != tw {
				continue
			}
			full := append(append(Path{}, path[:n]...), shut)
			q.Paths[side] = append(q.Paths[side], full)
		}
	}
	q.note("Above tcp_max_tw_buckets a socket goes to CLOSED instead of TIME_WAIT or a FIN_WAIT_2 minisocket, and counts as TCPTimeWaitOverflow.")
}

func finTimeout(env Env) time.Duration {
	if env.FinTimeout <= 0 {
		return sockstate.TimeWaitLength
	}
	return env.FinTimeout
}

// orphanTime is how long an orphan stays in FIN_WAIT_2, at least.
func orphanTime(env Env) time.Duration { return sockstate.OrphanLasts(finTimeout(env), 0).Min }
