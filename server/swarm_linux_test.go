package server

import (
	"bufio"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// swarm is clients that ask all the time, of which each request has a fate.
type swarm struct {
	addr string
	stop atomic.Bool
	wg   sync.WaitGroup

	connected, answered, closing atomic.Int64
	// cut were received by the server, as far as the client can tell, and raced not.
	cut, raced atomic.Int64
	resets     atomic.Int64 // before a request, or in one
	refused    atomic.Int64
	late       atomic.Int64 // lost because the client paused longer than a server has patience
}

// tardy is the pause from which on a client does not count as one that asks all the time.
const tardy = recently / 2

// keepAlive asks on one connection until the server ends it.
func (w *swarm) keepAlive(think time.Duration) {
	w.wg.Go(func() {
		if c := w.dial(bound); c != nil {
			defer c.Close()
			for !w.stop.Load() && w.ask(c) {
				if think > 0 {
					time.Sleep(rand.N(think))
				}
			}
		}
	})
}

// arrivals connects again and again, for a request each.
func (w *swarm) arrivals() {
	w.wg.Go(func() {
		for !w.stop.Load() {
			c := w.dial(200 * time.Millisecond)
			if c == nil {
				return
			}
			w.ask(c)
			_ = c.conn.SetLinger(0) // no TIME_WAIT
			_ = c.Close()
		}
	})
}

// partial sends half a request, to be cut.
func (w *swarm) partial() {
	w.wg.Go(func() {
		if c := w.dial(bound); c != nil {
			defer c.Close()
			c.send(get[:10])
			_, err := c.r.ReadByte()
			w.lost(c, err, 0)
		}
	})
}

type asker struct {
	conn     *net.TCPConn
	r        *bufio.Reader
	sent     int // bytes, those of requests that were answered apart
	before   int
	answered time.Time
}

func (c *asker) Close() error { return c.conn.Close() }

// dial returns nil when the server accepts no more, which may show in silence alone: patience is how long to wait then.
func (w *swarm) dial(patience time.Duration) *asker {
	c, err := net.DialTimeout("tcp", w.addr, patience)
	if err != nil {
		if errors.Is(err, unix.ECONNREFUSED) {
			w.refused.Add(1)
		}
		return nil
	}
	w.connected.Add(1)
	_ = c.SetDeadline(time.Now().Add(bound))
	return &asker{conn: c.(*net.TCPConn), r: bufio.NewReader(c), answered: time.Now()}
}

func (c *asker) send(p string) bool {
	n, err := io.WriteString(c.conn, p)
	c.sent += n
	return err == nil
}

func (w *swarm) ask(c *asker) bool {
	pause := time.Since(c.answered)
	if !c.send(get) {
		// The connection was over before: nothing was sent.
		w.resets.Add(1)
		return false
	}
	r, err := http.ReadResponse(c.r, nil)
	if err == nil {
		_, err = io.Copy(io.Discard, r.Body)
	}
	if err != nil {
		w.lost(c, err, pause)
		return false
	}
	w.answered.Add(1)
	c.before += c.sent
	c.sent, c.answered = 0, time.Now()
	if r.Close {
		w.closing.Add(1)
		return false
	}
	return true
}

// lost decides the fate of a request without a reply: see Server.Shutdown.
func (w *swarm) lost(c *asker, err error, pause time.Duration) {
	if pause > tardy {
		w.late.Add(1)
	}
	if errors.Is(err, unix.ECONNRESET) {
		w.resets.Add(1)
		w.cut.Add(1)
		return
	}
	var info *unix.TCPInfo
	raw, _ := c.conn.SyscallConn()
	_ = raw.Control(func(fd uintptr) { info, _ = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
	const syn = 1
	if int(info.Bytes_acked) > syn+c.before {
		w.cut.Add(1)
	} else {
		w.raced.Add(1)
	}
}

// tries runs a test so many times, so many of them side by side, with both backends in turn.
func tries(t *testing.T, n, abreast int, try func(t *testing.T, cfg Config)) {
	if testing.Short() {
		n = max(n/5, 2)
	}
	backends := backends(t)
	turn := make(chan struct{}, abreast)
	var wg sync.WaitGroup
	for i := range n {
		turn <- struct{}{}
		wg.Go(func() {
			defer func() { <-turn }()
			cfg := config("client:fin", "close", "http:/")
			cfg.Backend = backends[i%len(backends)]
			cfg.Workers, cfg.Listeners = 1+i/2%2, 1+i/4%2
			cfg.Slots = 1000
			try(t, cfg)
		})
	}
	wg.Wait()
}
