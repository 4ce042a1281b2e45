package main

import (
	"cmp"
	"fmt"
	"path/filepath"

	"lastack/bench/lab"
)

// programs are the paths of what takes part. One that is empty is looked for in PATH, but
// for those that no Debian package brings: they stay out.
type programs struct {
	Lastack string
	// Self is a program that runs Floor when it is called with FloorFlag.
	Self string

	Wrk, Ab, Httperf, Hey, Nginx string // Debian: wrk, apache2-utils, httperf, hey, nginx

	Neper, Netperf, Netserver, H1load string
}

// field is the contenders of a workload, and the absent ones.
type field struct {
	Contenders []contender
	Absent     []lab.Absence
}

// httperfRate is above the capacity of one nginx worker.
const httperfRate = 20_000

// newField lists the contenders of a workload: lastack with either engine first, and once observed in the kernel, then the
// floor or the other tools.
func newField(w workload, p programs, l load, dir string) field {
	file := filepath.Join(dir, "lastack.json")
	f := field{Contenders: []contender{lastack(p.Lastack, w, l, "uring", file), lastack(p.Lastack, w, l, "epoll", file)}}
	add := func(c ...contender) { f.Contenders = append(f.Contenders, c...) }
	if w.Rate != "" {
		f.Contenders[1] = observed(p.Lastack, w, l, file)
		return f
	}
	threads := []int{1}
	if l.CPUs > 1 {
		threads = append(threads, 2)
	}

	if !w.HTTP {
		add(observed(p.Lastack, w, l, file))
		add(floorContender(p.Self, w, l))
		if w.Exchange == "none" {
			return f
		}
		if f.given("neper tcp_crr", "NEPER", p.Neper) {
			for _, n := range threads {
				for _, flows := range []int{16, 64} {
					add(neper(p.Neper, w, l, n, flows))
				}
			}
		}
		if w.fin() && f.given("netperf TCP_CRR", "NETPERF", p.Netperf) {
			add(netperf(p.Netperf, p.Netserver, l))
		}
		return f
	}
	if path, ok := f.installed("wrk", p.Wrk, "wrk"); ok {
		for _, n := range threads {
			add(wrk(path, l, n))
		}
	}
	if path, ok := f.installed("ab", p.Ab, "apache2-utils"); ok {
		add(ab(path, l))
	}
	if path, ok := f.installed("httperf", p.Httperf, "httperf"); ok {
		add(httperf(path, l, 0), httperf(path, l, httperfRate))
	}
	if path, ok := f.installed("hey", p.Hey, "hey"); ok {
		add(hey(path, l))
	}
	if f.given("h1load", "H1LOAD", p.H1load) {
		for _, n := range threads {
			add(h1load(p.H1load, l, n))
		}
	}
	return f
}

// given reports whether the path of a tool was given.
func (f *field) given(name, variable, path string) bool {
	if path == "" {
		f.Absent = append(f.Absent, lab.Absence{Name: name, Reason: fmt.Sprintf("no path to it was given (make bench %s=PATH)", variable)})
	}
	return path != ""
}

// installed finds a tool of a Debian package.
func (f *field) installed(name, path, debian string) (string, bool) {
	found, err := lab.Find(debian, cmp.Or(path, name))
	if err != nil {
		f.Absent = append(f.Absent, lab.Absence{Name: name, Reason: err.Error()})
	}
	return found, err == nil
}
