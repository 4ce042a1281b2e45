package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"lastack/bench/lab"
	"lastack/sockstate/netns"
)

// floorConfig says what SerialFloor does.
type floorConfig struct {
	// workloadNamed is one of Workloads without HTTP.
	Workload workload
	// Threads is at least 1. Each is pinned to one of the process's CPUs, in turn.
	Threads int
	// Duration ends the run, or Lifecycles by all threads together; one of the two is set.
	Duration   time.Duration
	Lifecycles int64
	// Namespace is where the sockets are; nil is the process's own.
	Namespace *netns.NS
}

// floorResult is what SerialFloor came to.
type floorResult struct {
	Lifecycles int64   `json:"lifecycles"`
	PerSecond  float64 `json:"per_second"`
}

// floorFlag is how Programs.Self is asked to run a floor: FloorFlag WORKLOAD THREADS SECONDS.
const floorFlag = "-serial-floor"

// floorMain runs a floor as FloorFlag's arguments want it and writes the FloorResult as JSON. A
// process of its own has CPU time of its own.
func floorMain(args []string, stdout io.Writer) error {
	if len(args) != 3 {
		return fmt.Errorf("%s: want WORKLOAD THREADS SECONDS, got %q", floorFlag, args)
	}
	w, err := workloadNamed(args[0])
	if err != nil {
		return err
	}
	threads, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	seconds, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	r, err := serialFloor(floorConfig{Workload: w, Threads: threads, Duration: load{Seconds: seconds}.duration()})
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(r)
}

func floorContender(self string, w workload, l load) contender {
	const name = "serial floor"
	return contender{
		Name: fmt.Sprintf("%s, %d threads", name, l.CPUs), Family: familyFloor,
		client: command{path: self, args: []string{floorFlag, w.Name, strconv.Itoa(l.CPUs), strconv.Itoa(l.Seconds)}, lasts: l.duration()},
		read: func(e ended) (result, error) {
			var f floorResult
			if err := json.Unmarshal([]byte(e.stdout), &f); err != nil {
				return result{}, &runError{Command: name, Reason: lab.LastLine(e.stderr), Err: err}
			}
			return result{Connections: f.Lifecycles, PerSecond: f.PerSecond, CPU: cpuTime{All: e.cpu}}.checked(&output{tool: name})
		},
	}
}
