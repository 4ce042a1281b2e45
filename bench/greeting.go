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

// listenFor is long enough for a server to accept and to write its greeting; what the way there takes comes on top.
const listenFor = 50 * time.Millisecond

// wayAtMost bounds the connect, and so what it adds to listenFor.
const wayAtMost = time.Second

// greetingBytes is as much of a greeting as is read.
const greetingBytes = 256

// Greeting connects to target, from the address if that is valid, asks nothing, and returns what comes: the beginning of what a server
// says before it is asked. A load does not see that: its requests leave with the handshake's ACK, before any server can have spoken,
// and a reply does not tell whether its server has read a request. The connection ends by RST: it leaves no TIME_WAIT.
func Greeting(ctx context.Context, target netip.AddrPort, from netip.Addr) (said []byte, connected bool) {
	ctx, cancel := context.WithTimeout(ctx, wayAtMost+listenFor)
	defer cancel()
	d := net.Dialer{Timeout: wayAtMost}
	if from.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	began := time.Now()
	c, err := d.DialContext(ctx, "tcp", target.String())
	if err != nil {
		return nil, false // the load will say so
	}
	defer c.Close()
	_ = c.(*net.TCPConn).SetLinger(0)
	opened := time.Now()
	_ = c.SetReadDeadline(opened.Add(listenFor + opened.Sub(began)))
	defer context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(opened) })()
	p := make([]byte, greetingBytes)
	n, _ := c.Read(p)
	return p[:n], true
}

// greetings are what the targets of p say before they are asked, of those that are to be asked, quoted, and on how many connections.
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
