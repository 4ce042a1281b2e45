package bench

import (
	"fmt"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/sockstate"
	"lastack/sockstate/teardown"
)

// closes names a target that does not end its connections as --close has it, with its share. It is no limit, and takes
// nothing from what the other rules find.
func (j *judgement) closes() {
	for i := range j.r.Plan.Groups {
		if g := &j.r.Plan.Groups[i]; g.Keep == "" {
			j.closesOf(g, j.resultOf(i))
		}
	}
	j.closesCounted()
}

// resultOf is what group i came to.
func (j *judgement) resultOf(i int) *record.Result {
	if i < len(j.r.Groups) {
		return &j.r.Groups[i].Result
	}
	return &j.r.Result
}

func (j *judgement) closesOf(g *record.Group, r *record.Result) {
	p := policyOf(g)
	early, reset := r.Outcomes[record.OutcomeClosedEarly], unexpectedResets(r)
	opened := max(r.Connections.Opened, early, reset)
	share := func(n int64) string {
		return fmt.Sprintf("%.3g %% of the connections (%s of %s)", 100*float64(n)/float64(opened), quantity.Count(n), quantity.Count(opened))
	}
	if early > 0 && p.Who == teardown.ClientFirst {
		j.because("the target closed first in %s, before the client's turn under %s", share(early), p)
		if g.Requests > 1 {
			j.advise("--close server:fin, if the target is to close first, or fewer --requests, if it takes no more on a connection")
		} else {
			j.advise("--close server:fin, if the target is to close first: the client then waits for it")
		}
	}
	if reset > 0 && p.Who != teardown.BothAtOnce {
		j.because("the target reset %s, which %s does not ask for", share(reset), p)
		if p.How == teardown.FIN || p.How == teardown.Half {
			j.advise("--close server:rst, if the target is to reset: the client then waits for it")
		}
	}
	if p.Who != teardown.ServerFirst {
		return
	}
	if fin := r.Outcomes[record.OutcomeFIN]; fin > 0 && (p.How == teardown.RST || p.How == teardown.Unread) {
		j.because("the target closed by FIN, not by RST, in %s: it does not follow %s", share(fin), p)
		j.advise("--close server:fin, which is what the target does")
	}
	if n := r.Outcomes[record.OutcomeCloseTimeout]; n > 0 {
		j.because("the target did not close in %s: it does not follow %s, or takes longer than --close-timeout", share(n), p)
		j.advise("--close client:fin, if the target leaves it to the client to close first")
	}
}

// policyOf is a group's close policy; an old record may have none, which is client:fin.
func policyOf(g *record.Group) teardown.Policy {
	p, _ := teardown.ParsePolicy(g.Close)
	return p
}

// unexpectedResets is the part of rst_received that failed.
func unexpectedResets(r *record.Result) int64 {
	failed := r.Connections.Failed
	for _, o := range record.FailureOutcomes() {
		failed -= r.Outcomes[o]
	}
	return max(0, min(failed, r.Outcomes[record.OutcomeRSTReceived]))
}

// closesCounted says what the kernel knows of the ends that a client which closes first does not see.
func (j *judgement) closesCounted() {
	for i := range j.r.Plan.Groups {
		if policyOf(&j.r.Plan.Groups[i]).Who != teardown.ClientFirst {
			return
		}
	}
	for _, c := range j.r.Accounting {
		if c.Contradicts {
			j.because("%s grew by %s, for %s closes by the client: of these at least %s ended otherwise, by the target's RST or close, unseen by the client (TcpEstabResets grew by %s)",
				c.Name, quantity.Count(c.Got), quantity.Count(c.Want.Min), quantity.Count(c.Want.Min-c.Got), quantity.Count(j.r.Counters[teardown.CounterResets]))
		}
	}
	if s := j.r.Server; s != nil {
		return // it does as it was told
	}
	if n := int64(j.r.States.Final[sockstate.Client.String()][sockstate.FinWait2.String()]); n > 0 {
		j.because("%s connections closed by the client were in FIN_WAIT_2 at the end: the target had acknowledged the close, and not closed its own side", quantity.Count(n))
	}
}
