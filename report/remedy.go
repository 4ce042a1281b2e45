package report

import (
	"math"
	"math/bits"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"lastack/bench/lazy"
	"lastack/bench/record"
	"lastack/sockstate"
)

// remedy is the command that follows a remedy, as a list of arguments; nil if it takes more than one command.
type remedy func(r *record.Run, args map[string]any) []string

// remedies has what to type for the code of a remedy.
var remedies = map[string]remedy{
	"wider_range":     setting("net.ipv4.ip_local_port_range", "1024 65535"),
	"reuse_time_wait": setting("net.ipv4.tcp_tw_reuse", "1"),
	"shorter_fin_timeout": func(r *record.Run, args map[string]any) []string {
		if s, ok := args["seconds"].(float64); ok && s >= 1 {
			return setting("net.ipv4.tcp_fin_timeout", strconv.FormatFloat(s, 'f', 0, 64))(r, args)
		}
		return nil
	},
	"server_closes_too":    again("--on-eof", "close"),
	"switch_timestamps_on": setting("net.ipv4.tcp_timestamps", "1"),
	"raise_tw_buckets": func(r *record.Run, args map[string]any) []string {
		return setting("net.ipv4.tcp_max_tw_buckets", powerFrom(min(int64(r.TimeWait.MaxBuckets)+r.TimeWait.Overflow, 1<<30)))(r, args)
	},
	"raise_conntrack": func(r *record.Run, _ map[string]any) []string {
		if c := r.Pressure.Conntrack; c != nil && c.Limit > 0 {
			return hostSetting("net.netfilter.nf_conntrack_max", powerFrom(2*c.Limit))
		}
		if t := r.Tracking; t != nil && t.Max > 0 { // a namespace has no nf_conntrack_max of its own
			return hostSetting("net.netfilter.nf_conntrack_max", powerFrom(2*t.Max))
		}
		return nil
	},
	"nat_addresses": func(r *record.Run, args map[string]any) []string {
		n := r.Sandbox.NAT
		if n == nil || n.Addresses <= 0 || 2*n.Addresses > mostNATAddresses {
			return nil
		}
		return again("--nat-addresses", strconv.Itoa(2*n.Addresses))(r, args)
	},
	"raise_file_max": func(r *record.Run, _ map[string]any) []string {
		if limit := r.Pressure.Files.Limit; limit > 0 {
			return hostSetting("fs.file-max", powerFrom(2*limit))
		}
		return nil
	},
	"raise_nofile":           moreDescriptors,
	"raise_nofile_both_ends": moreDescriptors,
	"raise_memlock":          again("--engine", "epoll"),
	"raise_cap": func(r *record.Run, args map[string]any) []string {
		if fds, _ := args["fds"].(bool); fds {
			return moreDescriptors(r, nil)
		}
		if len(r.Plan.Groups) != 1 || r.Plan.Groups[0].Connections <= 0 {
			return nil
		}
		g := &r.Plan.Groups[0]
		held := finite(max(g.RateFrom, g.RateTo)) * float64(g.HoldNs) / 1e9
		return again("--connections", strconv.Itoa(max(2*g.Connections, int(min(1.5*held, 1e7)))))(r, args)
	},
	"larger_accept_queue": largerBacklog,
	"larger_syn_queue":    largerBacklog,
	"larger_syn_queue_or_cookies": func(r *record.Run, args map[string]any) []string {
		if r.Server == nil {
			return nil // the target's host has the setting
		}
		return setting("net.ipv4.tcp_syncookies", "1")(r, args)
	},
	"more_workers": func(r *record.Run, args map[string]any) []string {
		if len(r.Hosts) != 1 || r.Hosts[0].CPUs <= r.Plan.Workers {
			return nil
		}
		return again("--workers", strconv.Itoa(r.Hosts[0].CPUs))(r, args)
	},
	"flush_earlier": func(r *record.Run, _ map[string]any) []string {
		return edited(r.Plan.Command, nil, "", "--flush")
	},
	"quiet_machine": again(),
	"let_it_run":    again(),
	"check_route": func(r *record.Run, _ map[string]any) []string {
		if len(r.Plan.Groups) == 0 || len(r.Plan.Groups[0].Targets) == 0 {
			return nil
		}
		host, _, err := net.SplitHostPort(r.Plan.Groups[0].Targets[0])
		if err != nil || net.ParseIP(host) == nil {
			return nil
		}
		return []string{"ip", "route", "get", host}
	},
	"one_pass": func(r *record.Run, args map[string]any) []string {
		low, _ := args["low"].(string)
		high, _ := args["high"].(string)
		if low == "" || high == "" {
			return nil
		}
		return again("--source-ports", low+"-"+high)(r, args)
	},
	"no_time_wait_at_client": func(r *record.Run, args map[string]any) []string {
		if r.Server == nil && r.Plan.ServerWorkers == 0 {
			return again("--close", "client:rst")(r, args) // a target may wait for the client to close
		}
		return again("--close", "server:fin")(r, args)
	},
	"close_server_fin":                   again("--close", "server:fin"),
	"close_server_fin_or_fewer_requests": again("--close", "server:fin"),
	"close_server_fin_without_hold":      again("--close", "server:fin", "--hold", "0s"),
	"close_server_fin_if_it_closes":      again("--close", "server:fin"),
	"close_server_fin_as_target_does":    again("--close", "server:fin"),
	"close_server_rst":                   again("--close", "server:rst"),
	"close_server_rst_if_it_resets":      again("--close", "server:rst"),
	"close_client_fin_if_left_to_client": again("--close", "client:fin"),
	"close_client_half":                  again("--close", "client:half"),
	"fewer_requests":                     again("--requests", "1"),
	"fewer_requests_cut":                 again("--requests", "1"),
	"close_server_rst_or_client_fin":     again("--close", "server:rst"),
	"close_client_fin_or_wait":           again("--close", "client:fin"),
	"close_client_half_or_server_rst":    again("--close", "client:half"),
	"check_port_or_exchange":             again("--exchange", "none"),
	"reuse_sooner":                       setting("net.ipv4.tcp_tw_reuse_delay", "100"),
	"shorter_hold":                       shorterHold,
	"shorter_hold_than_idle_time":        shorterHold,
	"less_to_generate": func(r *record.Run, args map[string]any) []string {
		rate := math.Floor(0.8 * finite(r.Rate.CompletedPerS))
		if len(r.Plan.Groups) != 1 || rate < 1 || rate > 1e9 {
			return nil
		}
		return again("--rate", strconv.FormatFloat(rate, 'f', -1, 64))(r, args)
	},
	"ask_less": func(r *record.Run, args map[string]any) []string {
		if n, ok := args["connections"].(float64); ok && n >= 1 {
			return again("--connections", strconv.FormatFloat(n, 'f', 0, 64))(r, args)
		}
		if rate, ok := args["rate_per_s"].(float64); ok && rate >= 1 && rate <= 1e9 {
			return again("--rate", strconv.FormatFloat(rate, 'f', -1, 64))(r, args)
		}
		return nil
	},
	"fewer_at_once":           fewerAtOnce,
	"more_addresses":          moreAddresses,
	"follow_redirect":         reply,
	"ask_for_another_page":    reply,
	"look_at_invalid_status":  reply,
	"look_into_target_log":    reply,
	"mend_replies":            reply,
	"check_what_is_forbidden": func(*record.Run, map[string]any) []string { return []string{"nft", "list", "ruleset"} },
	"check_protocol": func(r *record.Run, _ map[string]any) []string {
		if len(r.Plan.Groups) == 0 || len(r.Plan.Groups[0].Targets) == 0 {
			return nil
		}
		return []string{"curl", "-kv", "https://" + r.Plan.Groups[0].Targets[0] + "/"}
	},
}

