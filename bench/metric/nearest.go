package metric

import "slices"

// farthest is the largest edit distance between similar names.
const farthest = 3

// nearest lists up to three names with the smallest edit distance to name, if it is at most atMost.
func nearest(name string, names []string, atMost int) (like []string) {
	const nearestAtMost = 3
	least := atMost + 1
	for _, n := range names {
		switch d := distance(name, n); {
		case d < least:
			least, like = d, []string{n}
		case d == least && like != nil && len(like) < nearestAtMost:
			like = append(like, n)
		}
	}
	return like
}

// distance is the Levenshtein distance.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for i := range row {
		row[i] = i
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = slices.Min([]int{change, row[j] + 1, diagonal + 1})
		}
	}
	return row[len(b)]
}
