package sockstate

import (
	"fmt"
	"strings"
)

// ValueError is a value that cannot be used: of a flag, or of a field. It is found before a socket opens.
type ValueError struct {
	// Name is the flag without dashes. It is empty where no single flag asked for the value.
	Name string
	// Value is as it was given. It may be empty; without a Name it says what the value is of.
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
