package drain

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"lastack/bench/process"
)

const (
	// elsewherePoll is the polling interval for other addresses that a server listens on, for which its descriptors are read.
	elsewherePoll = 250 * time.Millisecond
	// sayAfter is how long a server may listen only elsewhere before the user is told. hopelessAt is how long it may listen on the target's
	// port of another address: then its address is wrong. A server on another port may open its main port later.
	sayAfter, hopelessAt = time.Second, 3 * time.Second
)

// wrongPlace is a server that listens, but not on the target.
type wrongPlace struct {
	since, onPort time.Time // zero: it does not
	said          bool
	next          time.Time // when to look again
}

// look reads where p listens, if not on the target, and reports whether that will not change.
func (w *wrongPlace) look(t *server, p *process.Process) (why string, hopeless bool) {
	now := time.Now()
	if now.Before(w.next) {
		return "", false
	}
	w.next = now.Add(elsewherePoll)
	ports, _ := portsOf(t.diag, p) // as far as they can be read
	if line := w.see(now, ports, t.candidates()); line != "" {
		t.say(line)
	}
	return fmt.Sprintf("it listens on %s, and not on the target %s", listed(ports), t.where()), w.hopeless(now)
}

// see notes where a server listens. It returns, once, what to tell the user about it.
func (w *wrongPlace) see(now time.Time, ports, want []netip.AddrPort) (line string) {
	switch {
	case len(ports) == 0:
		*w = wrongPlace{said: w.said, next: w.next}
		return ""
	case w.since.IsZero():
		w.since = now
	}
	switch same := slices.ContainsFunc(ports, func(a netip.AddrPort) bool { return a.Port() == want[0].Port() }); {
	case !same:
		w.onPort = time.Time{}
	case w.onPort.IsZero():
		w.onPort = now
	}
	if w.said || now.Sub(w.since) < sayAfter {
		return ""
	}
	w.said = true
	return fmt.Sprintf("waiting for the server, which listens on %s so far, and not on %s", listed(ports), listed(want))
}

func (w *wrongPlace) hopeless(now time.Time) bool {
	return !w.onPort.IsZero() && now.Sub(w.onPort) >= hopelessAt
}

// elsewhere lists the addresses that p listens on, as far as they can be read.
func (s *server) elsewhere(p *process.Process) string {
	ports, _ := portsOf(s.diag, p)
	return listed(ports)
}

// portsOf are the addresses that p and its descendants listen on.
func portsOf(diag process.Sockets, p *process.Process) ([]netip.AddrPort, error) {
	pids, err := p.Tree()
	if err != nil {
		return nil, err
	}
	return process.Ports(diag, pids)
}

// listed is a list of processes or addresses as text.
func listed[T any](list []T) string { return strings.Join(texts(list), ", ") }

func texts[T any](list []T) (all []string) {
	for _, one := range list {
		all = append(all, fmt.Sprint(one))
	}
	return all
}
