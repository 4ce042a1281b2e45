package bench

import (
	"lastack/bench/record"
	"lastack/sockstate/conntrack"
)

// tracker watches the connection tracking of the router between client and server.
type tracker struct {
	source *conntrack.Source
	before conntrack.Stats
	all    record.Tracking
}

// openTracker opens the files of the router, which needs the privileges that the load does not have. It is nil without a router.
func (e *experiment) openTracker() error {
	if e.sandbox == nil || e.sandbox.Router == nil {
		return nil
	}
	source, err := conntrack.Open(e.sandbox.Router)
	if err != nil {
		return err
	}
	t := &tracker{source: source}
	t.all.Max, _ = e.facts.Sysctl("net.netfilter.nf_conntrack_max")
	if t.all.Max == 0 {
		t.all.Max, _ = e.setup.Host.Sysctl("net.netfilter.nf_conntrack_max")
	}
	t.all.Max = max(t.all.Max, 0)
	e.tracker = t
	t.before, err = source.Stats()
	return err
}

// sample counts the entries.
func (t *tracker) sample(iv *record.Interval) error {
	if t == nil {
		return nil
	}
	n, err := t.source.Count()
	iv.Tracked, t.all.Peak = n, max(t.all.Peak, n)
	return err
}

// finish reads what has become of the load's connections.
func (t *tracker) finish() error {
	if t == nil {
		return nil
	}
	now, err := t.source.Stats()
	grown := now.Since(t.before)
	t.all.InsertFailed, t.all.Dropped, t.all.EarlyDropped = grown.InsertFailed, grown.Dropped, grown.EarlyDropped
	states, serr := t.source.States()
	if t.all.States = states; serr != nil {
		t.all.StatesReason = serr.Error()
	}
	return err
}
