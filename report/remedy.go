package report

import (
	"slices"
	"strings"

	"lastack/bench/record"
)

// remedies has for the code of a remedy the flag that follows it, and its value. A sysctl is set in the sandbox if the run had one.
var remedies = map[string][2]string{
	"wider_range":                        {"--sysctl", "net.ipv4.ip_local_port_range=1024 65535"},
	"reuse_time_wait":                    {"--sysctl", "net.ipv4.tcp_tw_reuse=1"},
	"switch_timestamps_on":               {"--sysctl", "net.ipv4.tcp_timestamps=1"},
	"no_time_wait_at_client":             {"--close", "server:fin"},
	"close_server_fin":                   {"--close", "server:fin"},
	"close_server_fin_if_it_closes":      {"--close", "server:fin"},
	"close_server_fin_as_target_does":    {"--close", "server:fin"},
	"close_server_rst":                   {"--close", "server:rst"},
	"close_server_rst_if_it_resets":      {"--close", "server:rst"},
	"close_client_fin_if_left_to_client": {"--close", "client:fin"},
	"close_client_half":                  {"--close", "client:half"},
}

// remedyCommand is what to paste into a shell to follow a remedy, empty if that is not one command: the run once more with another flag, or
// a sysctl of the host.
func remedyCommand(r *record.Run, f *record.Finding) string {
	flag, ok := remedies[f.Code]
	if f.Code == "one_pass" {
		low, _ := f.Args["low"].(string)
		high, _ := f.Args["high"].(string)
		flag, ok = [2]string{"--source-ports", low + "-" + high}, low != "" && high != ""
	}
	if !ok || !f.Remedy || r.Kind == record.KindDrain || len(r.Plan.Command) == 0 {
		return ""
	}
	if flag[0] == "--sysctl" && (r.Sandbox.Mode == "off" || r.Sandbox.Mode == "") {
		return shell([]string{"sysctl", "-w", flag[1]})
	}
	return shell(withFlag(r.Plan.Command, flag[0], flag[1]))
}

// withFlag is a command with a flag set to a value, in place of what it was set to. It prints a page of text: where the record was saved,
// and how it was shown, is left out.
func withFlag(command []string, flag, value string) []string {
	sysctl, _, _ := strings.Cut(value, "=")
	replaced := func(name, old string) bool {
		switch name {
		case "-o", "--output", "--format":
			return true
		case "--sysctl":
			key, _, _ := strings.Cut(old, "=")
			return flag == name && key == sysctl
		}
		return flag == name
	}
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
		takes := slices.Contains([]string{"-o", "--output", "--format", flag}, name)
		if takes && !joined && i+1 < end {
			old = command[i+1]
		}
		if !takes || !replaced(name, old) {
			out = append(out, command[i])
			continue
		}
		if !joined {
			i++
		}
	}
	return append(append(out, flag, value), command[end:]...)
}
