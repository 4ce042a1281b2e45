package report

import (
	"strings"
	"testing"

	"lastack/bench/record"
	"lastack/bench/verdict"
	"lastack/report/document"
	"lastack/sockstate"
)

// TestRemedyCommand looks at what is to be pasted.
func TestRemedyCommand(t *testing.T) {
	run := func(change func(*record.Run), command string) *record.Run {
		r := &record.Run{
			Kind: record.KindRun, Plan: record.Plan{Command: strings.Fields(command), Workers: 1, Groups: []record.Group{{Connections: 50, Targets: []string{"10.0.0.1:80"}}}},
			Hosts: []record.Host{{CPUs: 4}}, Sandbox: record.Sandbox{Mode: "root"}, Server: &record.Server{Listeners: 2},
		}
		r.TimeWait.MaxBuckets, r.TimeWait.Overflow = 1000, 7
		r.Pressure.Backlog, r.Pressure.Fds.Limit, r.Pressure.Files.Limit = 256, 1024, 100_000
		if change != nil {
			change(r)
		}
		return r
	}
	target := func(r *record.Run) { r.Server, r.Sandbox.Mode = nil, "off" }
	page := func(exchange string) func(*record.Run) {
		return func(r *record.Run) { target(r); r.Plan.Groups[0].Exchange = exchange }
	}
	inSandbox := func(topology string, sources ...string) func(*record.Run) {
		return func(r *record.Run) {
			r.Sandbox.Topology, r.Plan.Groups[0].Sources, r.Pressure.Ports.Pairs = topology, sources, len(sources)
		}
	}
	for _, c := range []struct {
		run                  *record.Run
		code, sentence, want string
		args                 map[string]any
	}{
		{run(nil, "lastack run -q"), "wider_range", "", "lastack run --sysctl 'net.ipv4.ip_local_port_range=1024 65535'", nil},
		{run(target, "lastack run 10.0.0.1:80"), "wider_range", "", "sysctl -w 'net.ipv4.ip_local_port_range=1024 65535'", nil},
		{run(nil, "lastack run"), "no_time_wait_at_client", "", "lastack run --close server:fin", nil},
		{run(target, "lastack run 10.0.0.1:80"), "no_time_wait_at_client", "", "lastack run 10.0.0.1:80 --close client:rst", nil},
		{run(nil, "lastack run"), "raise_tw_buckets", "", "lastack run --sysctl net.ipv4.tcp_max_tw_buckets=1024", nil},
		{run(nil, "lastack run -o a.json"), "raise_nofile", "", "prlimit --nofile=2048:2048 lastack run", nil},
		{run(func(r *record.Run) { r.Pressure.Fds.Limit = 1 << 20 }, "lastack run"), "raise_nofile", "", "", nil},
		{run(nil, "lastack run"), "raise_file_max", "", "sysctl -w fs.file-max=262144", nil},
		{run(nil, "lastack run --engine uring"), "raise_memlock", "", "lastack run --engine epoll", nil},
		{run(nil, "lastack run -R 5k -c 50"), "raise_cap", "", "lastack run -R 5k --connections 100", nil},
		{run(nil, "lastack run"), "raise_cap", "", "prlimit --nofile=2048:2048 lastack run", map[string]any{"fds": true}},
		{
			run(nil, "lastack run --backlog 128"), "larger_accept_queue", "",
			"lastack run --backlog 4096", nil,
		},
		{
			run(func(r *record.Run) { r.Pressure.Backlog = 8192 }, "lastack run --backlog=4096"), "larger_accept_queue", "",
			"lastack run --backlog 16384 --sysctl net.core.somaxconn=16384 --sysctl net.ipv4.tcp_max_syn_backlog=16384", nil,
		},
		{run(target, "lastack run 10.0.0.1:80"), "larger_accept_queue", "", "", nil},
		{run(nil, "lastack run -w 1"), "more_workers", "", "lastack run --workers 4", nil},
		{run(nil, "lastack run -d 5s --format html"), "quiet_machine", "", "lastack run -d 5s", nil},
		{run(target, "lastack run 10.0.0.1:80 -o a.json"), "flush_earlier", "", "lastack run 10.0.0.1:80 --flush", nil},
		{run(target, "lastack run 10.0.0.1:80"), "check_route", "", "ip route get 10.0.0.1", nil},
		{run(nil, "lastack run --hold 2s"), "close_server_fin_without_hold", "", "lastack run --close server:fin --hold 0s", nil},
		{run(nil, "lastack run"), "one_pass", "", "lastack run --source-ports 32768-60999", map[string]any{"low": "32768", "high": "60999"}},
		{run(nil, "lastack run"), "one_pass", "", "", nil},
		{run(nil, "lastack run"), "follow_redirect", "", "", nil},
		{run(nil, "lastack run --close client:rst"), "close_client_half_or_server_rst", "", "lastack run --close client:half", nil},
		{run(target, "lastack run 10.0.0.1:80"), "check_port_or_exchange", "", "lastack run 10.0.0.1:80 --exchange none", nil},
		{run(target, "lastack run 10.0.0.1:80"), "check_protocol", "", "curl -kv https://10.0.0.1:80/", nil},
		{run(target, "lastack run 10.0.0.1:80"), "check_what_is_forbidden", "", "nft list ruleset", nil},
		{run(nil, "lastack run"), "reuse_sooner", "", "lastack run --sysctl net.ipv4.tcp_tw_reuse_delay=100", nil},
		{run(func(r *record.Run) { r.Rate.CompletedPerS = 5001 }, "lastack run -R 9k"), "less_to_generate", "", "lastack run --rate 4000", nil},
		{run(func(r *record.Run) { r.Plan.Groups[0].HoldNs = 3e9 }, "lastack run --hold 3s"), "shorter_hold", "", "lastack run --hold 1.5s", nil},
		{run(nil, "lastack run"), "shorter_hold", "", "", nil},
		{run(nil, "lastack run -c 50"), "ask_less", "", "lastack run --connections 25", map[string]any{"connections": 25.0}},
		{run(nil, "lastack run -R 9k"), "ask_less", "", "lastack run --rate 3600", map[string]any{"rate_per_s": 3600.0}},
		{run(nil, "lastack run"), "ask_less", "", "", nil},
		{run(nil, "lastack run -c 50"), "fewer_at_once", "", "lastack run --connections 25", nil},
		{
			run(func(r *record.Run) { r.Plan.Groups[0].RateTo, r.Plan.Groups[0].HoldNs = 100, 4e9 }, "lastack run -R 100 --hold 4s"),
			"fewer_at_once", "", "lastack run -R 100 --hold 2s", nil,
		},
		{run(inSandbox("lo"), "lastack run"), "more_addresses", "", "lastack run --source 127.0.0.1-127.0.0.25", map[string]any{"pairs": 25.0}},
		{run(inSandbox("veth", "198.18.1.1", "198.18.1.2"), "lastack run --source 198.18.1.1,198.18.1.2"), "more_addresses", "", "lastack run --source 198.18.1.1-198.18.1.4", nil},
		{run(inSandbox("veth", "198.18.0.0/30"), "lastack run"), "more_addresses", "", "", nil},
		{run(target, "lastack run 10.0.0.1:80"), "more_addresses", "", "", map[string]any{"pairs": 25.0}},
		{run(page("http:/a?b"), "lastack run http://10.0.0.1/a?b"), "ask_for_another_page", "", "curl -i 'http://10.0.0.1:80/a?b'", nil},
		{
			run(func(r *record.Run) { page("http:/")(r); r.Plan.Groups[0].Host = "web.example" }, "lastack run http://web.example/"),
			"follow_redirect", "", "curl -i -H 'Host: web.example' http://10.0.0.1:80/", nil,
		},
		{run(page("http:/"), "lastack run http://10.0.0.1/"), "mend_replies", "", "curl -i -k https://10.0.0.1:80/", map[string]any{"kind": sockstate.FaultTLS.String()}},
		{run(page("http:/"), "lastack run http://10.0.0.1/"), "mend_replies", "", "curl -i --raw http://10.0.0.1:80/", map[string]any{"kind": sockstate.FaultBadChunk.String()}},
		{run(page("echo:1,1"), "lastack run 10.0.0.1:80"), "mend_replies", "", "", map[string]any{"kind": sockstate.FaultSurplus.String()}},
		// Of records of older versions.
		{run(nil, "lastack run"), "", `more ports: net.ipv4.ip_local_port_range="1024 65535" gives 64,512`, "lastack run --sysctl 'net.ipv4.ip_local_port_range=1024 65535'", nil},
		{run(nil, "lastack run"), "", "reuse: net.ipv4.tcp_tw_reuse=1 lets connect take over", "lastack run --sysctl net.ipv4.tcp_tw_reuse=1", nil},
		{run(nil, "lastack run"), "", "no TIME_WAIT at the client: --close client:rst, or", "lastack run --close client:rst", nil},
		{run(nil, "lastack run"), "", "more addresses", "", nil},
		{run(nil, ""), "wider_range", "", "", nil},
	} {
		if got := remedyCommand(c.run, &record.Finding{Code: c.code, Args: c.args, Remedy: true}, c.sentence); got != c.want {
			t.Errorf("%s%s of %q: %q, want %q", c.code, c.sentence, c.run.Plan.Command, got, c.want)
		}
	}
}

