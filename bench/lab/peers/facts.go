package main

import "time"

// Facts are what the figures depend on beside the contenders.
type facts struct {
	Kernel, CPUModel string
	CPUs             int
	MemoryBytes      int64
	Go               string
	// Place is where the load took place.
	Place    string
	Programs []Version
	Date     time.Time
	Load     load
	Rounds   int
}

// Version is what a program says of itself.
type Version struct{ Program, Version string }
