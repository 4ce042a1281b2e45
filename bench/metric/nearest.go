package metric

import (
	"slices"
	"strings"
)

// Nearest lists up to three names with the smallest edit distance to name, if they are similar: half of it is right, and at most three
// letters are wrong. Capitals, and the prefix that many names share, make no difference.
func Nearest(name string, names []string) (like []string) {
	const nearestAtMost, farthest = 3, 3
	own := func(name string) string {
		return strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(name), "tcp"), "ext")
	}
	name = own(name)
	least := min(farthest, len(name)/2) + 1
	for _, n := range names {
		switch d := distance(name, own(n)); {
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
