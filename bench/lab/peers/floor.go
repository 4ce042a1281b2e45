package main

import (
	"encoding/json"
	"fmt"
	"strconv"

	"lastack/bench/lab"
)

// floorResult is the result of serialFloor.
type floorResult struct {
	Lifecycles int64   `json:"lifecycles"`
	PerSecond  float64 `json:"per_second"`
}

// floorFlag is how Programs.Self is asked to run a floor: FloorFlag WORKLOAD THREADS SECONDS.
const floorFlag = "-serial-floor"

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
