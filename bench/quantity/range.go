package quantity

// Range is "1,000 to 2,000", or "1,000" if both ends are the same.
func Range(lo, hi int64) string {
	if lo == hi {
		return Count(lo)
	}
	return Count(lo) + " to " + Count(hi)
}
