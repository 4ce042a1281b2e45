package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"lastack/bench/host"
	"lastack/bench/quantity"
	"lastack/bench/setup"
	"lastack/server"
	"lastack/sockstate/exchange"
	"lastack/sockstate/sockio"
)

// maxServeThreads bounds workers and listeners.
const maxServeThreads = 1024

// maxGrace keeps the sum of --grace and a lame duck's time within a time.Duration.
const maxGrace = 30 * 24 * time.Hour

type serveOptions struct {
	traffic
	listen    []string
	backlog   countFlag
	listeners int
	reusePort bool
	workers   int
	delay     time.Duration
	slow      time.Duration
	shutdown  shutdownFlag
	grace     time.Duration
	ledger    string
	engine    *choice
}

// shutdownFlag adapts server.Shutdown to pflag.Value.
type shutdownFlag struct{ server.Shutdown }

// Set implements pflag.Value.
func (f *shutdownFlag) Set(s string) (err error) {
	f.Shutdown, err = server.ParseShutdown(s)
	return err
}

// Type implements pflag.Value.
func (f *shutdownFlag) Type() string { return "MODE" }

func newServe() *cobra.Command {
	o := &serveOptions{traffic: newTraffic(), backlog: server.DefaultBacklog, engine: newChoice(sockio.BackendNames()...)}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server that run uses as its target",
		Long: `serve is the server that run starts for itself, as a separate program. Give it the same
--close, --on-eof and --exchange as the load: with client:fin it waits for the client to close,
with server:rst it resets each connection after the exchange, or after --requests of them.

SIGTERM or SIGINT stops it. --shutdown says how:
  graceful       HTTP replies carry "Connection: close". No new connection is accepted, and none
                 that is complete is reset. Then idle connections are closed by FIN, and requests
                 in progress are answered
  lame-duck=D    go on serving for D, with "Connection: close" in replies; then graceful
  abrupt         answer nothing more, and close everything as a crash does: by FIN, or by RST if
                 data was unread. The ledger has the exact number of requests cut
  rst            close the listeners and reset every connection
  listener-last  a common mistake: drain as graceful does, but keep the listening sockets open to
                 the end, at least 500ms. Clients that connect meanwhile get no reply, then a RST
Connections that are still open after --grace are reset. A second signal ends the server at once.
The ledger, the server's own counts, goes to stdout, and as JSON to --ledger.

With --exchange http:/ it answers every path alike, after --delay, or after --slow if the path
begins with /slow. It answers an invalid HTTP/1 request with 400, 414, 431 or 505, and closes the
connection.`,
		Example: `  lastack serve --listen 127.0.0.1:8080 --exchange http:/
  lastack serve --listen [::1]:9000 --close server:fin --delay 5ms
  lastack serve --listen 127.0.0.1:9000 --on-eof delay=2s --backlog 16
  lastack serve --listen 127.0.0.1:8080 --exchange http:/ --slow 2s --shutdown lame-duck=5s --ledger ledger.json
  lastack serve --listen 127.0.0.1:8080 --exchange http:/ --reuse-port   # shares the port, for a handover`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := o.config(cmd)
			if err != nil {
				return err
			}
			ledger, err := openLedger(o.ledger, cmd.Flags().Changed("ledger"))
			if err != nil {
				return err
			}
			return o.serve(cmd, cfg, ledger)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.listen, "listen", []string{"127.0.0.1:9000"}, "`ADDRESS:PORT` to listen on (repeatable); port 0 takes a free one")
	o.register(f)
	f.Var(&o.backlog, "backlog", "length of the accept queue, capped by net.core.somaxconn")
	f.Var(quantity.NewDecimal(&o.listeners, 0), "listeners", "listening sockets per address (SO_REUSEPORT), each with its own accept queue (one per worker)")
	f.BoolVar(&o.reusePort, "reuse-port", false, "share the addresses with other servers of this user (SO_REUSEPORT), for a handover")
	f.VarP(quantity.NewDecimal(&o.workers, 0), "workers", "w", "worker threads (0 = one per CPU)")
	f.DurationVar(&o.delay, "delay", 0, "how long to wait before each reply")
	f.DurationVar(&o.slow, "slow", 0, "the delay for HTTP requests whose path begins with "+exchange.SlowPath+" (--delay unless given)")
	f.Var(o.engine, "engine", "how to drive sockets")
	f.Var(&o.shutdown, "shutdown", "what the first signal does: "+server.ShutdownHelp)
	f.DurationVar(&o.grace, "grace", 10*time.Second, "how long connections may take to finish after the first signal, plus a lame duck's time")
	f.StringVar(&o.ledger, "ledger", "", "`FILE` for the ledger, a JSON object of counts, written when the server has ended")
	return cmd
}

