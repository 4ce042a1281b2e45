package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"lastack/bench/lab"
	"lastack/bench/record"
	"lastack/sockstate"
)

// lastack runs as anybody would type it, everything recorded: samples every second, all histograms. Its figures are those of the run
// record, which it writes to file.
func lastack(path string, w workload, l load, engine, file string) contender {
	return contender{
		Name: "lastack --engine " + engine, Family: familyLastack, file: file,
		client: command{path: path, args: lastackArgs(w, l, engine, file), lasts: l.duration(), codes: []int{lastackUsage, lastackDoubt}},
		read: func(e ended) (result, error) {
			if e.code == lastackUsage {
				return result{}, &unavailableError{Reason: lab.LastLine(e.stderr)}
			}
			r, err := lab.ReadRecord(file)
			if err != nil {
				return result{}, &runError{Command: "lastack", Reason: lab.LastLine(e.stderr), Err: err}
			}
			return lastackResult(r, w, e.cpu)
		},
	}
}

// observed is lastack with its most costly observers, those in the kernel: its ratio is their cost. They need root.
func observed(path string, w workload, l load, file string) contender {
	flags := []string{"--trace", "on", "--census", "bpf"}
	c := lastack(path, w, l, "uring", file)
	c.Name += " " + strings.Join(flags, " ")
	c.client.args = append(c.client.args, flags...)
	c.client.codes = append(c.client.codes, lastackError)
	read := c.read
	c.read = func(e ended) (result, error) {
		if e.code == lastackError {
			return result{}, &unavailableError{Reason: lab.LastLine(e.stderr)}
		}
		return read(e)
	}
	return c
}

// Exit codes of lastack.
const (
	lastackError = 1 // an observer that was asked for and is not allowed
	lastackUsage = 2 // no such engine in this version, or none on this kernel
	lastackDoubt = 3 // a result, marked as not valid
)

func lastackArgs(w workload, l load, engine, file string) []string {
	args := []string{"run"}
	if w.HTTP {
		args = append(args, nginxAddr)
	}
	if w.Rate != "" {
		args = append(args, "-R", w.Rate)
	} else {
		args = append(args, "-c", strconv.Itoa(l.Connections))
	}
	args = append(args, "--engine", engine, "-d", l.duration().String(),
		"--exchange", w.Exchange, "--close", w.Close, "-q", "-o", file)
	if w.fin() {
		args = append(args, "--source", fmt.Sprintf("127.1.0.1-127.1.0.%d", sourceAddrs))
	}
	return args
}

// lastackResult takes CPU time per side from the record, which has it by worker thread, where the process is both ends: all is the
// whole process, with the observers, the runtime and the start. Against a target the process is the client.
func lastackResult(r *record.Run, w workload, all time.Duration) (result, error) {
	if r.Connections.Completed <= 0 || r.Rate.CompletedPerS <= 0 {
		return result{}, &runError{Command: "lastack", Reason: failures(r), Err: errNone}
	}
	res := result{
		Connections: r.Connections.Completed,
		Failed:      r.Connections.Failed,
		PerSecond:   r.Rate.CompletedPerS,
	}
	seconds := func(s float64) time.Duration { return time.Duration(max(s, 0) * float64(time.Second)) }
	if !w.HTTP {
		res.CPU = cpuTime{Client: seconds(r.Pressure.CPU.GeneratorS), Server: seconds(r.Pressure.CPU.ServerS), All: all}
	}
	if !r.Verdict.Valid {
		res.Doubts = append(res.Doubts, fmt.Sprintf("not valid by its own verdict, limited by %q", r.Verdict.LimitedBy))
	}
	if n := r.TimeWait.Overflow; n > 0 {
		res.Doubts = append(res.Doubts, fmt.Sprintf("%d connections found no room in tcp_max_tw_buckets (%d)", n, r.TimeWait.MaxBuckets))
	}
	for _, c := range r.Accounting {
		if c.Exact && !c.OK {
			res.Doubts = append(res.Doubts, "accounting: "+c.Name+" does not hold")
		}
	}
	return res, nil
}

// failures lists the record's outcomes, for a run without completed connections.
func failures(r *record.Run) string {
	var parts []string
	for _, name := range sockstate.OutcomeNames(sockstate.ClassFailure, sockstate.ClassUnfinished) {
		if n := r.Outcomes[name]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", name, n))
		}
	}
	return strings.Join(parts, ", ")
}
