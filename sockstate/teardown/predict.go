package teardown

import (
	"strings"
	"time"

	"lastack/sockstate"
	"lastack/sockstate/exchange"
)

// Env is what around a connection changes its teardown. tcp_timestamps,
// tcp_tw_reuse and tcp_rfc1337 are not among it: they decide how long a TIME_WAIT
// lasts, not whether one is entered, and entry is what the kernel counts.
type Env struct {
	// FinTimeout is net.ipv4.tcp_fin_timeout of the active side; 0 means the
	// kernel's default of 60 s.
	FinTimeout time.Duration
	// Lifecycles is how many teardowns are expected within the time that TIME_WAIT lasts, and MaxTWBuckets
	// net.ipv4.tcp_max_tw_buckets, which they are held against. 0 lifecycles means
	// that the limit is not reached.
	Lifecycles   int
	MaxTWBuckets int
	// Lossy is set where packets may be lost: an RST is not sent again.
	Lossy bool
}

// Holder is the side that ends in TIME_WAIT.
type Holder uint8

// The holders.
const (
	HeldByNone Holder = iota
	HeldByClient
	HeldByServer
	HeldByEither // client, server or both, by how the FINs met
)

var holderNames = [...]string{"none", "client", "server", "either"}

func (h Holder) String() string { return holderNames[h] }

func holder(s sockstate.Side) Holder {
	if s == sockstate.Client {
		return HeldByClient
	}
	return HeldByServer
}

// observable is the set of ends of its peer that a side can observe.
type observable uint8

// The ends. A side that calls close() sees nothing of what comes after.
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

// Path is a way through the states, from ESTABLISHED; TIME_WAIT and CLOSED end it,
// any other last state is one that the connection stays in.
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

// Prediction is what the teardown of one connection, open and with its exchange
// complete as far as the policy lets it, brings in the kernel. Where nothing races
// each set has one member and each range is a single number.
type Prediction struct {
	// Paths are the ways that each side can take.
	Paths [sockstate.NumSides][]Path
	// TimeWait is the side that enters TIME_WAIT. On a busy host a few of them, counted
	// all the same, end at once: a duplicate ACK meets the peer's closed socket,
	// whose RST kills them unless tcp_rfc1337 is set (RFC 1337; measured).
	TimeWait Holder
	// Observes is what each side can observe of its peer's end.
	Observes [sockstate.NumSides]observable

	// TimeWaits is the growth of TW + TWKilled + TCPTimeWaitOverflow, which count entries:
	// into TIME_WAIT, and of an orphan into a FIN_WAIT_2 minisocket (as TWKilled if its time is
	// 4 s or less), whose later TIME_WAIT is not counted again (inet_twsk_schedule,
	// tcp_time_wait). Which of the three it is does not depend on the policy alone.
	TimeWaits sockstate.Range
	// AbortOnData and AbortOnClose are the growth of TCPAbortOnData and
	// TCPAbortOnClose (__tcp_close).
	AbortOnData, AbortOnClose sockstate.Range
	// Resets is the growth of EstabResets (tcp_set_state).
	Resets sockstate.Range

	// Notes say in a sentence each what races, and what the numbers leave out.
	Notes []string
}

// The keys of Prediction.Counters and Observed.
const (
	CounterTimeWaits    = "TcpExtTW+TcpExtTWKilled+TcpExtTCPTimeWaitOverflow"
	CounterAbortOnData  = "TcpExtTCPAbortOnData"
	CounterAbortOnClose = "TcpExtTCPAbortOnClose"
	CounterResets       = "TcpEstabResets"
)

// Counters is the growth of the kernel's counters, client's and server's namespace
// together, by n teardowns, once everything has settled.
func (p *Prediction) Counters(n int64) map[string]sockstate.Range {
	return map[string]sockstate.Range{
		CounterTimeWaits:    p.TimeWaits.Times(n),
		CounterAbortOnData:  p.AbortOnData.Times(n),
		CounterAbortOnClose: p.AbortOnClose.Times(n),
		CounterResets:       p.Resets.Times(n),
	}
}

// Observed takes from counters what Counters predicts.
func Observed(c sockstate.Counters) map[string]int64 {
	return map[string]int64{
		CounterTimeWaits:    c["TcpExtTW"] + c["TcpExtTWKilled"] + c["TcpExtTCPTimeWaitOverflow"],
		CounterAbortOnData:  c[CounterAbortOnData],
		CounterAbortOnClose: c[CounterAbortOnClose],
		CounterResets:       c[CounterResets],
	}
}

// Describe gives the paths in words, by side name.
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

// Predict tells what one teardown brings, given that the connection was
// established, the exchange went as far as the policy lets it, and neither side
// gave up on a timeout. The sources are __tcp_close, tcp_rcv_state_process, tcp_fin
// and tcp_time_wait of Linux 6.18; every combination is tested against a kernel.
func Predict(p Policy, r Reaction, e exchange.Spec, env Env) Prediction {
	data := e.Kind != exchange.None
	var q Prediction
	switch {
	case p.Who == Nobody:
		q.never()
	case p.Who == BothAtOnce:
		q.both(env)
	case p.How == RST, p.How == Unread && data:
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
	q.note("Nobody closes: both ends stay ESTABLISHED until the run ends, and what closes them then is not predicted.")
}

func (q *Prediction) both(env Env) {
	for side := range q.Paths {
		q.Paths[side] = []Path{{est, fw1, fw2, tw}, {est, fw1, crs, tw}, {est, cw, la, shut}}
		q.Observes[side] = nothingObservable
	}
	q.TimeWait = HeldByEither
	q.TimeWaits = sockstate.Range{Min: 1, Max: 2}
	q.note("Both ends close without waiting: where the FINs cross both enter TIME_WAIT, otherwise the first to close does; TIME_WAITs less connections is how many crossed.")
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
		q.note("The client's RST can arrive before the server's end is more than a request socket (the accept queue being full), whose end is not an EstabReset.")
	}
	if p.Who == ServerFirst && !data {
		q.note("The server's RST can arrive before the client has noticed that it is connected: connect itself then reports ECONNRESET.")
	}
	if p.Who == ServerFirst && p.How == Unread {
		q.note("The client meets the RST while it sends or waits for the reply: its request is cut, by policy.")
	}
	q.lossy(env, passive)
}

