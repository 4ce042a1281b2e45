package report

import (
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// runDocument is the report of a run. Its order is that of a reader in a hurry: what was asked, may I believe it, what came
// of it, and then why.
func runDocument(r *record.Run) *document.Document {
	interrupted := ""
	if r.Interrupted {
		interrupted = "INTERRUPTED after " + quantity.Seconds(r.ElapsedS) + ": all numbers are of that part"
	}
	return build(title(r), what(&r.Plan), r.Warnings,
		asked(r, "", "", interrupted),
		judgement(r), thresholds(r.Thresholds), warnings(), runPictures(r),
		rates(r), connections(r), latencies(r), groups(r), shards(r),
		timeline(r), states(r), traced(r), timeWait(r), settle(r),
		accounting(r.Accounting), predicted(r),
		ports(r), router(r), pressure(r), cpu(r), kernel(document.First, r), tcpInfo(r), server(r), observer(r),
	)
}
