package quantity

// Range is "1,000" where both ends are the same, else "1,000 to 2,000".
func Range(lo, hi int64) string {
	if lo == hi {
		return Count(lo)
	}
	return Count(lo) + " to " + Count(hi)
}
