package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"syscall"

	"github.com/spf13/pflag"

	"lastack/bench/expose"
	"lastack/bench/record"
	"lastack/bench/setup"
	"lastack/server"
)

// metricsFlags say where Prometheus can scrape a measurement under way.
type metricsFlags struct {
	addr   string
	public bool

	figures  *expose.Figures // nil: not asked for
	listener *expose.Listener
}

func (o *metricsFlags) register(f *pflag.FlagSet) {
	f.StringVar(&o.addr, "metrics", "", "`ADDRESS:PORT` where Prometheus can scrape "+expose.Path+" until the end; port 0 takes a free one")
	f.BoolVar(&o.public, "metrics-public", false, "let --metrics listen on an address that others can reach")
}

// complete checks the flags.
func (o *metricsFlags) complete(given func(string) bool) error {
	switch {
	case given("metrics"):
		_, err := o.address()
		return err
	case given("metrics-public"):
		return usagef("--metrics-public: needs --metrics ADDRESS:PORT")
	}
	return nil
}

// address is the address to listen on. It is no name, or a resolver could choose one that others can reach.
func (o *metricsFlags) address() (netip.AddrPort, error) {
	name, port, err := net.SplitHostPort(o.addr)
	n, perr := strconv.ParseUint(port, 10, 16)
	ip := netip.IPv6Unspecified()
	switch {
	case name == "localhost":
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case name != "" && err == nil:
		ip, err = netip.ParseAddr(name)
	}
	if err != nil || perr != nil {
		return netip.AddrPort{}, usagef("--metrics %q: want ADDRESS:PORT, like 127.0.0.1:9464 or [::1]:9464", o.addr)
	}
	if is, _ := setup.DescribeAddress(ip); !ip.IsLoopback() && !o.public {
		if ip.IsUnspecified() {
			is = "every address of this host"
		}
		return netip.AddrPort{}, usagef("--metrics %s: it is %s, where others can read the figures: want a loopback address, or --metrics-public", o.addr, is)
	}
	return netip.AddrPortFrom(ip, uint16(n)), nil
}

// open listens, if that was asked for, and says where. close must be called.
func (o *metricsFlags) open(stderr io.Writer, quiet bool, of func(expose.Build) *expose.Figures) error {
	if o.addr == "" {
		return nil
	}
	addr, err := o.address()
	if err != nil {
		return err
	}
	o.figures = of(expose.Build{Version: versionString(), Go: runtime.Version()})
	if o.listener, err = expose.Listen(addr, o.figures); err != nil {
		return cannotExpose(o.addr, err)
	}
	if !quiet || addr.Port() == 0 {
		fmt.Fprintf(stderr, "lastack: metrics on http://%v%s\n", o.listener.Addr(), expose.Path)
	}
	return nil
}

// cannotExpose adds a remedy to err.
func cannotExpose(addr string, err error) error {
	errno, _ := errors.AsType[syscall.Errno](err)
	switch errno {
	case syscall.EADDRINUSE:
		return usagef("--metrics %s: the port is in use: want another one (0 takes a free one), or end the process that has it (ss -ltnp)", addr)
	case syscall.EADDRNOTAVAIL:
		return usagef("--metrics %s: this host has no such address (ip address shows them)", addr)
	case syscall.EACCES:
		return usagef("--metrics %s: the port needs a privilege: want a port from 1024 on", addr)
	}
	return usagef("--metrics %s: %w", addr, err)
}

// name says which run it is, as far as that is known.
func (o *metricsFlags) name(s *setup.Common) {
	if o.figures != nil {
		o.figures.Name(s.Shard, s.RunID)
	}
}

// seeing passes events on, and shows them to whoever scrapes.
func (o *metricsFlags) seeing(see func(record.Event)) func(record.Event) {
	if o.figures == nil {
		return see
	}
	return func(e record.Event) {
		o.figures.See(e)
		see(e)
	}
}

// serve has the ledger of a server read at each scrape.
func (o *metricsFlags) serve(ledger func() server.Stats) {
	if o.figures != nil {
		o.figures.Serve(ledger)
	}
}

// end takes the record, if there is one.
func (o *metricsFlags) end(run *record.Run) {
	if o.figures != nil && run != nil {
		o.figures.End(run)
	}
}

func (o *metricsFlags) close() {
	if o.listener != nil {
		o.listener.Close()
	}
}
