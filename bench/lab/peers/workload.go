package main

import (
	"fmt"
	"strings"
)

// workload is what each connection of a comparison does.
type workload struct {
	// Name is how flags spell it.
	Name string
	// Exchange and Close are lastack's flags for it.
	Exchange, Close string
	// Rate is lastack's flag for an open loop, with which it takes part alone; empty: as fast as it goes.
	Rate string
	// HTTP is set if nginx is the target.
	HTTP bool
	// Title stands above the table.
	Title string
}

// fin reports whether each connection leaves a TIME_WAIT at the client.
func (w workload) fin() bool { return w.Close == "client:fin" }

// sourceAddrs is how many addresses lastack and each thread of the floor connect from under
// client:fin: with 28,232 ports each, 250 addresses stay nearly empty, so that neither runs out
// of ports nor searches for a free one.
const sourceAddrs = 250

// workloads lists them in the order in which they are measured.
func workloads() []workload {
	fin := fmt.Sprintf("(lastack from %d source addresses, the floor from %d a thread, neper from %d)", sourceAddrs, sourceAddrs, neperSources)
	return []workload{
		{
			Name: "echo-rst", Exchange: "echo:1,1", Close: "client:rst",
			Title: "`echo:1,1 client:rst`: connect, one byte each way, reset by the client",
		},
		{
			Name: "echo-fin", Exchange: "echo:1,1", Close: "client:fin",
			Title: "`echo:1,1 client:fin`: connect, one byte each way, FIN by the client first " + fin,
		},
		{
			Name: "none-rst", Exchange: "none", Close: "client:rst",
			Title: "`none client:rst`: connect, reset by the client",
		},
		{
			Name: "none-fin", Exchange: "none", Close: "client:fin",
			Title: "`none client:fin`: connect, FIN by the client first " + fin,
		},
		{
			Name: "http", Exchange: "http:/", Close: "server:fin", HTTP: true,
			Title: "HTTP without keep-alive: one request with `Connection: close`, a reply of 3 bytes, nginx closes first",
		},
		{
			Name: "observed", Exchange: "echo:1,1", Close: "client:rst", Rate: "25k",
			Title: "`echo:1,1 client:rst` at 25,000 connections a second, with and without the observers in the kernel: the ratios are their cost",
		},
	}
}

// parseWorkloads reads names separated by commas; all stands for each of them.
func parseWorkloads(s string) ([]workload, error) {
	all := workloads()
	if s == "all" {
		return all, nil
	}
	var picked []workload
	for name := range strings.SplitSeq(s, ",") {
		w, err := workloadNamed(name)
		if err != nil {
			return nil, err
		}
		picked = append(picked, w)
	}
	return picked, nil
}

func workloadNamed(name string) (workload, error) {
	var names []string
	for _, w := range workloads() {
		if w.Name == name {
			return w, nil
		}
		names = append(names, w.Name)
	}
	return workload{}, fmt.Errorf("unknown workload %q: want all, or some of %s", name, strings.Join(names, ","))
}