// remedyCommand is what to paste into a shell to follow a remedy, empty if that is not one command. A finding without a code is of an older
// version's record: its sentence names the setting.
func remedyCommand(r *record.Run, f *record.Finding, sentence string) string {
	if r.Kind == record.KindDrain || len(r.Plan.Command) == 0 {
		return ""
	}
	of := remedies[f.Code]
	if f.Code == "" {
		of = remedyIn(sentence)
	}
	if of == nil {
		return ""
	}
	return shell(of(r, f.Args))
}

var (
	sysctlNamed = lazy.Regexp(`\b(net\.[a-z0-9_]+(?:\.[a-z0-9_]+)+)=(?:"([0-9 ]+)"|([0-9]+))`)
	closeNamed  = lazy.Regexp(`--close ((?:client|server):[a-z]+)`)
)

// remedyIn finds a sysctl with its value, or a close policy, in a sentence.
func remedyIn(sentence string) remedy {
	if m := sysctlNamed().FindStringSubmatch(sentence); m != nil {
		return setting(m[1], m[2]+m[3])
	}
	if m := closeNamed().FindStringSubmatch(sentence); m != nil {
		return again("--close", m[1])
	}
	return nil
}

// again is the run once more, with flags set to values.
func again(flags ...string) remedy {
	return func(r *record.Run, _ map[string]any) []string {
		out := withFlag(r.Plan.Command, "", "")
		for i := 0; i+1 < len(flags); i += 2 {
			out = withFlag(out, flags[i], flags[i+1])
		}
		return out
	}
}

