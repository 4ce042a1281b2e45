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

// Greeting connects to target, from the given address if it is valid, sends nothing, and returns the beginning of what the server sends
// unasked. The load cannot see a greeting: its request leaves with the handshake's last ACK, so what it reads could be a greeting or
// a reply. The connection ends by RST, so that it leaves no TIME_WAIT.
func Greeting(ctx context.Context, target netip.AddrPort, from netip.Addr) (said []byte, connected bool) {
	ctx, cancel := context.WithTimeout(ctx, greetingConnect+greetingWait)
	defer cancel()
	d := net.Dialer{Timeout: greetingConnect}
	if from.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	began := time.Now()
	c, err := d.DialContext(ctx, "tcp", target.String())
	if err != nil {
		return nil, false // the load reports it
	}
	defer c.Close()
	_ = c.(*net.TCPConn).SetLinger(0)
	opened := time.Now()
	_ = c.SetReadDeadline(opened.Add(greetingWait + opened.Sub(began)))
	defer context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(opened) })()
	p := make([]byte, greetingBytes)
	n, _ := c.Read(p)
	return p[:n], true
}

// greetings asks for the greeting of each target that gets requests. It returns them quoted, and the number of connections made.
func greetings(ctx context.Context, p *loadgen.Plan) (said map[string]string, connections int) {
	said = make(map[string]string)
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
				b, connected := Greeting(ctx, t, from)
				mu.Lock()
				defer mu.Unlock()
				if connected {
					connections++
				}
				if len(b) > 0 {
					said[t.String()] = exchange.Beginning(b)
				}
			})
		}
	}
	all.Wait()
	return said, connections
}
