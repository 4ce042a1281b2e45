package main

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// A handshake that a signal ends leaves no process, and so no namespace. What was seen until then is drawn.
func TestHandshakeSignals(t *testing.T) {
	t.Parallel()
	users(t, func(t *testing.T, dir string, as []string) {
		for _, tt := range []struct {
			args   string
			signal syscall.Signal
			code   int
		}{
			{"--hold 10m", syscall.SIGINT, exitInterrupted},
			{"--lose syn:6", syscall.SIGTERM, exitInterrupted},
			{"--drill all --follow", syscall.SIGTERM, exitInterrupted},
			{"--follow", syscall.SIGKILL, -1},
		} {
			r := begin(t, dir, as, append([]string{"handshake", "-q", "--trace", "off"}, strings.Fields(tt.args)...)...)
			var children []string
			until(t, "a sandbox", func() bool {
				children = r.children(t)
				return len(children) > 0 || r.stderr.String() != ""
			})
			time.Sleep(100 * time.Millisecond) // later is another moment of it, and all are right
			r.send(t, tt.signal)
			code := r.end(t)
			said := r.stderr.String()
			if strings.Contains(said, "this host allows none") {
				t.Skip(said)
			}
			drawn := strings.Contains(strings.Join(strings.Fields(r.stdout.String()), " "), "stopped by a signal (interrupted)")
			if none := said == "lastack: "+noResult+"\n"; code != tt.code || code >= 0 && drawn == none {
				t.Errorf("%s: exit code %d, want %d; said %q, drawn: %v", tt.args, code, tt.code, said, drawn)
			}
			for _, pid := range children {
				until(t, "the end of process "+pid, func() bool { return !alive(pid) })
			}
		}
	})
}
