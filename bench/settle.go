package bench

import (
	"context"
	"time"

	"lastack/bench/record"
	"lastack/sockstate"
	"lastack/sockstate/observe"
	"lastack/sockstate/teardown"
)

const (
	settlePoll = 10 * time.Millisecond
	// settleCensuses is how many censuses there is time for at least, however long one takes: with a million
	// connections it is seconds, and to see that nothing moves takes two.
	settleCensuses = 4
)

// settleDown waits until what the load left behind is where it stays, so that the
// counters can be compared, and then, where that was asked for, until it is gone.
func (e *experiment) settleDown(ctx context.Context) {
	s, from := e.sampler, time.Now()
	limit := settleAtMost + e.reactsLate()
	interrupted := ctx.Err() != nil
	st := &record.Settle{}
	e.settle = st
	next := from.Add(e.setup.Interval)
	minis := -1                              // of the census before, if nothing else moved in it
	for observed := s.observe(); observed; { // where it is not, the sampler has warned
		since := time.Since(from)
		limit = max(limit, settleCensuses*s.sample.Took)
		left := e.left()
		st.ElapsedS = since.Seconds()
		// A FIN_WAIT_2 minisocket may wait for a FIN that never comes, or for one under way that the
		// census of the other end came too late to see: then, with nothing else on its way, there are
		// fewer the next time.
		if left.moving > 0 || !e.serverIdle() {
			minis = -1
		} else {
			st.Done = st.Done || left.minis == 0 || left.minis == minis
			minis = left.minis
		}
		if name, _ := e.watch.Source(); name == observe.Off {
			st.Done = since >= limit // nobody can tell
		} else if left.any == 0 {
			st.Quiet = true
			st.GoneAfterS = since.Seconds()
		}
		watching := e.setup.Settle > 0 && !interrupted && ctx.Err() == nil && since < e.setup.Settle && !st.Quiet
		if interrupted {
			limit = settleAtMost
		}
		if !watching && (st.Done || since >= limit) {
			return
		}
		pause := settlePoll
		if st.Done {
			pause = min(e.setup.Interval, time.Until(next), e.setup.Settle-since)
		}
		select {
		case <-time.After(max(pause, time.Millisecond)):
		case <-ctx.Done():
			if !interrupted {
				// Watch no longer, but let the counters settle.
				interrupted = true
			} else {
				time.Sleep(settlePoll)
			}
		}
		if e.setup.Settle > 0 && time.Now().After(next) {
			observed = s.interval("settle")
			next = next.Add(e.setup.Interval)
		} else {
			observed = s.observe()
		}
	}
}

// reactsLate is how long the server stays in CLOSE_WAIT, by policy, after the client's lifecycle
// is over.
func (e *experiment) reactsLate() time.Duration {
	if s := e.setup.Server; s != nil && s.Close.Who == teardown.ClientFirst && s.OnEOF.Kind == teardown.ReactDelay {
		return min(s.OnEOF.Delay, lateAtMost)
	}
	return 0
}

type leftovers struct {
	any    int // sockets that are not listeners
	minis  int // of those, FIN_WAIT_2 minisockets
	moving int // of those, the ones that are on their way to another state by themselves
}

// left counts what the last census saw, less what the load still holds open itself.
func (e *experiment) left() leftovers {
	c := &e.sampler.sample.Census
	var l leftovers
	held := e.unfinished()
	for side := range sockstate.Side(sockstate.NumSides) {
		total := c.Total(side)
		l.any += total
		l.minis += c.FinWait2Mini[side]
		still := c.Count[side][sockstate.TimeWait] + c.FinWait2Mini[side] + c.Count[side][sockstate.Closed]
		if held > 0 {
			still += c.Count[side][sockstate.Established] + c.Count[side][sockstate.CloseWait] + c.Count[side][sockstate.FinWait2] - c.FinWait2Mini[side]
		}
		if e.serverSticks() && side == sockstate.Server {
			still += c.Count[side][sockstate.CloseWait]
		}
		l.moving += max(total-still, 0)
	}
	return l
}

// serverSticks reports whether the server's end stays in CLOSE_WAIT, by policy.
func (e *experiment) serverSticks() bool {
	return e.setup.Server != nil && e.setup.Server.OnEOF.Kind == teardown.ReactNever
}

// serverIdle reports whether the embedded server has seen the end of every connection that
// will end.
func (e *experiment) serverIdle() bool {
	if e.server == nil || e.serverSticks() {
		return true
	}
	return e.server.Stats().Open <= e.unfinished()
}

// unfinished is how many connections the load left open.
func (e *experiment) unfinished() (n int64) {
	for i := range e.result.Groups {
		g := &e.result.Groups[i]
		n += g.Ledger.Unfinished() + g.Warmup.Unfinished()
	}
	return n
}
