package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lastack/bench/drain"
	"lastack/bench/expose"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report"
)

func newDrain() *cobra.Command {
	o := newDrainOptions()
	cmd := &cobra.Command{
		Use:   "drain TARGET",
		Short: "Stop a server under load, and report what its clients saw",
		Long: `drain opens connections of several kinds to TARGET (HOST:PORT), stops the
server, and reports what happened to every connection and request: which were
cut, which were reset, how long new ones were refused, and which of the lost
requests are safe to retry.

What to stop: --pid, a process on this host that owns the listening socket;
--exec, a command that lastack starts and ends itself; or --stop, a command that
stops the server from outside (systemctl, kubectl, ssh), in which case only the
clients' side is known. Together with --exec, --stop is the command that stops
that server, like nginx -s quit. For --pid, give the master, not a worker: cat
/run/nginx.pid, or pgrep -o nginx (the oldest). A second --exec, or --restart,
starts the server again: a rolling restart. With --handover the new server
starts before the old one stops, and both share the port.

With --signal HUP or USR2 the server reloads and goes on: nothing kills it, and
the watch begins once the connections from before the signal are gone.

Clients: --idle keep a connection open, --in-flight have a request in progress,
--partial have sent half a request, --arrivals connect anew, --queued wait in
the accept queue. After the watch, requests in progress may still finish for up
to --request-timeout.

The metric failed counts requests lost or answered 5xx, and connects refused,
unreachable or timed out. It does not count connects that fail because this host
has no free local port.

Run a server of --exec in the foreground (nginx: daemon off;). If it goes into
the background, the process that listens gets the signal. --also starts a proxy
in front of the server, or a backend behind it. If the proxy listens on TARGET,
the server of --exec uses a port of its own.

The commands of --exec, --also and --restart are split into words as a shell
does (quotes, backslashes, $VARIABLES), but no shell runs them. Everything that
lastack started ends with it, even if lastack is killed, where this host allows
a PID namespace. A server that lastack did not start gets --signal, and --then
only if you ask for it.`,
		Example: `  lastack drain 127.0.0.1:9000 --exec 'lastack serve --exchange http:/'
  lastack drain 127.0.0.1:80 --pid $(cat /run/nginx.pid) --signal QUIT
  lastack drain 127.0.0.1:80 --pid $(cat /run/nginx.pid) --signal HUP \
    --threshold 'failed==0'
  lastack drain web.example:80 --stop 'ssh web.example systemctl reload app' \
    --threshold 'failed==0'

  # Stop the server by its own command.
  lastack drain 127.0.0.1:8080 --exec 'nginx -p . -c n.conf' \
    --stop 'nginx -p . -c n.conf -s quit'

  # A backend behind a proxy: h.cfg binds 8080; its server is 127.0.0.1:9000.
  lastack drain 127.0.0.1:8080 --sandbox --also 'haproxy -db -f h.cfg' \
    --exec 'lastack serve --exchange http:/'

  # A rolling restart, five times, as a gate in CI: no request lost, no connect
  # refused.
  lastack drain 127.0.0.1:9000 --sysctl net.ipv4.tcp_migrate_req=1 --repeat 5 \
    --exec 'lastack serve --exchange http:/ --reuse-port' --handover \
    --restart 'lastack serve --exchange http:/ --reuse-port' \
    --threshold 'failed==0'

  # A crash while a second server shares the port: tcp_migrate_req=1 moves
  # queued connections to it.
  lastack drain 127.0.0.1:9000 --sysctl net.ipv4.tcp_migrate_req=1 --queued 20 \
    --exec 'lastack serve --exchange http:/ --reuse-port --engine epoll' \
    --restart 'lastack serve --exchange http:/ --reuse-port' --handover \
    --signal KILL`,
		Args: oneArgument("TARGET (HOST:PORT)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.complete(cmd, args); err != nil {
				return err
			}
			if err := o.metrics.open(cmd.ErrOrStderr(), o.quiet, expose.Drain); err != nil {
				return err
			}
			defer o.metrics.close()
			return measure(cmd, &o.resultFlags, &o.metrics, drain.Job, o.setup, o.isolation, cleanupLimit, o.show(cmd.ErrOrStderr()), o.complement)
		},
	}
	o.register(cmd.Flags())
	return cmd
}

// cleanupLimit bounds how long a second signal waits for the servers to end.
const cleanupLimit = 10 * time.Second

// show prints progress, and what a server printed that ended too early.
func (o *drainOptions) show(stderr io.Writer) func(record.Event) {
	return func(e record.Event) {
		switch {
		case e.Said != nil:
			said := quantity.Escape(record.RedactText(e.Said.Text))
			fmt.Fprintf(stderr, "lastack: %q said:\n  %s\n", strings.Join(e.Said.Command, " "), strings.ReplaceAll(said, "\n", "\n  "))
		case e.Phase != nil && !o.quiet:
			report.DrainPhase(stderr, e.Phase.Try, o.what.Repeat, e.Phase.Text)
		}
	}
}

// complement adds to the record how the target's name was resolved, which the drain does not know.
func (o *drainOptions) complement(run *record.Run) {
	run.Plan.Resolved = o.resolved
	if o.addresses > 1 && len(run.Plan.Groups) > 0 {
		run.Plan.Resolved = []string{fmt.Sprintf("%s has %d addresses: the load goes to %s, where the server listens", o.target.name, o.addresses, strings.Join(run.Plan.Groups[0].Targets, ", "))}
	}
}
