package sandbox

import (
	"slices"
	"strconv"
	"strings"
)

// sameValue compares a sysctl's written value with the one read back: blanks between
// fields may differ, numbers may have another format, and port ranges may be sorted and
// merged (proc_do_large_bitmap).
func sameValue(wrote, held string) bool {
	a, b := strings.Fields(wrote), strings.Fields(held)
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] && !sameNumber(a[i], b[i]) && !sameRanges(a[i], b[i]) {
			return false
		}
	}
	return true
}

func sameNumber(a, b string) bool {
	n, err1 := strconv.ParseInt(a, 0, 64)
	m, err2 := strconv.ParseInt(b, 0, 64)
	return err1 == nil && err2 == nil && n == m
}

func sameRanges(a, b string) bool {
	x, ok1 := parseRanges(a)
	y, ok2 := parseRanges(b)
	return ok1 && ok2 && slices.Equal(x, y)
}

type portRange struct{ lo, hi uint64 }

// parseRanges parses "1-3,5" into sorted ranges that neither overlap nor touch.
func parseRanges(s string) ([]portRange, bool) {
	var all []portRange
	for part := range strings.SplitSeq(s, ",") {
		lo, hi, isRange := strings.Cut(part, "-")
		if !isRange {
			hi = lo
		}
		n, err1 := strconv.ParseUint(lo, 10, 32)
		m, err2 := strconv.ParseUint(hi, 10, 32)
		if err1 != nil || err2 != nil || n > m {
			return nil, false
		}
		all = append(all, portRange{n, m})
	}
	slices.SortFunc(all, func(a, b portRange) int { return int(a.lo) - int(b.lo) })
	merged := all[:1]
	for _, r := range all[1:] {
		if last := &merged[len(merged)-1]; r.lo <= last.hi+1 {
			last.hi = max(last.hi, r.hi)
		} else {
			merged = append(merged, r)
		}
	}
	return merged, true
}
