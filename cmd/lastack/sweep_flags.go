package main

import (
	"fmt"
	"strconv"
	"strings"

	"lastack/bench/grid"
	"lastack/bench/quantity"
)

// parallelFlag is a number of runs side by side; 0 is auto.
type parallelFlag int

// Set implements pflag.Value.
func (p *parallelFlag) Set(s string) error {
	if s == "auto" {
		*p = 0
		return nil
	}
	n, err := quantity.ParseCount(s)
	if err != nil || n == 0 || n > 1<<20 {
		return fmt.Errorf("%q: want auto, or a number of runs from 1", s)
	}
	*p = parallelFlag(n)
	return nil
}

func (p *parallelFlag) String() string {
	if *p == 0 {
		return "auto"
	}
	return strconv.Itoa(int(*p))
}

// Type implements pflag.Value.
func (p *parallelFlag) Type() string { return "N|auto" }

// scaleFlag is a share 1/N; 0 is 1.
type scaleFlag float64

// Set implements pflag.Value.
func (f *scaleFlag) Set(s string) error {
	const most = 10_000
	switch s {
	case "auto":
		*f = grid.ScaleAuto
		return nil
	case "1":
		*f = 0
		return nil
	}
	digits, ok := strings.CutPrefix(s, "1/")
	n, err := quantity.ParseCount(digits)
	if !ok || err != nil || n < 1 || n > most {
		return fmt.Errorf("%q is not a scale: want auto, 1, or 1/N with N up to %d", s, most)
	}
	*f = scaleFlag(1 / float64(n))
	if n == 1 {
		*f = 0
	}
	return nil
}

func (f *scaleFlag) String() string {
	switch *f {
	case grid.ScaleAuto:
		return "auto"
	case 0:
		return "1"
	}
	return "1/" + strconv.FormatFloat(1/float64(*f), 'f', 0, 64)
}

// Type implements pflag.Value.
func (f *scaleFlag) Type() string { return "1/N|auto" }

// shareFlag is a share, as a percentage or a fraction.
type shareFlag float64

// Set implements pflag.Value.
func (f *shareFlag) Set(s string) error {
	v, ok := quantity.ParseShare(s)
	if !ok {
		return fmt.Errorf("%q is not a share: want one from 0%% to 100%%, like 0.1%% or 0.001", s)
	}
	*f = shareFlag(v)
	return nil
}

func (f *shareFlag) String() string {
	return strconv.FormatFloat(float64(*f)*100, 'f', -1, 64) + "%"
}

// Type implements pflag.Value.
func (f *shareFlag) Type() string { return "SHARE" }
