package main

import (
	"time"

	"lastack/bench/lab"
)

// facts are the circumstances of the figures beside the contenders.
type facts struct {
	Kernel, CPUModel string
	CPUs             int
	MemoryBytes      int64
	Go               string
	// Place is the namespace of the load.
	Place    string
	Programs []lab.Version
	Date     time.Time
	Load     load
	Rounds   int
}
