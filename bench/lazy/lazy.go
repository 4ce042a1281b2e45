// Package lazy compiles regular expressions when they are first used. Compiled while the program starts, the few dozen of this program would
// be a tenth of what "lastack version" takes.
package lazy

import (
	"regexp"
	"sync"
)

// Regexp is regexp.MustCompile(expr), put off until the first call, also of several goroutines.
func Regexp(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
