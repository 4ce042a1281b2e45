package main

import (
	"time"

	"lastack/bench/lab"
)

// facts are what the figures depend on beside the contenders.
type facts struct {
	Kernel, CPUModel string
	CPUs             int
	MemoryBytes      int64
	Go               string
	// Place is where the load took place.
	Place    string
	Programs []lab.Version
	Date     time.Time
	Load     load
	Rounds   int
}
