// Command typecheck checks the types of this module, tests too, as other systems see them: typecheck GOOS/GOARCH...
// It reads the sources of all that is imported. To vet or build for a system would compile them, which takes ten times as long.
package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/tools/go/packages"
)

func main() {
	code := 0
	for _, system := range os.Args[1:] {
		goos, goarch, _ := strings.Cut(system, "/")
		fmt.Println("types for", system)
		loaded, err := packages.Load(&packages.Config{
			Mode:  packages.LoadTypes | packages.NeedDeps | packages.NeedTypesSizes,
			Env:   append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch),
			Tests: true,
		}, "./...")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if len(loaded) == 0 || packages.PrintErrors(loaded) > 0 {
			code = 1
		}
	}
	os.Exit(code)
}
