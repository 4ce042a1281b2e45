package main

import (
	"cmp"
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

	"lastack/bench/expose"
	"lastack/bench/host"
	"lastack/bench/setup"
	"lastack/server"
	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/sockio"
)

// maxGrace keeps the sum of --grace and a lame duck's time within a time.Duration.
const maxGrace = 30 * 24 * time.Hour

type serveOptions struct {
	cfg    server.Config
	listen []string
	grace  time.Duration
	ledger string
	engine string

	metrics metricsFlags
}

func newServe() *cobra.Command {
	o := &serveOptions{cfg: server.Config{Backlog: server.DefaultBacklog}}
	c := &o.cfg
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server that run uses as its target",
		Long: `serve is the server that run starts for itself, as a separate program. Give it
the same --close, --on-eof and --exchange as the load: with client:fin it waits
for the client to close, with server:rst it resets each connection after the
exchange, or after --requests of them.

SIGTERM or SIGINT stops it. --shutdown says how:
  graceful       HTTP replies carry "Connection: close". No new connection is
                 accepted, and none that is complete is reset. Then idle
                 connections are closed by FIN, and requests in progress are
                 answered
  lame-duck=D    go on serving for D, with "Connection: close" in replies; then
                 graceful
  abrupt         answer nothing more, and close everything as a crash does: by
                 FIN, or by RST if data was unread. The ledger has the exact
                 number of requests cut
  rst            close the listeners and reset every connection
  listener-last  a common mistake: drain as graceful does, but keep the
                 listening sockets open to the end, at least 500ms. Clients that
                 connect meanwhile get no reply, then a RST
Connections that are still open after --grace are reset. A second signal ends
the server at once. The ledger, the server's own counts, goes to stdout, and as
JSON to --ledger.

With --exchange http:/ it answers every path alike, after --delay, or after
--slow if the path begins with /slow. It answers an invalid HTTP/1 request with
400, 414, 431 or 505, and closes the connection.`,
		Example: `  lastack serve --listen 127.0.0.1:8080 --exchange http:/
  lastack serve --listen [::1]:9000 --close server:fin --delay 5ms
  lastack serve --listen 127.0.0.1:9000 --on-eof delay=2s --backlog 16
  lastack serve --exchange http:/ --slow 2s --shutdown lame-duck=5s \
    --ledger ledger.json

  # Shares the port with the next server, for a handover.
  lastack serve --exchange http:/ --reuse-port`,
		Args: noArgumentsBut("--listen says where it listens"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.complete(cmd); err != nil {
				return err
			}
			ledger, err := openDestination("ledger", o.ledger, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			return o.serve(cmd, ledger)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.listen, "listen", []string{"127.0.0.1:9000"}, "`ADDRESS:PORT` to listen on (repeatable); port 0 takes a free one")
	traffic{closing{&c.Close, &c.OnEOF, &c.Exchange, &c.Requests}, &c.Hold}.register(f)
	f.Var(count(&c.Backlog), "backlog", "length of the accept queue, capped by net.core.somaxconn")
	f.Var(decimal(&c.Listeners), "listeners", "listening sockets per address (SO_REUSEPORT), each with its own accept queue (one per worker)")
	f.BoolVar(&c.ReusePort, "reuse-port", false, "share the addresses with other servers of this user (SO_REUSEPORT), for a handover")
	f.VarP(decimal(&c.Workers), "workers", "w", "worker threads (0 = one per CPU)")
	f.DurationVar(&c.Delay, "delay", 0, "how long to wait before each reply")
	f.DurationVar(&c.Slow, "slow", 0, "the delay for HTTP requests whose path begins with "+exchange.SlowPath+" (--delay unless given)")
	f.Var(newChoice(&o.engine, sockio.BackendNames()...), "engine", "how to drive sockets")
	f.Var(textFlag{&c.Shutdown, "MODE"}, "shutdown", "what the first signal does: "+server.ShutdownHelp)
	f.DurationVar(&o.grace, "grace", 10*time.Second, "how long connections may take to finish after the first signal, plus a lame duck's time")
	f.StringVar(&o.ledger, "ledger", "", "`FILE` for the ledger, a JSON object of counts, written when the server has ended")
	o.metrics.register(f)
	return cmd
}

// complete checks the command line, and completes the configuration.
func (o *serveOptions) complete(cmd *cobra.Command) error {
	given, cfg := cmd.Flags().Changed, &o.cfg
	switch {
	case cfg.Backlog == 0:
		return usagef("--backlog 0: want at least 1")
	case given("requests") && cfg.Requests == 0:
		return usagef("--requests 0: want at least 1")
	case o.grace < 0 || o.grace > maxGrace:
		return usagef("--grace %v: want a duration from 0s to %v", o.grace, maxGrace)
	case given("ledger") && o.ledger == "":
		return usagef("--ledger \"\": want a file to write the ledger to")
	}
	if given("on-eof") {
		if err := setup.CheckReaction(cfg.Close, cfg.OnEOF); err != nil {
			return asUsage(cmd, err)
		}
	}
	if err := o.metrics.complete(given); err != nil {
		return err
	}
	for _, s := range o.listen {
		addrs, err := listenAddrs(s)
		if err != nil {
			return err
		}
		cfg.Addrs = append(cfg.Addrs, addrs...)
	}
	cfg.Workers = cmp.Or(cfg.Workers, host.Workers())
	cfg.Listeners = cmp.Or(cfg.Listeners, cfg.Workers)
	err := cfg.Validate()
	if err != nil {
		return asUsage(cmd, err)
	}
	if cfg.Hold > 0 && !cfg.Close.Active(sockstate.Server) {
		return usagef("--hold %v: with --close %s the server does not close first: want --close server:*", cfg.Hold, cfg.Close)
	}
	if cfg.Backend, _, err = sockio.Choose(o.engine); err != nil {
		return usagef("--engine %s: %w", o.engine, err)
	}
	return nil
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
	if is, unreachable := setup.DescribeAddress(ip); !ip.IsUnspecified() && (unreachable || host.Broadcasts().Contains(ip.Unmap())) {
		switch {
		case ip.IsLinkLocalUnicast(): // clients with a zone can connect
			return nil, usagef("--listen %s: %v is %s: want another address of this host, like 127.0.0.1:9000, [::]:9000 or :9000", s, ip, is)
		case !unreachable:
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

func (o *serveOptions) serve(cmd *cobra.Command, ledger *destination) error {
	cfg := o.cfg
	facts, err := host.Read()
	if err != nil {
		return err
	}
	if cfg.Slots = 1 << 20; cfg.Backend.Descriptors {
		cfg.Slots = max(int(min(facts.NoFileSoft, 1<<20))-host.ReservedFds, 1)
	}
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), cfg.Workers+2))

	atOnce, now := context.WithCancel(cmd.Context())
	defer now()
	ctx, stop := interruptible(cmd.Context(), now)
	defer stop()
	if err := o.metrics.open(cmd.ErrOrStderr(), false, expose.Server); err != nil {
		return err
	}
	defer o.metrics.close()
	s, err := server.Start(cfg)
	if err != nil {
		return cannotListen(err)
	}
	o.metrics.serve(s.Stats)
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
	return errors.Join(failed, err, writeLedger(atOnce, ledger, st.Counts()))
}
