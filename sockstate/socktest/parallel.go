package socktest

import (
	"flag"
	"fmt"
)

// Parallel lets n parallel tests run at once, where they wait more than they compute, unless -parallel says how many. The testing
// package's own number is that of the CPUs. A TestMain calls it before m.Run.
func Parallel(n int) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if given {
		return
	}
	if err := flag.Set("test.parallel", fmt.Sprint(n)); err != nil {
		panic(err) // package testing defines it
	}
}
