package verdict

import (
	"slices"

	"lastack/bench/record"
	"lastack/sockstate"
	"lastack/sockstate/teardown"
)

const (
	// racedShare is the share of connections that the target ends first from which a run does not measure --close client:*, if nobody
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
	limits, notAsked := len(j.v.Findings), false
	for g, r := range j.groups() {
		if g.Keep == "" {
			a := j.astrayOf(g, r)
			j.closesOf(g, &a)
			notAsked = notAsked || a.tooMany
		}
	}
	j.closesCounted()
	if notAsked {
		j.v.Valid = false
		j.v.Findings = slices.Concat(j.v.Findings[limits:], j.v.Findings[:limits])
	}
}

// resultOf is what group i came to.
func (j *judgement) resultOf(i int) *record.Result {
	if i < len(j.r.Groups) {
		return &j.r.Groups[i].Result
	}
	return &j.r.Result
}

// astray counts the connections that a target did not end as --close says.
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
	a := astray{early: r.Outcomes[sockstate.OutcomeClosedEarly.String()], reset: r.UnexpectedResets()}
	if p.Who == teardown.ServerFirst && p.How.Resets() {
		a.fin = r.Outcomes[sockstate.OutcomeFIN.String()]
	}
	if p.Who == teardown.ServerFirst || p.How.ReadsEnd() {
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

// args are those of a finding on n of the connections.
func (a *astray) args(p teardown.Policy, n int64) args {
	return args{"connections": n, "opened": a.opened, "share": float64(n) / float64(a.opened), "close": p.String()}
}

// seen is how many of them the client saw.
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
	for g, r := range j.groups() {
		if a := j.astrayOf(g, r); g.Keep == "" && a.tooMany {
			n += a.early + a.reset
		}
	}
	return n
}

func (j *judgement) closesOf(g *record.Group, a *astray) {
	p := policyOf(g)
	last := -1 // the finding that says what it makes of the run
	because := func(code string, n int64) {
		last = len(j.v.Findings)
		j.because(code, a.args(p, n))
	}
	if a.early > 0 {
		code := "closed_before_turn"
		switch p.Who {
		case teardown.ServerFirst:
			code = "closed_before_last_request"
		case teardown.Nobody:
			code = "closed_under_never"
		}
		because(code, a.early)
		j.adviseEarly(g, a)
	}
	if a.reset > 0 && p.Who != teardown.BothAtOnce {
		because("reset_unasked", a.reset)
		if code := "close_server_rst"; a.often(a.reset+a.counted, racedShare) {
			if p.How.ReadsEnd() { // the client saw the RST, and not whether its own FIN drew it
				code = "close_server_rst_or_client_fin"
			}
			j.advise(code, nil)
		}
	}
	if a.fin > 0 {
		because("fin_not_rst", a.fin)
		if a.often(a.fin, mostShare) {
			j.advise("close_server_fin_as_target_does", nil)
		}
	}
	if a.late > 0 {
		code, remedy := "fin_not_answered", "close_client_fin_or_wait"
		if p.Who == teardown.ServerFirst {
			code, remedy = "did_not_close", "close_client_fin_if_left_to_client"
		}
		because(code, a.late)
		if a.often(a.late, mostShare) {
			j.advise(remedy, nil)
		}
	}
	if a.tooMany && a.counted == 0 && last >= 0 {
		j.v.Findings[last].Args["too_many"] = true
	}
}

// adviseEarly is for a target that closes first.
func (j *judgement) adviseEarly(g *record.Group, a *astray) {
	switch who := policyOf(g).Who; {
	case g.HoldNs > 0 && who == teardown.ClientFirst && a.often(a.early, traceShare):
		j.advise("shorter_hold_than_idle_time", nil)
		if a.often(a.early, mostShare) {
			j.advise("close_server_fin_without_hold", nil)
		}
	case !a.often(a.early, racedShare):
	case who == teardown.ServerFirst:
		j.advise("fewer_requests", nil)
	case who == teardown.Nobody:
		j.advise("close_server_fin_if_it_closes", nil)
	case g.Requests > 1:
		j.advise("close_server_fin_or_fewer_requests", nil)
	default:
		j.advise("close_server_fin", nil)
	}
}

// policyOf is a group's close policy; an old record may have none, which is client:fin.
func policyOf(g *record.Group) teardown.Policy {
	p, _ := teardown.ParsePolicy(g.Close)
	return p
}

// closesCounted says what the kernel knows of the ends that a client which closes without waiting does not see.
func (j *judgement) closesCounted() {
	if slices.ContainsFunc(j.r.Plan.Groups, func(g record.Group) bool {
		who := policyOf(&g).Who
		return who != teardown.ClientFirst && who != teardown.BothAtOnce
	}) {
		return
	}
	for _, c := range j.r.Accounting {
		if c.Contradicts {
			j.because("counted_otherwise", args{"name": c.Name, "grew": c.Got, "closes": c.Want.Min, "otherwise": c.Want.Min - c.Got, "resets": j.r.Counters[teardown.CounterResets]})
			j.unseenOf(&c)
		}
	}
	if j.r.Server != nil {
		return // it does as it was told
	}
	if n := int64(j.r.States.Final[sockstate.Client.String()][sockstate.FinWait2.String()]); n > 0 {
		j.because("left_in_fin_wait_2", args{"connections": n})
		if g := &j.r.Plan.Groups[0]; !policyOf(g).How.ReadsEnd() && float64(n) >= racedShare*float64(j.r.Connections.Opened) {
			j.advise("close_client_half", nil)
		}
	}
}