func TestWithFlag(t *testing.T) {
	for _, c := range []struct{ command, flag, value, want string }{
		{"lastack run", "--close", "server:fin", "lastack run --close server:fin"},
		{"lastack run --close client:fin -c 5", "--close", "server:fin", "lastack run -c 5 --close server:fin"},
		{"lastack run --close=client:fin", "--close", "server:fin", "lastack run --close server:fin"},
		{"lastack run -o a.json -q --format json -d 2s", "--close", "server:fin", "lastack run -d 2s --close server:fin"},
		{"lastack run --sysctl a=1 --sysctl b=2", "--sysctl", "b=3", "lastack run --sysctl a=1 --sysctl b=3"},
		{"lastack run --sysctl=b=2", "--sysctl", "b=3", "lastack run --sysctl b=3"},
		{"lastack run -orun.json -c100 -w 2 -R 5k", "--connections", "200", "lastack run -w 2 -R 5k --connections 200"},
		{"lastack run -c=100 --workers=2", "--workers", "4", "lastack run -c=100 --workers 4"},
		{"lastack run -q -d 2s --output=x.json", "", "", "lastack run -d 2s"},
		{"lastack run -- target", "--close", "x", "lastack run --close x -- target"},
	} {
		if got := strings.Join(withFlag(strings.Fields(c.command), c.flag, c.value), " "); got != c.want {
			t.Errorf("%s with %s %s: got %q, want %q", c.command, c.flag, c.value, got, c.want)
		}
	}
}

