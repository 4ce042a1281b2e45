package host

import (
	"os"
	"path/filepath"
	"strings"
)

// NetSysctls lists the writable sysctls of net.ipv4 and net.core that this process's network namespace shows. In the initial namespace
// those of the whole host are among them.
func NetSysctls() (names []string) {
	for _, dir := range []string{"ipv4", "core"} {
		files, _ := filepath.Glob("/proc/sys/net/" + dir + "/*") // the pattern is valid
		for _, f := range files {
			if st, err := os.Stat(f); err == nil && st.Mode().IsRegular() && st.Mode().Perm()&0o200 != 0 {
				names = append(names, "net."+dir+"."+filepath.Base(f))
			}
		}
	}
	return names
}

// TCPSysctls reads the sysctls on which TCP connections depend, of those of NetSysctls: net.ipv4.tcp_*, those of local ports, and
// net.core.somaxconn. It leaves out what may not be read, what is empty, like a list of no ports, and
// the key of TCP Fast Open, which is a secret.
func TCPSysctls() (values map[string]string) {
	values = make(map[string]string)
	for _, name := range NetSysctls() {
		short, ipv4 := strings.CutPrefix(name, "net.ipv4.")
		switch {
		case short == "tcp_fastopen_key", short == "tcp_child_ehash_entries":
		case ipv4 && (strings.HasPrefix(short, "tcp_") || strings.HasPrefix(short, "ip_local_") || short == "ip_unprivileged_port_start" || short == "ip_autobind_reuse"),
			name == "net.core.somaxconn":
			b, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
			if v := strings.Join(strings.Fields(string(b)), " "); err == nil && v != "" {
				values[name] = v
			}
		}
	}
	return values
}
