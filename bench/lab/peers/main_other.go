//go:build !linux

package main

import (
	"fmt"
	"os"

	"lastack/bench/lab"
	"lastack/sockstate"
)

func main() {
	fmt.Fprintf(os.Stderr, "sidebyside: %v\n", sockstate.ErrNeedsLinux)
	os.Exit(lab.ExitError)
}