// setting sets a sysctl: in the sandbox if the run had one, or else on the host.
func setting(key, value string) remedy {
	return func(r *record.Run, args map[string]any) []string {
		if r.Sandbox.Mode == "off" || r.Sandbox.Mode == "" {
			return hostSetting(key, value)
		}
		return again("--sysctl", key+"="+value)(r, args)
	}
}

// shorterHold holds connections for half as long.
func shorterHold(r *record.Run, args map[string]any) []string {
	if len(r.Plan.Groups) != 1 || r.Plan.Groups[0].HoldNs < 2 {
		return nil
	}
	return again("--hold", time.Duration(r.Plan.Groups[0].HoldNs/2).String())(r, args)
}

// fewerAtOnce halves what is open at once.
func fewerAtOnce(r *record.Run, args map[string]any) []string {
	switch {
	case len(r.Plan.Groups) != 1:
		return nil
	case r.Plan.Groups[0].RateTo > 0:
		return shorterHold(r, args)
	case r.Plan.Groups[0].Connections < 2:
		return nil
	}
	return again("--connections", strconv.Itoa(r.Plan.Groups[0].Connections/2))(r, args)
}

// mostNATAddresses is how many the router of a sandbox may have.
const mostNATAddresses = 250

// firstSources are the first client addresses of a sandbox's topologies.
var firstSources = map[string]string{"lo": "127.0.0.1", "veth": "198.18.0.1", "nat": "198.18.0.1"}

// moreAddresses connects to the embedded server in a sandbox, which has them, from as many addresses as the load needs, or else from twice as many.
func moreAddresses(r *record.Run, args map[string]any) []string {
	const most = 60_000 // of a sandbox
	if r.Server == nil || len(r.Plan.Groups) != 1 || r.Sandbox.Mode == "off" || r.Sandbox.Mode == "" {
		return nil
	}
	g := &r.Plan.Groups[0]
	first := firstSources[r.Sandbox.Topology]
	if len(g.Sources) > 0 {
		first, _, _ = strings.Cut(g.Sources[0], "-")
	} else if slices.ContainsFunc(g.Targets, func(t string) bool { return strings.HasPrefix(t, "[") }) {
		return nil // IPv6 has none by default
	}
	pairs, ok := args["pairs"].(float64)
	if !ok {
		pairs = 2 * float64(max(r.Pressure.Ports.Pairs, 1))
	}
	n := math.Ceil(pairs / float64(max(len(g.Targets), 1)))
	if n < 2 || n > most {
		return nil
	}
	all := addressesFrom(first, strconv.FormatFloat(n, 'f', 0, 64))
	if all == "" {
		return nil
	}
	return again("--source", all)(r, args)
}

// reply shows a reply of the first target. A record keeps the value of few headers, so that only those are sent.
func reply(r *record.Run, args map[string]any) []string {
	if r.Server != nil || len(r.Plan.Groups) != 1 || len(r.Plan.Groups[0].Targets) == 0 {
		return nil
	}
	g := &r.Plan.Groups[0]
	path, ok := strings.CutPrefix(g.Exchange, "http:")
	if !ok || !strings.HasPrefix(path, "/") {
		return nil
	}
	out, scheme := []string{"curl", "-i"}, "http://"
	switch kind, _ := args["kind"].(string); sockstate.ParseFault(kind) {
	case sockstate.FaultTLS:
		out, scheme = append(out, "-k"), "https://"
	case sockstate.FaultBadChunk:
		out = append(out, "--raw")
	}
	if g.Host != "" && g.Host != g.Targets[0] {
		out = append(out, "-H", "Host: "+g.Host)
	}
	return append(out, scheme+g.Targets[0]+path)
}

// restarted is a drain whose server is started again as it was, empty unless the drain had started it.
func restarted(plan *record.Plan, stop *record.DrainStop) string {
	server := started(stop)
	if len(server) == 0 || len(plan.Command) == 0 {
		return ""
	}
	return shell(edited(plan.Command, []string{"--restart", "--handover"}, "", "--restart", shell(server)))
}

