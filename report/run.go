package report

import (
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/bench/shard"
	"lastack/report/document"
)

// runDocument is the report of a run. Its order is that of a reader in a hurry: what was asked, may I believe it, what came
// of it, and then why.
func runDocument(r *record.Run) *document.Document {
	return build(title(r), what(&r.Plan), r.Warnings,
		asked(r, "", "", interrupted(r)),
		judgement(r), thresholds(r.Thresholds), warnings(), runPictures(r),
		rates(r), connections(r), latencies(r), groups(r), shards(r),
		timeline(r), states(r), traced(r), timeWait(r), settle(r),
		accounting(r.Accounting), predicted(r),
		ports(r), router(r), pressure(r), cpu(r), kernel(document.First, r), tcpInfo(r), server(r), observer(r),
	)
}

// interrupted says that a run, or some of its shards, did not come to the end.
func interrupted(r *record.Run) string {
	if !r.Interrupted {
		return ""
	}
	var stopped []int
	for i := range r.Shards {
		if r.Shards[i].Interrupted {
			stopped = append(stopped, r.Shards[i].I)
		}
	}
	if n := len(stopped); n > 0 && n < len(r.Shards) {
		return shard.Names(stopped) + " INTERRUPTED: rates are of the whole time"
	}
	return "INTERRUPTED after " + quantity.Seconds(r.ElapsedS) + ": all numbers are of that part"
}
