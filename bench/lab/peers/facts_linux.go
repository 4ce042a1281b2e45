package main

import (
	"cmp"
	"context"
	"regexp"
	"runtime"
	"time"

	"github.com/prometheus/procfs"

	"lastack/bench/host"
	"lastack/bench/lab"
)

// readFacts reads the host's facts and the versions of the installed programs.
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
		// Not every architecture shows a model.
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
		{"hey", p.Hey, nil, regexp.MustCompile(`^(\d\S*)`), "hey"},
		{"nginx", p.Nginx, []string{"-v"}, regexp.MustCompile(`nginx version: nginx/(\S+)`), ""},
		{"neper", p.Neper, []string{"--nolog", "--version"}, regexp.MustCompile(`(?m)^(\d\S*)`), ""},
		{"netperf", p.Netperf, []string{"-V"}, regexp.MustCompile(`Netperf version (\S+)`), ""},
		{"h1load", p.H1load, nil, nil, ""},
	} {
		if program.path == "" && (program.name == "neper" || program.name == "netperf" || program.name == "h1load") {
			continue
		}
		path, err := lab.Find(program.name, cmp.Or(program.path, program.name))
		if err != nil {
			continue
		}
		v := lab.Version{Program: program.name, Version: "tells no version"}
		if program.debian != "" {
			path, program.ask = "dpkg-query", []string{"-W", "-f", "${Version}", program.debian}
		}
		if program.find != nil {
			if m := program.find.FindStringSubmatch(lab.Ask(ctx, path, program.ask...)); m != nil {
				v.Version = m[1]
			}
		}
		f.Programs = append(f.Programs, v)
	}
	return f, nil
}
