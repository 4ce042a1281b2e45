package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lastack/bench/drain"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report"
)

func newDrain() *cobra.Command {
	o := newDrainOptions()
	cmd := &cobra.Command{
		Use:   "drain TARGET",
		Short: "Hold load, stop the server, say what clients saw",
		Long: `drain holds connections of several kinds at TARGET (HOST:PORT), stops the server, and says
what became of each connection and each request: which were cut, which were reset, how long
new ones were refused, and which of the lost requests may be sent again.

Who is stopped: --pid, a process of this host that owns the listening socket; --exec, a
command that lastack starts, waits for and ends; or --stop, a command that stops the server
from outside (systemctl, kubectl, ssh), of which only clients' ends are then known. With
--exec, --stop is what stops that server, like nginx -s quit.
A --pid is the master's, not a worker's: cat /run/nginx.pid, or pgrep -o nginx (the oldest).
A second --exec, or --restart, brings the server back: a rolling restart, or with
--handover one that shares the port with the old server for a while.

With --signal HUP or USR2 the server is to reload and to stay: nothing kills it, and the
watch begins when the connections that it had are gone.

What clients do: --idle keep a connection, --in-flight have a request under way, --partial
have sent half of one, --arrivals connect anew, --queued wait in the accept queue. When the
watch ends, requests under way are awaited for up to --request-timeout.

The metric failed sums requests lost or answered 5xx, and connects refused, unreachable or not
answered in time; but not connects that fail on this host, as it has no local port.

A server of --exec is best in the foreground (nginx: daemon off;); of one that goes into the
background, whoever listens gets the signal. --also runs a proxy in front of the server, or a
backend behind it. If it listens on TARGET, the server of --exec has a port of its own.

The commands of --exec, --also and --restart are split into words as a shell does (quotes,
backslashes, $VARIABLES), but no shell runs them. What lastack started is gone when it
ends, however it ends, in a PID namespace where this host allows one; a server that it did
not start gets --signal and, only if asked, --then.`,
		Example: `  lastack drain 127.0.0.1:8080 --exec 'lastack serve --listen 127.0.0.1:8080 --exchange http:/'
  lastack drain 127.0.0.1:80 --pid $(cat /run/nginx.pid) --signal QUIT
  lastack drain 127.0.0.1:80 --pid $(cat /run/nginx.pid) --signal HUP --threshold 'failed==0'
  lastack drain web.example:80 --stop 'ssh web.example systemctl reload app' --threshold 'failed==0'

  # By the server's own command; and a backend behind a proxy.
  lastack drain 127.0.0.1:8080 --exec 'nginx -p . -c n.conf' --stop 'nginx -p . -c n.conf -s quit'
  lastack drain 127.0.0.1:8080 --sandbox --also 'haproxy -db -f h.cfg' \
    --exec 'lastack serve --listen 127.0.0.1:9001 --exchange http:/'

  # A rolling restart, five times, as a gate of CI: no request lost, no connect refused.
  lastack drain 127.0.0.1:8080 --sysctl net.ipv4.tcp_migrate_req=1 --repeat 5 --handover --threshold 'failed==0' \
    --exec 'lastack serve --listen 127.0.0.1:8080 --exchange http:/ --reuse-port' \
    --restart 'lastack serve --listen 127.0.0.1:8080 --exchange http:/ --reuse-port'

  # A crash with another server on the port: with tcp_migrate_req=1 the queued connections go to that one.
  lastack drain 127.0.0.1:8080 --sysctl net.ipv4.tcp_migrate_req=1 --queued 20 --handover --signal KILL \
    --exec 'lastack serve --listen 127.0.0.1:8080 --exchange http:/ --reuse-port --engine epoll' \
    --restart 'lastack serve --listen 127.0.0.1:8080 --exchange http:/ --reuse-port'`,
		Args: oneTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.complete(cmd, args); err != nil {
				return err
			}
			return measure(cmd, &o.resultFlags, drain.Job, o.setup, o.place, cleanupLimit, o.show(cmd.ErrOrStderr()), o.complement)
		},
	}
	o.register(cmd.Flags())
	return cmd
}

// cleanupLimit bounds how long whoever asks twice waits for the servers to be ended.
const cleanupLimit = 10 * time.Second

// show prints what goes on.
func (o *drainOptions) show(stderr io.Writer) func(record.Event) {
	progress := report.NewDrainProgress(stderr)
	return func(e record.Event) {
		switch {
		case e.Said != nil:
			said := quantity.Escape(record.RedactText(e.Said.Text))
			fmt.Fprintf(stderr, "lastack: %q said:\n  %s\n", strings.Join(e.Said.Command, " "), strings.ReplaceAll(said, "\n", "\n  "))
		case e.Phase != nil && !o.quiet:
			progress.Phase(e.Phase.Try, int(o.repeat), e.Phase.Text)
		}
	}
}

// complement adds to a record what the drain itself does not know.
func (o *drainOptions) complement(run *record.Run) {
	run.Plan.Resolved = o.resolved
	if o.addresses > 1 && len(run.Plan.Groups) > 0 {
		run.Plan.Resolved = []string{fmt.Sprintf("%s has %d addresses: the load goes to %s, where the server listens", o.target.name, o.addresses, strings.Join(run.Plan.Groups[0].Targets, ", "))}
	}
}
