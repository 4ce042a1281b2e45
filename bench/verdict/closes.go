package verdict

import (
	"fmt"
	"slices"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/sockstate"
	"lastack/sockstate/teardown"
)

const (
	// racedShare is the share of connections that the target ends first from which a run does not measure --close client:*, where nobody
	// holds them. Which side closes first is a race there: a target that closes after its reply is first in a tenth of
	// the connections or in all, as the machine is busy, and always where only its FIN ends the reply (RFC 9112, section
	// 6.3). Below it the client did close the others first, as its TIME_WAITs show.
	racedShare = 0.1
	// mostShare is the same where the client waits for the target, and sees each end.
	mostShare = 0.5
	// traceShare is the share of ends that were seen from which those that only the counters tell are taken for more of the
	// same: a target that resets when it reads EOF is never seen to reset before.
	traceShare = 0.01
)

// closes names a target that does not end its connections as --close has it, with its share. Where these are too many the run is not
// one of what was asked for: it is not valid, and this is the first that is said of it. It is no limit.
func (j *judgement) closes() {
	limits, remedies, notAsked := len(j.v.Reasons), len(j.v.Advice), false
	for i := range j.r.Plan.Groups {
		if g := &j.r.Plan.Groups[i]; g.Keep == "" {
			a := j.astrayOf(g, j.resultOf(i))
			j.closesOf(g, &a)
			notAsked = notAsked || a.tooMany
		}
	}
	j.closesCounted()
	if notAsked {
		j.v.Valid = false
		j.v.Reasons = slices.Concat(j.v.Reasons[limits:], j.v.Reasons[:limits])
		j.v.Advice = slices.Concat(j.v.Advice[remedies:], j.v.Advice[:remedies])
	}
}

// resultOf is what group i came to.
func (j *judgement) resultOf(i int) *record.Result {
	if i < len(j.r.Groups) {
		return &j.r.Groups[i].Result
	}
	return &j.r.Result
}

// astray is what a target ended otherwise than --close has it.
type astray struct {
	early, reset int64 // before the client's turn, and by an RST that was not asked for
	fin          int64 // by FIN, where an RST was asked for
	late         int64 // not in time, where the client waits
	counted      int64 // at least so many more, by the kernel's counters
	opened       int64
	tooMany      bool // for a run of this --close
}

func (j *judgement) astrayOf(g *record.Group, r *record.Result) astray {
	p := policyOf(g)
	a := astray{early: r.Outcomes[sockstate.OutcomeClosedEarly.String()], reset: unexpectedResets(r)}
	if p.Who == teardown.ServerFirst && (p.How == teardown.RST || p.How == teardown.Unread) {
		a.fin = r.Outcomes[sockstate.OutcomeFIN.String()]
	}
	if p.Who == teardown.ServerFirst || p.How == teardown.Half {
		a.late = r.Outcomes[sockstate.OutcomeCloseTimeout.String()]
	}
	a.opened = max(r.Connections.Opened, a.seen()+a.late)
	if p.Who == teardown.ClientFirst && len(j.r.Plan.Groups) == 1 && a.often(a.seen(), traceShare) {
		a.counted = min(j.unseen(), a.opened-a.seen())
	}
	switch {
	case j.r.Server != nil:
		// The embedded server does as it was told.
	case p.Who == teardown.ServerFirst:
		a.tooMany = a.often(a.seen()+a.late, mostShare)
	case p.Who == teardown.ClientFirst:
		held := g.HoldNs > 0 || g.PlateauNs > 0 // what ends in the hold is always seen, and may be how much the target bears
		a.tooMany = a.often(a.late, mostShare) || !held && a.often(a.seen()+a.counted, racedShare)
	}
	return a
}

// often reports whether n are that share of the connections, or more.
func (a *astray) often(n int64, share float64) bool {
	return n > 0 && float64(n) >= share*float64(a.opened)
}

// share puts n of the connections in words.
func (a *astray) share(n int64) string {
	return fmt.Sprintf("%.3g %% of the connections (%s of %s)", 100*float64(n)/float64(a.opened), quantity.Count(n), quantity.Count(a.opened))
}

// seen is how many the client saw.
func (a *astray) seen() int64 { return a.early + a.reset + a.fin }

// unseen is how many of the client's closes the kernel's counters contradict, at least.
func (j *judgement) unseen() (n int64) {
	for _, c := range j.r.Accounting {
		if c.Contradicts {
			n = max(n, c.Want.Min-c.Got)
		}
	}
	return n
}

// failedAstray is how many failures are a target's own closes in a run that closes() judges for them.
func (j *judgement) failedAstray() (n int64) {
	for i := range j.r.Plan.Groups {
		if g := &j.r.Plan.Groups[i]; g.Keep == "" {
			if a := j.astrayOf(g, j.resultOf(i)); a.tooMany {
				n += a.early + a.reset
			}
		}
	}
	return n
}

func (j *judgement) closesOf(g *record.Group, a *astray) {
	p := policyOf(g)
	said := len(j.v.Reasons)
	if a.early > 0 {
		turn := "before the client's turn under " + p.String()
		switch p.Who {
		case teardown.ServerFirst:
			turn = "before the last request"
		case teardown.Nobody:
			turn = "while never has them stay open"
		}
		j.because("the target closed first in %s, %s", a.share(a.early), turn)
		j.adviseEarly(g, a)
	}
	if a.reset > 0 && p.Who != teardown.BothAtOnce {
		j.because("the target reset %s, which %s does not ask for", a.share(a.reset), p)
		if a.often(a.reset+a.counted, racedShare) {
			j.adviseReset(p)
		}
	}
	if a.fin > 0 {
		j.because("the target closed by FIN, not by RST, in %s: it does not follow %s", a.share(a.fin), p)
		if a.often(a.fin, mostShare) {
			j.advise("--close server:fin, which is what the target does")
		}
	}
	if a.late > 0 {
		j.closesLate(p, a)
	}
	if n := len(j.v.Reasons); a.tooMany && a.counted == 0 && n > said {
		j.v.Reasons[n-1] += tooMany(p)
	}
}

