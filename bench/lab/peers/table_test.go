package main

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"lastack/bench/lab"
	"lastack/sockstate/socktest/golden"
)

// turnsOf makes one run of each rate; 0 is one that failed.
func turnsOf(cpu cpuTime, rates ...float64) []turn {
	var rs []turn
	for _, r := range rates {
		run := turn{result: result{Connections: int64(2 * r), PerSecond: r, CPU: cpu}}
		if r == 0 {
			run = turn{Err: &runError{Command: "wrk", Reason: "unable to connect", Err: errors.New("exit status 1")}}
		}
		rs = append(rs, run)
	}
	return rs
}

func rowOf(name, family string, rs []turn) row {
	return row{contender: contender{Name: name, Family: family}, Runs: rs}
}

func usage(client, server, all time.Duration) cpuTime {
	return cpuTime{Client: client, Server: server, All: all}
}

func TestTable(t *testing.T) {
	facts := facts{
		Kernel: "6.18.44", CPUModel: "Example CPU", CPUs: 2, MemoryBytes: 24 << 30, Go: "go1.26.8", Place: "the host's loopback, as asked",
		Programs: []lab.Version{{Program: "lastack", Version: "v1.0.0"}, {Program: "hey", Version: "tells no version"}},
		Date:     time.Date(2026, 11, 23, 6, 14, 0, 0, time.UTC), Load: load{Seconds: 2, Connections: 64, CPUs: 2}, Rounds: 3,
	}
	ws := workloads()
	echo := measurement{
		Workload: ws[0], Rounds: 3,
		Rows: []row{
			rowOf("lastack --engine uring", familyLastack, turnsOf(usage(time.Second, time.Second/2, 1700*time.Millisecond), 25_000, 20_000, 24_000)),
			rowOf("lastack --engine epoll", familyLastack, turnsOf(usage(time.Second, time.Second/2, 1700*time.Millisecond), 18_000, 16_000, 20_000)),
			rowOf("serial floor, 2 threads", familyFloor, turnsOf(usage(0, 0, 4*time.Second), 28_000, 24_000, 30_000)),
			rowOf("neper tcp_crr -T1 -F16", familyNeper, turnsOf(usage(2*time.Second, time.Second, 0), 12_000, 12_000, 12_000)),
			rowOf("neper tcp_crr -T2 -F64", familyNeper, turnsOf(usage(2*time.Second, time.Second, 0), 18_000, 16_000, 17_000)),
		},
		Doubts: []string{"before 2 of 15 runs the machine was not idle within 2s:\nsomething else ran on it"},
	}
	echo.Rows[1].Runs[2].Doubts = []string{"not valid by its own verdict: lag"}
	echo.Rows[3].Runs[1].Left.Overflow = 12_345

	wrk := rowOf("wrk -t2 -c64", "wrk", turnsOf(usage(2*time.Second, time.Second, 0), 14_000, 0, 7_000))
	wrk.Runs[0].Failed = 7
	wrk.Runs[2].Left = leftovers{ClientTimeWait: 700, ServerTimeWait: 13_300}
	http := measurement{
		Workload: ws[4], Rounds: 3,
		Rows: []row{
			rowOf("lastack --engine epoll", familyLastack, turnsOf(usage(time.Second, time.Second, 0), 14_000, 15_000, 16_000)),
			wrk,
			rowOf("ab -c64", "ab", turnsOf(cpuTime{}, 0, 0, 0)),
		},
		Absent: []lab.Absence{
			{Name: "lastack --engine uring", Reason: "no io_uring here"},
			{Name: "hey", Reason: `exec: "hey": executable file not found in $PATH (Debian: apt-get install hey)`},
		},
	}
	empty := measurement{Workload: ws[2], Rounds: 3, Doubts: []string{"not measured: interrupted"}}

	var got bytes.Buffer
	if err := writeTable(&got, facts, []measurement{echo, http, empty}); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, filepath.Join("testdata", "table.md"), got.String())
}
