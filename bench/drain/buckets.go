package drain

import (
	"lastack/bench/record"
	"lastack/loadgen"
)

// bucketLength is the length of a record.DrainSlice; it is longer if there would be more than maxBuckets.
const (
	bucketLength = int64(100e6)
	maxBuckets   = 6000
)

// buckets counts what happened in each tenth of a second after the signal. It includes requests that were under way when the watch ended.
func (j *joined) buckets() []record.DrainSlice {
	if j.concluded <= j.signal {
		return nil
	}
	requests := func(do func(*request)) {
		for i := range j.requests {
			if r := &j.requests[i]; r.Ended >= j.signal && !r.Partial && r.Fate != loadgen.RequestOpen {
				do(r)
			}
		}
	}
	ended := func(do func(*connection)) {
		for i := range j.conns {
			if c := &j.conns[i]; c.reported && c.Opened != 0 && c.fate.byServer() {
				do(c)
			}
		}
	}
	end := j.concluded
	for _, at := range [][]int64{j.accepted, j.refused} {
		if n := len(at); n > 0 {
			end = max(end, at[n-1])
		}
	}
	requests(func(r *request) { end = max(end, r.Ended) })
	ended(func(c *connection) { end = max(end, c.endedAt) })

	length := bucketLength * (1 + (end-j.signal)/(maxBuckets*bucketLength))
	buckets := make([]record.DrainSlice, (end-j.signal)/length+1)
	for i := range buckets {
		buckets[i].TS = float64(int64(i)*length) / 1e9
	}
	in := func(at int64) *record.DrainSlice { return &buckets[max(at-j.signal, 0)/length] }
	for _, at := range j.accepted {
		in(at).Accepted++
	}
	for _, at := range j.refused {
		in(at).Refused++
	}
	requests(func(r *request) {
		switch {
		case r.Fate.Lost():
			in(r.Ended).Lost++
		case r.Fate == loadgen.Answered5xx:
			in(r.Ended).Answered5xx++
		default:
			in(r.Ended).Completed++
		}
	})
	ended(func(c *connection) {
		if c.End == loadgen.EndByRST {
			in(c.endedAt).RST++
		} else {
			in(c.endedAt).FIN++
		}
	})
	return buckets
}