// handedOver is a drain with a restart in which both servers share the port, empty unless it is known how they do.
func handedOver(plan *record.Plan, stop *record.DrainStop) string {
	server, next := sharing(started(stop)), sharing(stop.Restart)
	if server == nil || next == nil || len(plan.Command) == 0 {
		return ""
	}
	return shell(edited(plan.Command, []string{"--exec", "--restart", "--handover"}, "", "--exec", shell(server), "--restart", shell(next), "--handover"))
}

// started is the command that started the server of a drain.
func started(stop *record.DrainStop) []string {
	if stop.Way == record.DrainByHook {
		return stop.Exec
	}
	return stop.Command // none of a process
}

// sharing is a command of this program's own server with SO_REUSEPORT, nil for another server.
func sharing(server []string) []string {
	if len(server) < 2 || path.Base(server[0]) != "lastack" || server[1] != "serve" {
		return nil
	}
	if slices.ContainsFunc(server, func(word string) bool { return strings.HasPrefix(word, "--reuse-port") }) {
		return server
	}
	return append(slices.Clone(server), "--reuse-port")
}

func hostSetting(key, value string) []string { return []string{"sysctl", "-w", key + "=" + value} }

// moreDescriptors raises both limits: the soft one is as high as the hard one already.
func moreDescriptors(r *record.Run, args map[string]any) []string {
	limit := r.Pressure.Fds.Limit
	const most = 1 << 20 // fs.nr_open, unless that was changed
	if limit <= 0 || limit >= most {
		return nil
	}
	n := powerFrom(min(2*limit, most))
	return append([]string{"prlimit", "--nofile=" + n + ":" + n}, again()(r, args)...)
}

// largerBacklog is for the embedded server in a sandbox. Somaxconn caps it.
func largerBacklog(r *record.Run, args map[string]any) []string {
	s := r.Server
	if s == nil || s.Listeners <= 0 || r.Pressure.Backlog <= 0 || r.Sandbox.Mode == "off" || r.Sandbox.Mode == "" {
		return nil
	}
	const common = 4096 // what somaxconn is, unless that was changed
	n := min(4*int64(r.Pressure.Backlog/s.Listeners), 1<<20)
	if n <= common {
		return again("--backlog", strconv.Itoa(common))(r, args)
	}
	return again("--backlog", powerFrom(n), "--sysctl", "net.core.somaxconn="+powerFrom(n), "--sysctl", "net.ipv4.tcp_max_syn_backlog="+powerFrom(n))(r, args)
}

// powerFrom is the least power of two from n up.
func powerFrom(n int64) string {
	return strconv.FormatUint(uint64(1)<<min(62, bits.Len64(uint64(max(0, n-1)))), 10)
}

// shorthands are those of flags that remedies set, or that are left out.
var shorthands = map[string]string{"--connections": "-c", "--workers": "-w", "--rate": "-R", "--output": "-o", "--duration": "-d"}

// withFlag is a command with a flag set to a value, in place of what it was set to; with no flag it is only that command. It prints a page
// of text: where the record was saved, and how it was shown, is left out.
func withFlag(command []string, flag, value string) []string {
	if flag == "" {
		return edited(command, nil, "")
	}
	sysctl, _, _ := strings.Cut(value, "=")
	return edited(command, []string{flag}, sysctl, flag, value)
}

// edited is a command without the flags of drops, of --sysctl only without that one, and with what is added.
func edited(command, drops []string, sysctl string, added ...string) []string {
	drops = append(drops, "--output", "--format")
	var out []string
	end := len(command)
	if i := slices.Index(command, "--"); i >= 0 {
		end = i
	}
	for i := 0; i < end; i++ {
		if command[i] == "-q" || command[i] == "--quiet" {
			continue
		}
		name, old, joined := strings.Cut(command[i], "=")
		for long, short := range shorthands {
			if strings.HasPrefix(command[i], short) {
				name, old, joined = long, strings.TrimPrefix(command[i][2:], "="), len(command[i]) > 2
			}
		}
		if !slices.Contains(drops, name) {
			out = append(out, command[i])
			continue
		}
		last := i
		if !joined && i+1 < end {
			last = i + 1
			old = command[last]
		}
		if key, _, _ := strings.Cut(old, "="); name == "--sysctl" && key != sysctl {
			out = append(out, command[i:last+1]...)
		}
		i = last
	}
	return append(append(out, added...), command[end:]...)
}
