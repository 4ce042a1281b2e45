package sockstate

import (
	"fmt"
	"strings"
)

// ValueError is an unusable value of a flag or a field, refused before a socket opens.
type ValueError struct {
	// Name is the flag without dashes, empty if the value comes from no single flag.
	Name string
	// Value is the value as given, or empty. Without a Name it also says what it is a value of.
	Value string
	// Want says what is wrong, and what is accepted.
	Want string
}

// BadValue makes a *ValueError; want and args are those of fmt.Sprintf.
func BadValue(name string, value any, want string, args ...any) error {
	return &ValueError{Name: name, Value: fmt.Sprint(value), Want: fmt.Sprintf(want, args...)}
}

func (e *ValueError) Error() string {
	what := e.Value
	if e.Name != "" {
		what = strings.TrimSpace("--" + e.Name + " " + e.Value)
	}
	if what == "" {
		return e.Want
	}
	return what + ": " + e.Want
}
