//go:build !linux

package gallery

import "errors"

// GoServer has no gallery to run in here.
func GoServer([]string) error { return errors.New("the gallery runs on Linux") }
