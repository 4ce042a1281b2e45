package record

// Replies counts the HTTP replies without interim ones, and how many of them were not 2xx.
func (r *Result) Replies() (all, other int64) {
	for class, n := range r.HTTP {
		switch class {
		case "1xx":
		case "2xx":
			all += n
		default:
			all += n
			other += n
		}
	}
	return all, other
}