// closesLate is for a target that the client waits for.
func (j *judgement) closesLate(p teardown.Policy, a *astray) {
	most := a.often(a.late, mostShare)
	if p.Who == teardown.ServerFirst {
		j.because("the target did not close in %s: it does not follow %s, or takes longer than --close-timeout", a.share(a.late), p)
		if most {
			j.advise("--close client:fin, if the target leaves it to the client to close first")
		}
		return
	}
	j.because("the target did not answer the client's FIN by its own within --close-timeout in %s", a.share(a.late))
	if most {
		j.advise("--close client:fin, which does not wait for the target's FIN, or a longer --close-timeout")
	}
}

func tooMany(p teardown.Policy) string {
	return fmt.Sprintf("; too many for this run to measure %s", p)
}

// adviseEarly is for a target that closes first.
func (j *judgement) adviseEarly(g *record.Group, a *astray) {
	switch who := policyOf(g).Who; {
	case g.HoldNs > 0 && who == teardown.ClientFirst && a.often(a.early, traceShare):
		j.advise("a --hold shorter than the time after which the target closes an idle connection, or fewer connections at once, if it closes those that are too many for it")
		if a.often(a.early, mostShare) {
			j.advise("--close server:fin without --hold, if the target is to close first: the client then waits for it")
		}
	case !a.often(a.early, racedShare):
	case who == teardown.ServerFirst:
		j.advise("fewer --requests, if the target takes no more on a connection")
	case who == teardown.Nobody:
		j.advise("--close server:fin, if the target is to close")
	case g.Requests > 1:
		j.advise("--close server:fin, if the target is to close first, or fewer --requests, if it takes no more on a connection")
	default:
		j.advise("--close server:fin, if the target is to close first: the client then waits for it")
	}
}

// adviseReset is for a target that resets.
func (j *judgement) adviseReset(p teardown.Policy) {
	if p.How == teardown.Half {
		// The client saw the RST, and not whether its own FIN drew it.
		j.advise("--close server:rst, if the target resets by itself: the client then waits for it; --close client:fin, if it resets when it reads the client's FIN")
		return
	}
	j.advise("--close server:rst, if the target is to reset: the client then waits for it")
}

// policyOf is a group's close policy; an old record may have none, which is client:fin.
func policyOf(g *record.Group) teardown.Policy {
	p, _ := teardown.ParsePolicy(g.Close)
	return p
}

// unexpectedResets is the part of rst_received that failed.
func unexpectedResets(r *record.Result) int64 {
	failed := r.Connections.Failed
	for _, o := range sockstate.OutcomeNames(sockstate.ClassFailure) {
		failed -= r.Outcomes[o]
	}
	return max(0, min(failed, r.Outcomes[sockstate.OutcomeRSTReceived.String()]))
}

// closesCounted says what the kernel knows of the ends that a client which closes without waiting does not see.
func (j *judgement) closesCounted() {
	for i := range j.r.Plan.Groups {
		if who := policyOf(&j.r.Plan.Groups[i]).Who; who != teardown.ClientFirst && who != teardown.BothAtOnce {
			return
		}
	}
	for _, c := range j.r.Accounting {
		if c.Contradicts {
			j.because("%s grew by %s, for %s closes by the client: of these at least %s ended otherwise, by the target's RST or close, unseen by the client (TcpEstabResets grew by %s)",
				c.Name, quantity.Count(c.Got), quantity.Count(c.Want.Min), quantity.Count(c.Want.Min-c.Got), quantity.Count(j.r.Counters[teardown.CounterResets]))
			j.unseenOf(&c)
		}
	}
	if s := j.r.Server; s != nil {
		return // it does as it was told
	}
	if n := int64(j.r.States.Final[sockstate.Client.String()][sockstate.FinWait2.String()]); n > 0 {
		j.because("%s connections closed by the client were in FIN_WAIT_2 at the end: the target had acknowledged the close, and not closed its own side", quantity.Count(n))
		if g := &j.r.Plan.Groups[0]; policyOf(g).How != teardown.Half && float64(n) >= racedShare*float64(j.r.Connections.Opened) {
			j.advise("--close client:half, to see when the target closes its own side: the client then waits for it")
		}
	}
}

// unseenOf is for ends that only the kernel knows: where others like them were seen, they add to those, and the advice is given.
func (j *judgement) unseenOf(c *record.Check) {
	g := &j.r.Plan.Groups[0]
	p, a := policyOf(g), j.astrayOf(g, j.resultOf(0))
	switch n := c.Want.Min - c.Got; {
	case a.counted > 0 && a.tooMany:
		j.because("in all the target ended at least %s by itself%s", a.share(a.seen()+a.counted), tooMany(p))
	case a.counted > 0 || float64(n) < traceShare*float64(c.Want.Min):
	case p.Who == teardown.ClientFirst && (p.How == teardown.FIN || p.How == teardown.Linger):
		j.advise("--close client:half, to see how the target ends what the client has closed, or --close server:rst, if it resets by itself: the client then waits for it")
	default:
		j.advise("--close server:rst, if the target resets by itself: the client then waits for it")
	}
}
