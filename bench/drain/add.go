package drain

import "lastack/bench/record"

func addConnections(sum, c *record.DrainConnections) {
	sum.Opened += c.Opened
	sum.FIN += c.FIN
	sum.RST += c.RST
	sum.Cut += c.Cut
	sum.Done += c.Done
	sum.Never += c.Never
	sum.Kept += c.Kept
	sum.Other += c.Other
}

func addRequests(sum, r *record.DrainRequests) {
	sum.Sent += r.Sent
	sum.Completed += r.Completed
	sum.CompletedClose += r.CompletedClose
	sum.Answered5xx += r.Answered5xx
	sum.CutFIN += r.CutFIN
	sum.CutRST += r.CutRST
	sum.TimedOut += r.TimedOut
	sum.Partial += r.Partial
	sum.UnderWay += r.UnderWay
	sum.Open += r.Open
	sum.Other += r.Other
	sum.Raced += r.Raced
	sum.Unreceived += r.Unreceived
	sum.Safe += r.Safe
	sum.Unsafe += r.Unsafe
	sum.Total += r.Total
	sum.HTTP, sum.HTTPBefore = addCounts(sum.HTTP, r.HTTP), addCounts(sum.HTTPBefore, r.HTTPBefore)
	if r.SlowestS != nil {
		slowest(sum, *r.SlowestS)
	}
}

// addCounts adds o to sum, which may be nil.
func addCounts(sum, o map[string]int64) map[string]int64 {
	for k, n := range o {
		if sum == nil {
			sum = make(map[string]int64)
		}
		sum[k] += n
	}
	return sum
}