// unseenOf is for ends that only the kernel knows: where others like them were seen, they add to those, and the advice is given.
func (j *judgement) unseenOf(c *record.Check) {
	g := &j.r.Plan.Groups[0]
	p, a := policyOf(g), j.astrayOf(g, j.resultOf(0))
	switch n := c.Want.Min - c.Got; {
	case a.counted > 0 && a.tooMany:
		j.because("ended_by_target", a.args(p, a.seen()+a.counted))
	case a.counted > 0 || float64(n) < traceShare*float64(c.Want.Min):
	case p.Who == teardown.ClientFirst && !p.How.Resets() && !p.How.ReadsEnd():
		j.advise("close_client_half_or_server_rst", nil)
	default:
		j.advise("close_server_rst_if_it_resets", nil)
	}
}

func closeCodes() []Code {
	const (
		unlike     = "another --close, which is what the target does; see the remedies"
		share      = "{share:%.3g} of the connections ({connections} of {opened})"
		tooMany    = "[; too many for this run to measure {close}{?too_many}]"
		waits      = ": the client then waits for it"
		ifItCloses = "--close server:fin, if the target is to close"
	)
	return []Code{
		found("closed_before_turn", "the target closed first, but --close says the client", unlike,
			"the target closed first in "+share+", but with {close} the client should"+tooMany),
		found("closed_before_last_request", "the target closed first, before the last request", "fewer --requests",
			"the target closed first in "+share+", before the last request"+tooMany),
		found("closed_under_never", "the target closed, but --close says nobody", unlike,
			"the target closed first in "+share+", but with never they should stay open"+tooMany),
		found("reset_unasked", "the target reset connections, which --close does not ask for", unlike,
			"the target reset "+share+", which {close} does not ask for"+tooMany),
		found("fin_not_rst", "the target closed by FIN, but --close says by RST", unlike,
			"the target closed by FIN, not by RST, in "+share+": it does not follow {close}"+tooMany),
		found("did_not_close", "the target did not close in time, but --close says that it closes first", unlike,
			"the target did not close in "+share+": it does not follow {close}, or takes longer than --close-timeout"+tooMany),
		found("fin_not_answered", "the target did not answer the client's FIN with its own in time", "a longer --close-timeout, or --close client:fin",
			"the target did not answer the client's FIN with its own within --close-timeout in "+share+tooMany),
		found("counted_otherwise", "the kernel counted fewer ends of a kind than the client closed: the target ended those, unseen", "--close client:half, or server:rst, to see it",
			"{name} grew by {grew}, for {closes} closes by the client: of these at least {otherwise} ended otherwise, by the target's RST or close, unseen by the client "+
				"(TcpEstabResets grew by {resets})"),
		found("ended_by_target", "the target ended too many connections by itself, seen and unseen", unlike,
			"in all the target ended at least "+share+" by itself; too many for this run to measure {close}"),
		found("left_in_fin_wait_2", "the target acknowledged the client's closes, and left its own side open", "--close client:half, to see when it closes",
			"{connections} connections closed by the client were in FIN_WAIT_2 at the end: the target had acknowledged the close, and not closed its own side"),
		remedy("close_server_fin", "--close server:fin, for a target that closes first", ifItCloses+" first"+waits),
		remedy("close_server_fin_or_fewer_requests", "--close server:fin, or fewer requests", ifItCloses+" first, or fewer --requests, if it takes no more on a connection"),
		remedy("close_server_fin_without_hold", "--close server:fin without --hold", "--close server:fin without --hold, if the target is to close first"+waits),
		remedy("close_server_fin_if_it_closes", "--close server:fin instead of never", ifItCloses),
		remedy("close_server_fin_as_target_does", "--close server:fin instead of a reset", "--close server:fin, which is what the target does"),
		remedy("close_server_rst", "--close server:rst, for a target that resets", "--close server:rst, if the target is to reset"+waits),
		remedy("close_server_rst_if_it_resets", "--close server:rst, for a target that resets by itself", "--close server:rst, if the target resets by itself"+waits),
		remedy("close_server_rst_or_client_fin", "--close server:rst or client:fin, by what draws the reset",
			"--close server:rst, if the target resets by itself"+waits+"; --close client:fin, if it resets when it reads the client's FIN"),
		remedy("close_client_fin_if_left_to_client", "--close client:fin, for a target that leaves the close to the client",
			"--close client:fin, if the target leaves it to the client to close first"),
		remedy("close_client_fin_or_wait", "--close client:fin, or a longer --close-timeout",
			"--close client:fin, which does not wait for the target's FIN, or a longer --close-timeout"),
		remedy("close_client_half", "--close client:half, to see when the target closes", "--close client:half, to see when the target closes its own side"+waits),
		remedy("close_client_half_or_server_rst", "--close client:half or server:rst, to see how the target ends connections",
			"--close client:half, to see how the target ends what the client has closed, or --close server:rst, if it resets by itself"+waits),
		remedy("fewer_requests", "fewer requests on a connection", "fewer --requests, if the target takes no more on a connection"),
		remedy("shorter_hold_than_idle_time", "a --hold below the target's idle timeout",
			"a --hold shorter than the time after which the target closes an idle connection, or fewer connections at once, if it closes those that are too many for it"),
	}
}
