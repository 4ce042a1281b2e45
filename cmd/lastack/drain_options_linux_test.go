package main

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"lastack/bench/drain"
	"lastack/bench/process"
	"lastack/sockstate/exchange"
)

// TestDrainConfig reads command lines, as far as they do not depend on the host.
func TestDrainConfig(t *testing.T) {
	programs(t, "server", "next")
	defaultStop := drain.Stop{
		Signal: syscall.SIGTERM, After: 5 * time.Second, Grace: 30 * time.Second, Watch: 2 * time.Second, Contain: process.Auto,
	}
	defaultLoad := drain.Load{
		Idle: 100, InFlight: 20, Arrivals: 200, Exchange: exchange.Spec{Kind: exchange.HTTP, Path: "/"}, Host: "127.0.0.1:9",
		Think: 10 * time.Millisecond, Reconnect: 200 * time.Millisecond, ConnectTimeout: 5 * time.Second, RequestTimeout: 10 * time.Second,
	}
	for _, tt := range []struct {
		args []string
		want func(*drain.Stop, *drain.Load)
	}{
		{[]string{"--exec", "server -v"}, func(s *drain.Stop, _ *drain.Load) {
			s.Exec = []string{"server", "-v"}
		}},
		{[]string{"--exec", "server", "--signal", "HUP"}, func(s *drain.Stop, _ *drain.Load) {
			s.Exec, s.Signal = []string{"server"}, syscall.SIGHUP
		}},
		{[]string{"--exec", "server", "--signal", "USR2"}, func(s *drain.Stop, _ *drain.Load) {
			s.Exec, s.Signal = []string{"server"}, syscall.SIGUSR2
		}},
		{[]string{"--exec", "server", "--signal", "USR2", "--then", "KILL"}, func(s *drain.Stop, _ *drain.Load) {
			s.Exec, s.Signal, s.Then = []string{"server"}, syscall.SIGUSR2, syscall.SIGKILL
		}},
		{[]string{"--exec", "server", "--signal", "USR1"}, func(s *drain.Stop, _ *drain.Load) {
			s.Exec, s.Signal = []string{"server"}, syscall.SIGUSR1
		}},
		{[]string{"--exec", "server", "--signal", "HUP", "--then", "TERM"}, func(s *drain.Stop, _ *drain.Load) {
			s.Exec, s.Signal, s.Then = []string{"server"}, syscall.SIGHUP, syscall.SIGTERM
		}},
		{[]string{"--exec", "server", "--then", "none"}, func(s *drain.Stop, _ *drain.Load) { s.Exec, s.Then = []string{"server"}, drain.NoSignal }},
		{[]string{"--pid", "1", "--signal", "QUIT"}, func(s *drain.Stop, _ *drain.Load) { s.PID, s.Signal = 1, syscall.SIGQUIT }},
		{[]string{"--pid", "1", "--then", "9"}, func(s *drain.Stop, _ *drain.Load) { s.PID, s.Then = 1, syscall.SIGKILL }},
		{[]string{"--stop", "a | b"}, func(s *drain.Stop, _ *drain.Load) { s.Hook, s.Signal = "a | b", 0 }},
		{[]string{"--exec", "server -v", "--stop", "server -s quit"}, func(s *drain.Stop, _ *drain.Load) {
			s.Exec, s.Hook, s.Signal = []string{"server", "-v"}, "server -s quit", 0
		}},
		{[]string{"--exec", "server", "--stop", "stop", "--then", "none"}, func(s *drain.Stop, _ *drain.Load) {
			s.Exec, s.Hook, s.Signal, s.Then = []string{"server"}, "stop", 0, drain.NoSignal
		}},
		{[]string{"--exec", "server", "--exec", "next 2", "--handover"}, func(s *drain.Stop, _ *drain.Load) {
			s.Exec, s.Restart, s.Handover = []string{"server"}, []string{"next", "2"}, true
		}},
		{[]string{"--pid", "1", "--restart", "next 2", "--contain", "group"}, func(s *drain.Stop, _ *drain.Load) {
			s.PID, s.Restart, s.Contain = 1, []string{"next", "2"}, process.Group
		}},
		{
			[]string{"--pid", "1", "--idle", "10k", "--in-flight", "0", "-R", "2k", "--partial", "3", "--queued", "4", "--reconnect", "never"},
			func(s *drain.Stop, l *drain.Load) {
				s.PID = 1
				l.Idle, l.InFlight, l.Arrivals, l.Partial, l.Queued, l.Reconnect = 10_000, 0, 2000, 3, 4, 0
			},
		},
		{
			[]string{"--pid", "1", "--exchange", "http:/a", "--in-flight-exchange", "http:/slow", "-H", "A: b", "-H", "C: d", "--think", "1s"},
			func(s *drain.Stop, l *drain.Load) {
				s.PID = 1
				l.Exchange.Path, l.InFlightExchange = "/a", exchange.Spec{Kind: exchange.HTTP, Path: "/slow"}
				l.Headers, l.Think = []string{"A: b", "C: d"}, time.Second
			},
		},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			o := newDrainOptions()
			cmd := newDrain()
			cmd.ResetFlags()
			o.register(cmd.Flags())
			if err := cmd.ParseFlags(tt.args); err != nil {
				t.Fatal(err)
			}
			var err error
			if o.target, err = parseTarget(t.Context(), "127.0.0.1:9"); err != nil {
				t.Fatal(err)
			}
			if err := o.completeStop(cmd.Flags().Changed); err != nil {
				t.Fatal(err)
			}
			if err := o.completeLoad(cmd.Flags().Changed); err != nil {
				t.Fatal(err)
			}
			wantStop, wantLoad := defaultStop, defaultLoad
			tt.want(&wantStop, &wantLoad)
			if diff := cmp.Diff(wantStop, o.what.Stop); diff != "" {
				t.Errorf("stop (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(wantLoad, o.what.Load, cmpopts.IgnoreFields(drain.Load{}, "Defaults")); diff != "" {
				t.Errorf("load (-want +got)\n%s", diff)
			}
		})
	}
}
