package bench

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"lastack/loadgen"
	"lastack/sockstate/exchange"
)

// greetingWait is long enough for a server to accept and to write its greeting. The round trip is added to it.
const greetingWait = 50 * time.Millisecond

// greetingConnect bounds the connect, and with it the round trip that is added to greetingWait.
const greetingConnect = time.Second

// greetingBytes is how much of a greeting is read.
const greetingBytes = 256

// A Probe is a connection to a target on which nothing is sent, to see whether the target speaks unasked. The load cannot see that: its
// request leaves with the handshake's last ACK, so what it reads could be a greeting or a reply.
type Probe struct {
	target netip.AddrPort
	conn   probeConn // nil: the target did not accept it, which the load reports
	said   []byte
}

// probeConn is what a Probe needs of a TCP connection.
type probeConn interface {
	net.Conn
	SetLinger(sec int) error
}

// NewProbe connects to target, from the given address if it is valid, and waits for a greeting. End must be called.
func NewProbe(ctx context.Context, target netip.AddrPort, from netip.Addr) *Probe {
	p := &Probe{target: target}
	ctx, cancel := context.WithTimeout(ctx, greetingConnect+greetingWait)
	defer cancel()
	d := net.Dialer{Timeout: greetingConnect}
	if from.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	began := time.Now()
	c, err := d.DialContext(ctx, "tcp", target.String())
	if err != nil {
		return p
	}
	p.conn = c.(*net.TCPConn)
	opened := time.Now()
	_ = p.conn.SetReadDeadline(opened.Add(greetingWait + opened.Sub(began)))
	defer context.AfterFunc(ctx, func() { _ = p.conn.SetReadDeadline(opened) })()
	p.read()
	return p
}

func (p *Probe) read() {
	b := make([]byte, greetingBytes)
	n, _ := p.conn.Read(b)
	p.said = append(p.said, b[:n]...)
}

// Connected reports whether the target accepted the connection.
func (p *Probe) Connected() bool { return p.conn != nil }

// End returns the beginning of what the target has sent, and ends the connection by RST, so that it leaves no TIME_WAIT. It looks once
// more: a server that the scheduler or its own queue held up speaks while the load is prepared. End may be called again.
func (p *Probe) End() []byte {
	if p.conn == nil {
		return p.said
	}
	if len(p.said) == 0 {
		_ = p.conn.SetReadDeadline(time.Now().Add(time.Millisecond)) // one in the past would not read what is there
		p.read()
	}
	_ = p.conn.SetLinger(0)
	_ = p.conn.Close()
	return p.said
}

// probe opens a Probe of each target that gets requests.
func probe(ctx context.Context, p *loadgen.Plan) (probes []*Probe) {
	var (
		all  sync.WaitGroup
		mu   sync.Mutex
		seen = make(map[netip.AddrPort]bool)
	)
	for i := range p.Groups {
		g := &p.Groups[i]
		if g.Exchange.Kind == exchange.None {
			continue
		}
		var from netip.Addr
		if len(g.Sources) > 0 {
			from = g.Sources[0]
		}
		for _, t := range g.Targets {
			if seen[t] {
				continue
			}
			seen[t] = true
			all.Go(func() {
				one := NewProbe(ctx, t, from)
				mu.Lock()
				defer mu.Unlock()
				probes = append(probes, one)
			})
		}
	}
	all.Wait()
	return probes
}

// endAll ends probes at once, as each may wait, and returns what End does for each.
func endAll(probes []*Probe) [][]byte {
	var all sync.WaitGroup
	said := make([][]byte, len(probes))
	for i, p := range probes {
		all.Go(func() { said[i] = p.End() })
	}
	all.Wait()
	return said
}

// endProbes takes what targets sent unasked, quoted, and the number of connections made to find that out.
func (e *experiment) endProbes() {
	if len(e.probes) > 0 {
		e.greetings = make(map[string]string)
	}
	for i, said := range endAll(e.probes) {
		p := e.probes[i]
		if p.Connected() {
			e.probed++
		}
		if len(said) > 0 {
			e.greetings[p.target.String()] = exchange.Beginning(said)
		}
	}
	e.probes = nil
}
