package sandbox

import (
	"strconv"
	"strings"

	"lastack/sockstate/sockio"
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
	x, err1 := sockio.ParsePorts(a)
	y, err2 := sockio.ParsePorts(b)
	return err1 == nil && err2 == nil && *x == *y
}
