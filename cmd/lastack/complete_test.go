package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"lastack/bench/metric"
	"lastack/bench/record"
	"lastack/server"
	"lastack/sockstate/teardown"
)

// What a shell offers, and that each of it is accepted.
func TestCompletion(t *testing.T) {
	t.Parallel()
	offered := func(args ...string) []string {
		t.Helper()
		var out bytes.Buffer
		if code := Main(append([]string{"__complete"}, args...), strings.NewReader(""), &out, &bytes.Buffer{}); code != exitOK {
			t.Fatalf("%q: exit code %d", args, code)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		return lines[:len(lines)-1] // the directive is last
	}
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{[]string{"run", "--close", "server:"}, []string{"server:fin", "server:half", "server:linger=", "server:rst", "server:unread"}},
		{[]string{"run", "--close", "n"}, []string{"never"}},
		{[]string{"run", "--on-eof", ""}, []string{"close", "delay=", "never", "rst"}},
		{[]string{"run", "--exchange", ""}, []string{"echo:", "http:/", "none"}},
		{[]string{"run", "--engine", "e"}, []string{"epoll"}},
		{[]string{"run", "--census", ""}, []string{"auto", "bpf", "diag", "proc"}},
		{[]string{"run", "--topology", ""}, []string{"lo", "nat", "veth"}},
		{[]string{"plan", "--nat", "a"}, []string{"aws", "azure"}},
		{[]string{"run", "--format", "js"}, []string{"json", "jsonl"}},
		{[]string{"run", "--threshold", "connect.p9"}, []string{"connect.p90", "connect.p95", "connect.p99", "connect.p999"}},
		{[]string{"run", "--settle", ""}, []string{"auto"}},
		{[]string{"run", "--duration", ""}, nil},
		{[]string{"report", "--format", "t"}, []string{"text"}},
		{[]string{"serve", "--shutdown", ""}, []string{"abrupt", "graceful", "lame-duck=", "listener-last", "rst"}},
		{[]string{"drain", "--signal", "Q"}, []string{"QUIT"}},
		{[]string{"drain", "--then", "n"}, []string{"none"}},
		{[]string{"drain", "--reconnect", ""}, []string{"never"}},
		{[]string{"drain", "--threshold", "lost"}, []string{"lost", "lost_ratio"}},
		{[]string{"sweep", "--vary", "con"}, []string{"connections="}},
		{[]string{"sweep", "--vary", "topology="}, []string{"topology=lo", "topology=nat", "topology=veth"}},
		{[]string{"sweep", "--vary", "engine=epoll,"}, []string{"engine=epoll,auto", "engine=epoll,uring"}},
		{[]string{"sweep", "--vary", "close=client:fin,client:r"}, []string{"close=client:fin,client:rst"}},
		{[]string{"sweep", "--vary", "hold="}, nil},
		{[]string{"sweep", "--vary", "tcp_tw_reuse="}, nil},
		{[]string{"sweep", "--find", "r"}, []string{"rate"}},
		{[]string{"sweep", "--preset", "t"}, []string{"timestamps", "tw-buckets", "tw-reuse"}},
		{[]string{"sweep", "--parallel", ""}, []string{"auto"}},
		{[]string{"tune", "--keep", "tcp_tw"}, []string{"tcp_tw_reuse", "tcp_tw_reuse_delay"}},
		{[]string{"tune", "--format", "co"}, []string{"conf"}},
		{[]string{"sweep", "--metric", "connect.p99"}, []string{"connect.p99", "connect.p999"}},
		{[]string{"sweep", "--base", ""}, []string{"default", "host"}},
		{[]string{"help", "presets", "tw"}, []string{"tw-buckets", "tw-reuse"}},
		{[]string{"help", "metrics", "connect.p99"}, []string{"connect.p99", "connect.p999"}},
		{[]string{"help", "policies", "n"}, []string{"never"}},
		{[]string{"help", "verdicts", "cpus_"}, []string{"cpus_full", "cpus_full_of_others", "cpus_shared"}},
		{[]string{"completion", "z"}, []string{"zsh"}},
	} {
		got := offered(tt.args...)
		slices.Sort(got)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%q offers %q, want %q", tt.args, got, tt.want)
		}
	}
	if flags := offered("run", "--thr"); len(flags) != 1 || !strings.HasPrefix(flags[0], "--threshold\ta BOUND like ") {
		t.Errorf("of flags it says %q", flags)
	}
	for _, p := range closePolicies() {
		if _, err := teardown.ParsePolicy(strings.Replace(p, "linger=", "linger=1s", 1)); err != nil {
			t.Error(err)
		}
	}
	for _, w := range words(teardown.ReactionHelp)() {
		if _, err := teardown.ParseReaction(strings.Replace(w, "=", "=1s", 1)); err != nil {
			t.Error(err)
		}
	}
	for _, w := range words(server.ShutdownHelp)() {
		if _, err := server.ParseShutdown(strings.Replace(w, "=", "=1s", 1)); err != nil {
			t.Error(err)
		}
	}
	for _, m := range metric.Names(record.KindRun) {
		if _, err := metric.ParseThreshold(record.KindRun, m+"<1"); err != nil {
			if _, err := metric.ParseThreshold(record.KindRun, m+"<1ms"); err != nil {
				t.Error(err)
			}
		}
	}
	for _, m := range metric.Names(record.KindDrain) {
		if _, err := metric.ParseThreshold(record.KindDrain, m+"<1"); err != nil {
			if _, err := metric.ParseThreshold(record.KindDrain, m+"<1ms"); err != nil {
				t.Error(err)
			}
		}
	}
	if keys := varyKeys(); len(sysctlKeys()) > 0 && !slices.Contains(keys, "tcp_fin_timeout=") {
		t.Errorf("of %d keys none is tcp_fin_timeout", len(keys))
	}
	if keys := sysctlKeys(); len(keys) > 0 && !slices.Contains(keys, "net.ipv4.tcp_fin_timeout=") {
		t.Errorf("of %d sysctls none is tcp_fin_timeout", len(keys))
	}
}
