package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"lastack/bench/record"
	"lastack/sockstate"
)

// lastack runs as anybody would type it, everything recorded: samples every second, all
// histograms. Its figures are the run record's.
func lastack(path string, w workload, l load, engine string) contender {
	return contender{
		Name: "lastack --engine " + engine, Family: familyLastack,
		measure: func(ctx context.Context, t *testbed) (result, error) {
			file := filepath.Join(t.dir, "lastack.json")
			if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
				return result{}, err
			}
			before, err := t.serverCPU()
			if err != nil {
				return result{}, err
			}
			e, err := t.run(ctx, command{path: path, args: lastackArgs(w, l, engine, t.addr(), file), lasts: l.duration(), codes: []int{lastackUsage, lastackDoubt}})
			if err != nil {
				return result{}, err
			}
			if e.code == lastackUsage {
				return result{}, &unavailableError{Reason: lastLine(e.stderr)}
			}
			after, err := t.serverCPU()
			if err != nil {
				return result{}, err
			}
			f, err := os.Open(file)
			if err != nil {
				return result{}, &runError{Command: "lastack", Reason: lastLine(e.stderr), Err: err}
			}
			defer f.Close()
			r, err := record.Read(f)
			if err != nil {
				return result{}, &runError{Command: "lastack", Err: err}
			}
			return lastackResult(r, w, e.cpu, after-before)
		},
	}
}

// Exit codes of lastack that leave something to say.
const (
	lastackUsage = 2 // no such engine in this version, or none on this kernel
	lastackDoubt = 3 // a result, marked as not valid
)

func lastackArgs(w workload, l load, engine, target, file string) []string {
	args := []string{"run"}
	if w.HTTP {
		args = append(args, target)
	}
	args = append(args, "--engine", engine, "-c", strconv.Itoa(l.Connections), "-d", l.duration().String(),
		"--exchange", w.Exchange, "--close", w.Close, "-q", "-o", file)
	if w.fin() {
		args = append(args, "--source", fmt.Sprintf("127.1.0.1-127.1.0.%d", sourceAddrs))
	}
	return args
}

// lastackResult takes CPU per side from the record, which has it by worker thread, where the
// process is both ends; what is then in all and in neither is the observers' and
// the runtime's, and the start. Against a target, whose CPU time is given, the process is the client, all of it.
func lastackResult(r *record.Run, w workload, all, target time.Duration) (result, error) {
	if r.Connections.Completed <= 0 || r.Rate.CompletedPerS <= 0 {
		return result{}, &runError{Command: "lastack", Reason: failures(r), Err: errNone}
	}
	res := result{
		Connections: r.Connections.Completed,
		Failed:      r.Connections.Failed,
		PerSecond:   r.Rate.CompletedPerS,
	}
	seconds := func(s float64) time.Duration { return time.Duration(max(s, 0) * float64(time.Second)) }
	if w.HTTP {
		res.CPU = cpuTime{Client: all, Server: target}
	} else {
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

// failures are the record's outcomes, for a run that has no other.
func failures(r *record.Run) string {
	var parts []string
	for _, name := range sockstate.OutcomeNames(sockstate.ClassFailure, sockstate.ClassUnfinished) {
		if n := r.Outcomes[name]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", name, n))
		}
	}
	return strings.Join(parts, ", ")
}
