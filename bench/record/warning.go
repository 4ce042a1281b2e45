package record

import (
	"reflect"
	"strings"
)

// SplitWarning splits a warning into the key of the part of the record that it concerns, and its
// text. The key is empty if the warning concerns the whole run.
func SplitWarning(w string) (key, text string) {
	before, after, ok := strings.Cut(w, ": ")
	if !ok || strings.ContainsAny(before, " \t\n") {
		return "", w
	}
	top, _, _ := strings.Cut(before, ".")
	if !isKey(reflect.TypeFor[Run](), top) {
		return "", w
	}
	return before, after
}

func isKey(t reflect.Type, name string) bool {
	for i := range t.NumField() {
		f := t.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if key == name && key != "" || f.Anonymous && isKey(f.Type, name) {
			return true
		}
	}
	return false
}
