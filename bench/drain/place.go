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
	// elsewherePoll is the polling interval for where else a server listens, which reads its descriptors.
	elsewherePoll = 250 * time.Millisecond
	// sayAfter is how long a server may listen only elsewhere before that is told. hopelessAt is how long it may listen on the target's
	// port of another address: then its address is wrong. On another port it may be a server that opens its main port late.
	sayAfter, hopelessAt = time.Second, 3 * time.Second
)

// wrongPlace is a server that listens, and not where it should.
type wrongPlace struct {
	since, onPort time.Time // zero: it does not
	said          bool
	next          time.Time // when to look again
}

// look reads where p listens, if not on the target, and says why that will not change.
func (w *wrongPlace) look(t *server, p *process.Process) (why string, hopeless bool) {
	now := time.Now()
	if now.Before(w.next) {
		return "", false
	}
	w.next = now.Add(elsewherePoll)
	ports := t.ports(p)
	if line := w.see(now, ports, t.candidates()); line != "" {
		t.say(line)
	}
	return fmt.Sprintf("it listens on %s, and not on the target %s", addresses(ports), t.where()), w.hopeless(now)
}

// see notes where a server listens. It returns once what to tell of that.
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
	return fmt.Sprintf("waiting for the server, which listens on %s so far, and not on %s", addresses(ports), addresses(want))
}

func (w *wrongPlace) hopeless(now time.Time) bool {
	return !w.onPort.IsZero() && now.Sub(w.onPort) >= hopelessAt
}

// elsewhere lists the addresses that p listens on.
func (s *server) elsewhere(p *process.Process) string { return addresses(s.ports(p)) }

// ports are the addresses that p listens on, as far as they can be read.
func (s *server) ports(p *process.Process) []netip.AddrPort {
	pids, err := p.Tree()
	if err != nil {
		return nil
	}
	ports, err := process.Ports(s.diag, pids)
	if err != nil {
		return nil
	}
	return ports
}

func addresses(list []netip.AddrPort) string {
	var words []string
	for _, a := range list {
		words = append(words, a.String())
	}
	return strings.Join(words, ", ")
}
