package grid

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"lastack/bench/metric"
	"lastack/bench/quantity"
	"lastack/bench/sandbox"
	"lastack/bench/setup"
	"lastack/sockstate/sockio"
)

// key is a setting that a sweep can vary.
type key struct {
	name string
	// flag is run's flag for the same setting; empty for a sysctl.
	flag string
	// help says what the levels are, in a few words.
	help string
	// idle is the level that is as if the flag were not given.
	idle string
	// set applies a level to a spec, and returns it in one canonical form, by which duplicates are found.
	set func(s *setup.Spec, level string) (string, error)
}

// keys lists the settings of run that a sweep can vary. To add one, add a line: each parses with what its flag parses with.
func keys() []key {
	return []key{
		{"close", "close", "who closes first and how: client:fin, server:rst, never", "", func(s *setup.Spec, v string) (string, error) { return setText(&s.Plan.Groups[0].Close, v) }},
		{"on-eof", "on-eof", "what the peer does on EOF: close, delay=1s, never, rst", "close", func(s *setup.Spec, v string) (string, error) { return setText(&s.Plan.Groups[0].OnEOF, v) }},
		{"rate", "rate", "new connections/s: 500, 5k, 1k..20k; 0 is closed loop", "", setRate},
		{"connections", "connections", "connections at once, in open loop at most: 64, 1k", "", func(s *setup.Spec, v string) (string, error) { return setCount(&s.Plan.Groups[0].Connections, v) }},
		{"sources", "source", "source addresses: how many, or which: 4, 127.0.0.8/30", "", setSources},
		{"source-ports", "source-ports", "local ports to connect from: 20000-20999", "", func(s *setup.Spec, v string) (string, error) { return setText(&s.Plan.Groups[0].SourcePorts, v) }},
		{"hold", "hold", "how long a connection stays open: 0s, 200ms", "", setHold},
		{"exchange", "exchange", "what is exchanged: none, echo:1,1, http:/", "", func(s *setup.Spec, v string) (string, error) { return setText(&s.Plan.Groups[0].Exchange, v) }},
		{"engine", "engine", strings.Join(sockio.BackendNames(), ", "), "", func(s *setup.Spec, v string) (string, error) { return setWord(&s.Engine, v, sockio.BackendNames()) }},
		{"loss", "loss", "TCP packets dropped: 0%, 1%", "", setLoss},
		{"topology", "topology", "lo, veth, nat", "", func(s *setup.Spec, v string) (string, error) {
			return setWord(&s.Sandbox.Topology, v, []string{string(sandbox.Lo), string(sandbox.Veth), string(sandbox.Routed)})
		}},
		{"nat-addresses", "nat-addresses", "addresses of the router of topology nat: 1, 4", "", func(s *setup.Spec, v string) (string, error) { return setCount(&s.Sandbox.NAT.Addresses, v) }},
		{"nat-ports", "nat-ports", "ports of each of them: 20000-20999", "", func(s *setup.Spec, v string) (string, error) { return setText(&s.Sandbox.NAT.Ports, v) }},
		{"backlog", "backlog", "length of the accept queue: 128, 4k", "", func(s *setup.Spec, v string) (string, error) { return setCount(&s.Server.Backlog, v) }},
		{"workers", "workers", "load worker threads; 0 is automatic", "", setWorkers},
	}
}

// KeyNames lists the settings of run that a sweep can vary.
func KeyNames() (names []string) {
	for _, k := range keys() {
		names = append(names, k.name)
	}
	return names
}

// KeyHelp explains them, a line each.
func KeyHelp() string {
	var b strings.Builder
	for _, k := range keys() {
		fmt.Fprintf(&b, "  %-13s  %s\n", k.name, k.help)
	}
	return b.String()
}

// keyNamed finds a setting of run, by its own name or by its flag's, or a sysctl, by its full name or without net.ipv4. or net.core. Sysctls
// are those that this host shows.
func keyNamed(name string, sysctls []string) (key, error) {
	for _, k := range keys() {
		if name == k.name || name == k.flag {
			return k, nil
		}
	}
	full := name
	if i := strings.IndexAny(name, "./"); i < 0 {
		for _, prefix := range []string{"net.ipv4.", "net.core."} {
			if slices.Contains(sysctls, prefix+name) {
				return sysctlKey(prefix + name), nil
			}
		}
	} else {
		c, err := sandbox.ParseSysctl(name + "=1")
		if err != nil {
			return key{}, fmt.Errorf("%q is nothing that a sweep can vary: want %s", name, wanted)
		}
		full = c.Key
		known := func(prefix string) bool { return strings.HasPrefix(full, prefix) && strings.Count(full, ".") == 2 }
		// The sandbox that tries the levels finds out about the others.
		if !known("net.ipv4.") && !known("net.core.") || slices.Contains(sysctls, full) || len(sysctls) == 0 {
			return sysctlKey(full), nil
		}
	}
	short := make([]string, 0, len(sysctls))
	for _, s := range sysctls {
		short = append(short, ShortKey(s))
	}
	if near := metric.Nearest(ShortKey(full), append(KeyNames(), short...)); len(near) > 0 {
		return key{}, fmt.Errorf("%q is nothing that a sweep can vary here: did you mean %s? lastack sweep --help lists the keys", name, strings.Join(near, " or "))
	}
	return key{}, fmt.Errorf("%q is nothing that a sweep can vary here: want %s", name, wanted)
}

