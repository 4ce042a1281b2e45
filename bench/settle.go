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
	// settleCensuses extends the limit to so many censuses: with a million connections one takes seconds, and it takes
	// two to see that nothing changes.
	settleCensuses = 4
)

// settleDown waits until the load's sockets no longer change state, so that the
// counters can be compared, and then, with --settle, until they are gone.
func (e *experiment) settleDown(ctx context.Context) {
	s, from := e.sampler, time.Now()
	limit := maxSettle + e.reactionDelay()
	if e.status.Loss != "" {
		limit += lossySettle
	}
	interrupted := ctx.Err() != nil
	st := &record.Settle{}
	e.settle = st
	next := from.Add(e.setup.Interval)
	minis := -1                              // of the census before, if nothing else changed in it
	for observed := s.observe(); observed; { // if it fails, the sampler has warned
		since := time.Since(from)
		limit = max(limit, settleCensuses*s.sample.Took)
		left := e.left()
		st.ElapsedS = since.Seconds()
		// A FIN_WAIT_2 minisocket may wait for a FIN that never comes, or for one that is in flight, and
		// which the census of the other end came too late to see. In the second case the next census
		// finds fewer.
		if left.moving > 0 || !e.serverIdle() {
			minis = -1
		} else {
			st.Done = st.Done || left.minis == 0 || left.minis == minis
			minis = left.minis
		}
		if name, _ := e.watch.Source(); name == observe.Off {
			st.Done = since >= limit // without a census nobody can tell
		} else if left.any == 0 {
			st.Quiet = true
			st.GoneAfterS = since.Seconds()
		}
		watching := e.setup.Settle > 0 && !interrupted && ctx.Err() == nil && since < e.setup.Settle && !st.Quiet
		if interrupted {
			limit = maxSettle
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
				// Stop watching, but let the counters settle.
				interrupted = true
			} else {
				time.Sleep(settlePoll)
			}
		}
		if e.setup.Settle > 0 && time.Now().After(next) {
			observed = s.interval(record.PhaseSettle)
			next = next.Add(e.setup.Interval)
		} else {
			observed = s.observe()
		}
	}
}

// reactionDelay is how long --on-eof delay=D keeps the server in CLOSE_WAIT after the client's
// lifecycle has ended.
func (e *experiment) reactionDelay() time.Duration {
	if s := e.setup.Server; s != nil && s.Close.Who == teardown.ClientFirst && s.OnEOF.Kind == teardown.ReactDelay {
		return min(s.OnEOF.Delay, maxDelay)
	}
	return 0
}

type leftovers struct {
	any    int // sockets that are not listeners
	minis  int // of those, FIN_WAIT_2 minisockets
	moving int // of those, the ones that will soon change state by themselves
}

// left counts the sockets of the last census, less those that the load still holds open.
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
		if e.serverLeaks() && side == sockstate.Server {
			still += c.Count[side][sockstate.CloseWait]
		}
		l.moving += max(total-still, 0)
	}
	return l
}

// serverLeaks reports whether the server's end stays in CLOSE_WAIT (--on-eof never).
func (e *experiment) serverLeaks() bool {
	return e.setup.Server != nil && e.setup.Server.OnEOF.Kind == teardown.ReactNever
}

// serverIdle reports whether the embedded server has seen the end of every connection that
// will end.
func (e *experiment) serverIdle() bool {
	if e.server == nil || e.serverLeaks() {
		return true
	}
	return e.server.Stats().Open <= e.unfinished()
}

// unfinished counts the connections that the load left open.
func (e *experiment) unfinished() (n int64) {
	for i := range e.result.Groups {
		g := &e.result.Groups[i]
		n += g.Ledger.Unfinished() + g.Warmup.Unfinished()
	}
	return n
}
