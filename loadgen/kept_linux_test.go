package loadgen

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/sockio"
	"lastack/sockstate/socktest"
)

// keptPlan is a load of one group of clients that keep their connection.
func keptPlan(target netip.AddrPort, keep Keep, clients int) Plan {
	p := loadOf(0, target)
	p.Duration = MaxTime
	g := &p.Groups[0]
	g.Keep, g.Connections, g.Exchange = keep, clients, exchange.Spec{Kind: exchange.Echo, Request: 2, Response: 1}
	return p
}

// backends lists those that the kernel has.
func backends(t *testing.T) map[string]sockio.Backend {
	t.Helper()
	all := make(map[string]sockio.Backend)
	for _, name := range []string{"epoll", "uring"} {
		if b, _, err := sockio.Choose(name); err == nil {
			all[name] = b
		} else {
			t.Logf("without %s: %v", name, err)
		}
	}
	return all
}

// tally counts a journal's entries by what became of them.
func tally(j *Journal) map[string]int {
	m := make(map[string]int)
	for _, c := range j.Conns {
		m[fmt.Sprintf("conn %d %v", c.End, c.Outcome)]++
	}
	for _, r := range j.Requests {
		m[fmt.Sprintf("request %d", r.Fate)]++
	}
	return m
}

// TestKeep has a server do something to clients that keep their connection, and looks for it in the journal.
func TestKeep(t *testing.T) {
	socktest.Guard(t)
	const clients = 3
	ask := func(c *net.TCPConn) bool {
		_, err := io.ReadFull(c, make([]byte, 2))
		return err == nil
	}
	end := func(n End, o sockstate.Outcome) string { return fmt.Sprintf("conn %d %v", n, o) }
	request := func(f Fate) string { return fmt.Sprintf("request %d", f) }
	for _, tt := range []struct {
		name  string
		keep  Keep
		serve func(c *net.TCPConn, armed <-chan struct{})
		// over is when the load is concluded.
		over func(s *Snapshot) bool
		want map[string]int
	}{
		{"idle, FIN", KeepIdle, func(c *net.TCPConn, armed <-chan struct{}) {
			ask(c)
			_, _ = c.Write([]byte("y"))
			<-armed
		}, func(s *Snapshot) bool { return s.Groups[0].Before == 0 }, map[string]int{end(EndByFIN, sockstate.OutcomeFIN): clients}},
		{"idle, RST", KeepIdle, func(c *net.TCPConn, armed <-chan struct{}) {
			ask(c)
			_, _ = c.Write([]byte("y"))
			<-armed
			_ = c.SetLinger(0)
		}, func(s *Snapshot) bool { return s.Groups[0].Before == 0 }, map[string]int{end(EndByRST, sockstate.OutcomeRSTReceived): clients}},
		{"idle, nothing", KeepIdle, func(c *net.TCPConn, armed <-chan struct{}) {
			ask(c)
			_, _ = c.Write([]byte("y"))
			<-armed
			_, _ = io.Copy(io.Discard, c)
		}, func(*Snapshot) bool { return true }, map[string]int{end(EndByClient, sockstate.OutcomeFIN): clients}},
		{
			"asking, cut by FIN", KeepAsking, func(c *net.TCPConn, armed <-chan struct{}) {
				ask(c)
				<-armed
			}, func(s *Snapshot) bool { return s.Groups[0].Before == 0 },
			map[string]int{end(EndByFIN, sockstate.OutcomeCutInRequest): clients, request(CutByFIN): clients},
		},
		{
			"asking, cut by RST", KeepAsking, func(c *net.TCPConn, armed <-chan struct{}) {
				<-armed // the request is not read
			}, func(s *Snapshot) bool { return s.Groups[0].Before == 0 },
			map[string]int{end(EndByRST, sockstate.OutcomeCutInRequest): clients, request(CutByRST): clients},
		},
		{
			"asking, answered and concluded", KeepAsking, func(c *net.TCPConn, armed <-chan struct{}) {
				ask(c)
				<-armed
				_, _ = c.Write([]byte("y"))
				_, _ = io.Copy(io.Discard, c)
			}, func(s *Snapshot) bool { return s.Groups[0].Ledger.Requests == clients },
			// Each has asked again by then, and is not answered.
			map[string]int{end(EndOpen, sockstate.OutcomeInterrupted): clients, request(Answered): clients, request(RequestOpen): clients},
		},
		{"partial, nothing", KeepPartial, func(c *net.TCPConn, armed <-chan struct{}) {
			ask(c)
		}, func(*Snapshot) bool { return true }, map[string]int{end(EndByClient, sockstate.OutcomeFIN): clients, request(RequestOpen): clients}},
		{
			"partial, FIN", KeepPartial, func(c *net.TCPConn, armed <-chan struct{}) {
				_, _ = io.ReadFull(c, make([]byte, 1))
				<-armed
			}, func(s *Snapshot) bool { return s.Groups[0].Before == 0 },
			map[string]int{end(EndByFIN, sockstate.OutcomeCutInRequest): clients, request(CutByFIN): clients},
		},
	} {
		for name, backend := range backends(t) {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				l := newLabBeside(t)
				armed := make(chan struct{})
				p := keptPlan(l.peer(func(c *net.TCPConn) { tt.serve(c, armed) }), tt.keep, clients)
				g := l.newLoad(Config{Plan: p, Journal: true, Backend: backend})
				mustStart(context.Background(), t, g)
				until(t, g, func(s *Snapshot) bool {
					return s.Groups[0].Established == clients && (tt.keep != KeepIdle || s.Groups[0].Ledger.Requests == clients)
				})
				if s := g.Mark(); s.Groups[0].Before != clients {
					t.Fatalf("%d connections were open at Mark, want %d", s.Groups[0].Before, clients)
				}
				close(armed)
				until(t, g, tt.over)
				g.Conclude()
				if tt.want[request(RequestOpen)] > 0 && tt.keep == KeepAsking {
					until(t, g, func(s *Snapshot) bool { return s.Closing })
					g.Stop()
				}
				r := finish(t, g)
				if diff := cmp.Diff(tt.want, tally(r.Journal)); diff != "" {
					t.Errorf("journal (-want +got):\n%s", diff)
				}
				for _, c := range r.Journal.Conns {
					if !c.Local().IsValid() || c.Opened == 0 || c.Ended < c.Opened || c.Began > c.Opened {
						t.Errorf("entry %+v of client %v", c, c.Local())
					}
				}
			})
		}
	}
}