// TestRemedyCommands says when a code that has a command is no remedy any more, or no sample shows one.
func TestRemedyCommands(t *testing.T) {
	known := make(map[string]bool)
	for _, c := range verdict.Codes() {
		known[c.Name] = c.Remedy
	}
	for code := range remedies {
		if !known[code] {
			t.Errorf("%s is no remedy", code)
		}
	}
	var with []string
	for _, name := range recorded(t) {
		run := sample(t, name)
		for _, s := range runDocument(run).Sections {
			for _, b := range s.Blocks {
				if l, ok := b.(document.List); ok {
					for _, f := range l.Findings {
						if f.Command != "" {
							with = append(with, f.Code)
						}
					}
				}
			}
		}
	}
	if len(with) == 0 {
		t.Error("no sample's remedy has a command")
	}
}

// What a drain advises is a command too, where it is known how the server is started.
func TestDrainRemedies(t *testing.T) {
	const (
		drain = "lastack drain 127.0.0.1:8080 --sandbox "
		serve = "lastack serve --listen 127.0.0.1:8080 --exchange http:/"
	)
	byPID := sample(t, "drain-kill")
	byPID.Drain.Stop.Way, byPID.Drain.Stop.Command = record.DrainByPID, nil
	haproxy := sample(t, "drain-restart")
	haproxy.Drain.Stop.Restart = strings.Fields("haproxy -f h.cfg")
	for _, tt := range []struct {
		name, want string
		run        *record.Run
	}{
		{"killed", drain + "--exec '" + serve + "' --signal KILL --after 1s --threshold failed==0 --restart '" + serve + "'", sample(t, "drain-kill")},
		{"hook", drain + "--exec '" + serve + "' --stop 'kill $PPID; true' --after 500ms --grace 1s --restart '" + serve + "'", sample(t, "drain-hook")},
		{"nginx", drain + "--exec 'nginx -p /srv/web -c n.conf' --signal QUIT --after 1s --restart 'nginx -p /srv/web -c n.conf'", sample(t, "drain-nginx-quit")},
		{"restarted", drain + "--after 1s --exec '" + serve + " --reuse-port' --restart '" + serve + " --reuse-port' --handover", sample(t, "drain-restart")},
		{"a server that may not share its port", "", haproxy},
		{"handed over", "", sample(t, "drain-handover")},
		{"by its process", "", byPID},
	} {
		got := ""
		for _, s := range drainDocument(tt.run).Sections {
			got += s.Command
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		if strings.Contains(strings.Join(tt.run.Plan.Command, " "), "--restart") {
			continue // so that each page has it
		}
		for format, what := range map[string]string{"html": "<span>--restart</span>", "md": " --restart '", "text": " --restart '"} {
			has := strings.Contains(string(render(t, format, tt.run)), what)
			if want := tt.want != "" && format != "text"; has != want {
				t.Errorf("%s: the page of %s has a command: %v, want %v", tt.name, format, has, want)
			}
		}
	}
}
