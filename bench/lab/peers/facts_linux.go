package main

import (
	"context"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/procfs"

	"lastack/bench/host"
)

// ReadFacts reads the host's facts, and asks the programs that are there for their versions.
func readFacts(ctx context.Context, p programs, l load, rounds int, place string) (facts, error) {
	h, err := host.Read()
	if err != nil {
		return facts{}, err
	}
	f := facts{
		Kernel: h.Kernel, CPUs: h.CPUs, MemoryBytes: h.MemoryBytes, Go: runtime.Version(), Place: place,
		Date: time.Now().UTC(), Load: l, Rounds: rounds,
	}
	if fs, err := procfs.NewDefaultFS(); err == nil {
		// Not every architecture tells a model.
		if cpus, err := fs.CPUInfo(); err == nil && len(cpus) > 0 {
			f.CPUModel = cpus[0].ModelName
		}
	}
	for _, program := range []struct {
		name, path string
		ask        []string
		find       *regexp.Regexp
		debian     string
	}{
		{"lastack", p.Lastack, []string{"--version"}, regexp.MustCompile(`(?m)^lastack (\S+)`), ""},
		{"wrk", p.Wrk, []string{"-v"}, regexp.MustCompile(`(?m)^wrk (\S+)`), ""},
		{"ab", p.Ab, []string{"-V"}, regexp.MustCompile(`ApacheBench, Version (\S+)`), ""},
		{"httperf", p.Httperf, []string{"--version"}, regexp.MustCompile(`httperf-(\S+)`), ""},
		{"hey", p.Hey, nil, nil, "hey"},
		{"nginx", p.Nginx, []string{"-v"}, regexp.MustCompile(`nginx version: nginx/(\S+)`), ""},
		{"neper", p.Neper, []string{"--nolog", "--version"}, regexp.MustCompile(`(?m)^(\d\S*)`), ""},
		{"netperf", p.Netperf, []string{"-V"}, regexp.MustCompile(`Netperf version (\S+)`), ""},
		{"h1load", p.H1load, nil, nil, ""},
	} {
		if program.path == "" && (program.name == "neper" || program.name == "netperf" || program.name == "h1load") {
			continue
		}
		path, err := find(program.name, program.path)
		if err != nil {
			continue
		}
		v := Version{program.name, "tells no version"}
		switch {
		case program.debian != "":
			if out, err := ask(ctx, "dpkg-query", "-W", "-f", "${Version}", program.debian); err == nil && strings.TrimSpace(out) != "" {
				v.Version = strings.TrimSpace(out)
			}
		case program.find != nil:
			// Some exit with 1 after that; what counts is what they said.
			out, _ := ask(ctx, path, program.ask...)
			if m := program.find.FindStringSubmatch(out); m != nil {
				v.Version = m[1]
			}
		}
		f.Programs = append(f.Programs, v)
	}
	return f, nil
}

func ask(ctx context.Context, path string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	return string(out), err
}