// TestReconnect has clients lose their connection, be refused, and come back.
func TestReconnect(t *testing.T) {
	socktest.Guard(t)
	for name, backend := range backends(t) {
		t.Run(name, func(t *testing.T) {
			l := newLabBeside(t)
			var ln net.Listener
			listen := func(at string) {
				l.do(func() (err error) {
					ln, err = net.Listen("tcp", at)
					return err
				})
			}
			listen("127.0.0.1:0")
			addr := ln.Addr().String()
			p := keptPlan(netip.MustParseAddrPort(addr), KeepIdle, 2)
			p.Groups[0].Exchange = exchange.Spec{}
			p.Groups[0].Reconnect = time.Millisecond
			g := l.newLoad(Config{Plan: p, Journal: true, Backend: backend})
			before := l.counter("TcpActiveOpens")
			mustStart(context.Background(), t, g)
			until(t, g, func(s *Snapshot) bool { return s.Groups[0].Established == 2 })
			g.Mark()
			_ = ln.Close() // resets what nobody accepted
			until(t, g, func(s *Snapshot) bool { return s.Groups[0].Ledger.Failed() >= 4 })
			listen(addr)
			until(t, g, func(s *Snapshot) bool { return s.Groups[0].Established == 2 })
			g.Conclude()
			r := finish(t, g)
			_ = ln.Close()
			l.checkOpens(r, before)
			lost, refused, back := 0, 0, 0
			for _, c := range r.Journal.Conns {
				switch {
				case c.End == EndByRST && !c.Again:
					lost++
				case c.Outcome == sockstate.OutcomeRefused && c.Again:
					refused++
				case c.End == EndByClient && c.Again:
					back++
				}
			}
			if lost != 2 || refused < 2 || back != 2 || lost+refused+back != len(r.Journal.Conns) {
				t.Errorf("%d lost, %d refused, %d back, of %d entries", lost, refused, back, len(r.Journal.Conns))
			}
		})
	}
}

// TestDismissed has clients that ask on be told with each reply that the connection ends: the next request does not wait for
// Reconnect; without one it is left out once the load is marked. All of it with and without a journal.
func TestDismissed(t *testing.T) {
	socktest.Guard(t)
	for name, backend := range backends(t) {
		for _, tt := range []struct {
			reconnect time.Duration
			journal   bool
		}{{0, true}, {0, false}, {time.Hour, true}, {time.Hour, false}} {
			t.Run(fmt.Sprintf("%s/%v, journal %v", name, tt.reconnect, tt.journal), func(t *testing.T) {
				l := newLabBeside(t)
				p := keptPlan(l.peer(func(c *net.TCPConn) {
					_, _ = c.Read(make([]byte, 1024))
					_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
				}), KeepAsking, 1)
				p.Groups[0].Exchange = exchange.Spec{Kind: exchange.HTTP, Path: "/"}
				p.Groups[0].Reconnect = tt.reconnect
				g := l.newLoad(Config{Plan: p, Journal: tt.journal, Backend: backend})
				before := l.counter("TcpActiveOpens")
				mustStart(context.Background(), t, g)
				until(t, g, func(s *Snapshot) bool { return s.Groups[0].Ledger.Requests >= 3 })
				if g.Mark(); tt.reconnect == 0 {
					until(t, g, func(s *Snapshot) bool {
						return s.Open == 0 && s.Ledger.Outcomes[sockstate.OutcomeFIN] == s.Ledger.Attempted
					})
				}
				g.Conclude()
				l.checkOpens(finish(t, g), before)
			})
		}
	}
}

// TestGate has a group wait until it is told to begin.
func TestGate(t *testing.T) {
	l := newLab(t)
	p := keptPlan(l.listen("127.0.0.1:0", 64), KeepIdle, 2)
	p.Groups = append(p.Groups, p.Groups[0])
	p.Groups[1].Gated = true
	p.Groups[0].Exchange, p.Groups[1].Exchange = exchange.Spec{}, exchange.Spec{}
	g := l.newLoad(Config{Plan: p, Journal: true})
	mustStart(context.Background(), t, g)
	until(t, g, func(s *Snapshot) bool { return s.Groups[0].Established == 2 })
	if s := g.Snapshot(); s.Groups[1].Ledger.Attempted != 0 {
		t.Errorf("%d attempts before Begin", s.Groups[1].Ledger.Attempted)
	}
	g.Begin(1)
	until(t, g, func(s *Snapshot) bool { return s.Groups[1].Established == 2 })
	g.Conclude()
	finish(t, g)
}