func (o *serveOptions) config(cmd *cobra.Command) (server.Config, error) {
	given := cmd.Flags().Changed
	cfg := server.Config{
		Listeners: o.listeners, ReusePort: o.reusePort, Backlog: int(o.backlog), Workers: o.workers,
		Close: o.close.Policy, OnEOF: o.onEOF.Reaction, Exchange: o.exchange.Spec,
		Requests: int(o.requests), Hold: o.hold, Delay: o.delay, Slow: o.slow, Shutdown: o.shutdown.Shutdown,
	}
	switch {
	case o.backlog == 0:
		return cfg, usagef("--backlog 0: want at least 1")
	case given("requests") && o.requests == 0:
		return cfg, usagef("--requests 0: want at least 1")
	case o.grace < 0 || o.grace > maxGrace:
		return cfg, usagef("--grace %v: want a duration from 0s to %v", o.grace, maxGrace)
	case o.workers < 0 || o.workers > maxServeThreads:
		return cfg, usagef("--workers %d: want 0 (one per CPU) to %d", o.workers, maxServeThreads)
	case o.listeners < 0 || o.listeners > maxServeThreads:
		return cfg, usagef("--listeners %d: want 0 (one per worker) to %d", o.listeners, maxServeThreads)
	}
	if err := o.checkReaction(given("on-eof")); err != nil {
		return cfg, err
	}
	for _, s := range o.listen {
		addrs, err := listenAddrs(s)
		if err != nil {
			return cfg, err
		}
		cfg.Addrs = append(cfg.Addrs, addrs...)
	}
	if cfg.Workers == 0 {
		cfg.Workers = host.Workers()
	}
	if cfg.Listeners == 0 {
		cfg.Listeners = cfg.Workers
	}
	if err := cfg.Validate(); err != nil {
		return cfg, asUsage(cmd, err)
	}
	backend, _, err := sockio.Choose(o.engine.value)
	if err != nil {
		return cfg, usagef("--engine %s: %w", o.engine.value, err)
	}
	cfg.Backend = backend
	return cfg, nil
}

// listenAddrs reads ADDRESS:PORT. For localhost it returns both loopback addresses, since a client may try either.
func listenAddrs(s string) ([]netip.AddrPort, error) {
	name, port, err := net.SplitHostPort(s)
	n, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil {
		return nil, usagef("--listen %s: want ADDRESS:PORT, like 127.0.0.1:9000, [::]:9000 or :9000", s)
	}
	switch name {
	case "":
		name = "::"
	case "localhost":
		all := []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(n))}
		// With port 0 each address would get a different port.
		if n != 0 && hasIPv6Loopback() {
			all = append(all, netip.AddrPortFrom(netip.IPv6Loopback(), uint16(n)))
		}
		return all, nil
	}
	ip, err := netip.ParseAddr(name)
	if err != nil || ip.Zone() != "" {
		return nil, usagef("--listen %s: want an IP address, like 127.0.0.1:9000, [::]:9000 or :9000", s)
	}
	if c := setup.ClassOf(ip); !ip.IsUnspecified() && (c.Refused() || host.Broadcasts().Contains(ip.Unmap())) {
		is := c.Is
		switch {
		case ip.IsLinkLocalUnicast(): // clients with a zone can connect
			return nil, usagef("--listen %s: %v is %s: want another address of this host, like 127.0.0.1:9000, [::]:9000 or :9000", s, ip, is)
		case !c.Refused():
			is = "the broadcast address of a network of this host"
		}
		return nil, usagef("--listen %s: %v is %s, to which no client can connect: want an address of this host, like 127.0.0.1:9000, [::]:9000 or :9000", s, ip, is)
	}
	return []netip.AddrPort{netip.AddrPortFrom(ip, uint16(n))}, nil
}

// hasIPv6Loopback reports whether this host has ::1: it may be without IPv6.
func hasIPv6Loopback() bool {
	addrs, _ := net.InterfaceAddrs() // unreadable: without
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.Equal(net.IPv6loopback)
	})
}

// cannotListen adds a remedy to err.
func cannotListen(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w: want another port with --listen (0 takes a free one), or end the process that has it (ss -ltnp)", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w: want an address of this host with --listen (ip address shows them)", err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w: want a port with --listen that needs no privilege (net.ipv4.ip_unprivileged_port_start or above)", err)
	}
	return err
}

// reservedFds are descriptors that are kept free for everything but connections.
const reservedFds = 64

func (o *serveOptions) serve(cmd *cobra.Command, cfg server.Config, ledger *destination) error {
	facts, err := host.Read()
	if err != nil {
		return err
	}
	if cfg.Slots = 1 << 20; cfg.Backend.Descriptors {
		cfg.Slots = max(int(min(facts.NoFileSoft, 1<<20))-reservedFds, 1)
	}
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), cfg.Workers+2))

	atOnce, now := context.WithCancel(cmd.Context())
	defer now()
	ctx, stop := interruptible(cmd.Context(), now)
	defer stop()
	s, err := server.Start(cfg)
	if err != nil {
		return cannotListen(err)
	}
	host.KeepCapabilities(host.ServeCapabilities, ledger.capabilities())
	for _, a := range s.Addrs() {
		fmt.Fprintf(cmd.ErrOrStderr(), "listening on %v, %s, exchange %s\n", a, cfg.Close, cfg.Exchange)
	}
	var failed error
	select {
	case <-ctx.Done():
	case failed = <-s.Failed():
	}
	grace, cancel := context.WithTimeout(atOnce, cfg.Shutdown.LameDuck+o.grace)
	defer cancel()
	if failed == nil {
		s.Shutdown(grace)
	}
	st, err := s.Stop()
	fmt.Fprint(cmd.OutOrStdout(), ledgerText(&st))
	return errors.Join(failed, err, writeLedger(atOnce, ledger, st.Counts(), cmd.ErrOrStderr()))
}