// lossy says what an RST that got lost leaves behind.
func (q *Prediction) lossy(env Env, receiver sockstate.Side) {
	if !env.Lossy {
		return
	}
	q.Observes[receiver] |= nothingObservable
	q.Resets.Min = min(q.Resets.Min, 1)
	q.note("An RST that is lost is not sent again: its receiver stays as it was until it sends or times out.")
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
		q.note("close() blocks until its FIN is acknowledged, " + shortDuration(p.Linger) + " at most: a delayed ACK's time where the peer does not close at once.")
	}
	q.TimeWaits = exactly(1)
	q.TimeWait = holder(active)
	q.Paths[active] = []Path{{est, fw1, fw2, tw}}
	q.Paths[passive] = []Path{{est, cw, la, shut}}
	switch r.Kind {
	case ReactClose:
		q.note("A peer that closes at once merges its FIN with its ACK: FIN_WAIT_2 is passed in an instant.")
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

// raceMargin is how far a delay must be from the orphan's time to be sure which
// comes first: the orphan's clock starts with the ACK of its FIN, up to 200 ms late
// (TCP_DELACK_MAX), and a busy process is late itself.
const raceMargin = 250 * time.Millisecond

// outlived takes account of a FIN that comes when the orphan in FIN_WAIT_2 is gone.
func (q *Prediction) outlived(active, passive sockstate.Side, delay, orphan time.Duration) {
	gone := Path{est, fw1, fw2, shut}
	switch {
	case delay < orphan-raceMargin:
		return
	case delay > orphan+raceMargin:
		q.Paths[active] = []Path{gone}
		q.TimeWait = HeldByNone
		q.note("The peer's delay outlives the orphan in FIN_WAIT_2 (" + shortDuration(orphan) + ", by tcp_fin_timeout): its FIN draws an RST, and nobody enters TIME_WAIT; the minisocket counts all the same.")
	default:
		q.Paths[active] = append(q.Paths[active], gone)
		q.note("The peer's delay and the life of the orphan in FIN_WAIT_2 (" + shortDuration(orphan) + ", by tcp_fin_timeout) race: TIME_WAIT is entered only where the FIN comes first; the minisocket counts either way.")
	}
	q.fullOrphan(passive)
}

// fullOrphan takes account of the ACK of a FIN that is processed between
// __tcp_close and release_sock: tcp_rcv_state_process then finds the socket owned by
// the closing process and leaves it a full one, on the keepalive timer.
func (q *Prediction) fullOrphan(passive sockstate.Side) {
	q.TimeWaits.Min, q.Resets.Max = 0, 1
	q.Paths[passive] = append(q.Paths[passive], Path{est, cw, shut})
	q.Observes[passive] |= rstObservable
	q.note("Rarely (measured: 3 in 8,000 under load) the ACK meets close() as it ends, and the orphan stays a full socket: it is not counted unless a FIN comes, and ends after tcp_fin_timeout with an RST (tcp_keepalive_timer).")
}

func (q *Prediction) neverClosed(active, passive sockstate.Side, half bool, env Env) {
	if half {
		q.Observes[active] = nothingObservable
		q.Paths[active] = []Path{{est, fw1, fw2}}
		q.TimeWaits = sockstate.Range{Min: 0, Max: 1}
		q.note("tcp_fin_timeout does not apply to a socket that a process holds: it stays in FIN_WAIT_2, and counts only once the process closes it.")
		return
	}
	q.Paths[active] = []Path{{est, fw1, fw2, shut}}
	q.note("The orphan in FIN_WAIT_2 is given up after " + shortDuration(orphanTime(env)) + " (tcp_fin_timeout); a FIN that comes earlier, as when the run ends, turns it into a TIME_WAIT that is not counted again.")
	q.fullOrphan(passive)
	if t := finTimeout(env); t > sockstate.TimeWaitLength {
		q.note("With tcp_fin_timeout above 60 s the orphan becomes a minisocket, and counts, only after " + shortDuration(t-sockstate.TimeWaitLength) + ".")
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
	q.note("The RST usually overtakes the delayed ACK of the FIN; where the ACK was first, the orphan is a FIN_WAIT_2 minisocket already, which counts and dies of the RST.")
}

func (q *Prediction) lossyReaction(env Env, active sockstate.Side, half bool) {
	q.lossy(env, active)
	if env.Lossy && half {
		q.TimeWaits = sockstate.Range{Min: 0, Max: 1}
	}
}

// overflow adds what happens where tcp_max_tw_buckets is full.
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

// minOrphan is 3.5 times the smallest RTO (tcp_fin_time).
const minOrphan = 700 * time.Millisecond

func finTimeout(env Env) time.Duration {
	if env.FinTimeout <= 0 {
		return sockstate.TimeWaitLength
	}
	return env.FinTimeout
}

// orphanTime is how long an orphan stays in FIN_WAIT_2. Above 60 s it waits as a
// full socket for the excess, and then again for the excess as a minisocket
// (tcp_keepalive_timer).
func orphanTime(env Env) time.Duration {
	t := finTimeout(env)
	if t > sockstate.TimeWaitLength {
		return 2 * (t - sockstate.TimeWaitLength)
	}
	return max(t, minOrphan)
}