var wanted = "a sysctl of net.ipv4 or net.core that can be written here (its prefix may be left out), or one of " + strings.Join(KeyNames(), ", ")

// ShortKey is a sysctl without the prefix that may be left out.
func ShortKey(name string) string {
	for _, prefix := range []string{"net.ipv4.", "net.core."} {
		if short, ok := strings.CutPrefix(name, prefix); ok && !strings.Contains(short, ".") {
			return short
		}
	}
	return name
}

const portRange = "net.ipv4.ip_local_port_range"

func sysctlKey(name string) key {
	return key{name: name, set: func(s *setup.Spec, level string) (string, error) {
		if name == portRange {
			level = strings.Replace(level, "-", " ", 1)
		}
		value := strings.Join(strings.Fields(level), " ")
		c, err := sandbox.ParseSysctl(name + "=" + value)
		if err != nil {
			return "", err
		}
		setSysctl(s.Sandbox, c)
		return value, nil
	}}
}

// setSysctl sets a sysctl of a sandbox in the place of an earlier value, or as the last.
func setSysctl(box *sandbox.Spec, c sandbox.Sysctl) {
	i := slices.IndexFunc(box.Sysctls, func(b sandbox.Sysctl) bool { return b.Key == c.Key })
	if i < 0 {
		box.Sysctls = append(box.Sysctls, c)
		return
	}
	box.Sysctls[i] = c
}

// text is a value that reads and prints itself.
type text[T any] interface {
	*T
	UnmarshalText(b []byte) error
	String() string
}

func setText[T any, P text[T]](v P, level string) (string, error) {
	if err := v.UnmarshalText([]byte(level)); err != nil {
		return "", err
	}
	return v.String(), nil
}

func setWord[T ~string](v *T, level string, of []string) (string, error) {
	if !slices.Contains(of, level) {
		return "", fmt.Errorf("%q is unknown: want %s", level, strings.Join(of, ", "))
	}
	*v = T(level)
	return level, nil
}

func setCount(n *int, level string) (string, error) {
	v, err := quantity.ParseCount(level)
	switch {
	case err != nil:
		return "", err
	case v == 0:
		return "", fmt.Errorf("%s: want at least 1", level)
	}
	*n = int(v)
	return quantity.FormatCount(v), nil
}

func setWorkers(s *setup.Spec, level string) (string, error) {
	if err := quantity.NewDecimal(&s.Plan.Workers, 0).Set(level); err != nil {
		return "", err
	}
	return strconv.Itoa(s.Plan.Workers), nil
}

func setRate(s *setup.Spec, level string) (string, error) {
	from, to, err := setup.ParseRate(level)
	if err != nil {
		return "", err
	}
	g := &s.Plan.Groups[0]
	g.RateFrom, g.RateTo = from, to
	return setup.FormatRate(from, to), nil
}

func setHold(s *setup.Spec, level string) (string, error) {
	d, err := time.ParseDuration(level)
	if err != nil {
		return "", fmt.Errorf("%q is not a duration: want one like 500ms, 10s or 1m30s", level)
	}
	s.Plan.Groups[0].Hold = d
	return d.String(), nil
}

func setLoss(s *setup.Spec, level string) (string, error) {
	l, err := sandbox.ParseLoss(level)
	if err != nil {
		return "", err
	}
	s.Sandbox.Loss = l
	return l.String(), nil
}

// setSources reads how many source addresses there are, which are then the sandbox's, or which.
func setSources(s *setup.Spec, level string) (string, error) {
	g := &s.Plan.Groups[0]
	if n, err := quantity.ParseCount(level); err == nil {
		if n == 0 || n > setup.MaxSources {
			return "", fmt.Errorf("%s: want 1 to %d source addresses", level, setup.MaxSources)
		}
		s.Sources, g.Sources, s.SourceCount = "", nil, int(n)
		return quantity.FormatCount(n), nil
	}
	var list setup.SourceList
	if err := list.Set(level); err != nil {
		return "", err
	}
	s.Sources, g.Sources, s.SourceCount = list.Text, list.Addrs, 0
	return list.Text, nil
}
