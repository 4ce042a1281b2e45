package server

import (
	"sync/atomic"
	"time"

	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/sockio"
	"lastack/sockstate/teardown"
)

// worker is one goroutine, locked to its thread, with a loop and slots of its own.
type worker struct {
	id     int
	cfg    *Config
	loop   sockio.Loop
	conns  []conn
	talks  []talk // none where nothing is exchanged
	rest   map[sockio.Sock][]byte
	stats  Stats
	thread int

	answerer     *exchange.Server
	silence      talk
	closer       teardown.Closer
	httpCloser   teardown.Closer
	closesFirst  bool
	leavesUnread bool // server:unread: the last request is not read
	servesHTTP   bool
	exchanges    int32 // before the server closes; 0: the client says
	draining     bool
	drained      int // slots that drain has been at

	message atomic.Pointer[message]
}

// message is what the Server asks of a worker; each is answered once on done.
type message struct {
	kind  messageKind
	stall time.Duration
	done  chan Stats
}

type messageKind uint8

const (
	sayStats messageKind = iota
	sayDrain
	sayStall
	sayStop
)

const longest = int64(100 * time.Millisecond)

func newWorker(cfg *Config, id int) *worker {
	w := &worker{
		id:           id,
		cfg:          cfg,
		conns:        make([]conn, cfg.Slots),
		rest:         make(map[sockio.Sock][]byte),
		stats:        Stats{AcceptErrors: make(map[sockio.Errno]int64)},
		answerer:     exchange.NewServer(cfg.Exchange),
		closer:       serverSide(cfg.Close, cfg.OnEOF),
		httpCloser:   serverSide(teardown.Policy{Who: teardown.ServerFirst}, cfg.OnEOF),
		closesFirst:  cfg.Close.Active(sockstate.Server),
		leavesUnread: cfg.Close.Who == teardown.ServerFirst && cfg.Close.How == teardown.Unread,
		servesHTTP:   cfg.Exchange.Kind == exchange.HTTP,
		exchanges:    int32(cfg.Requests),
	}
	if w.exchanges == 0 && (!w.servesHTTP || w.leavesUnread) {
		w.exchanges = 1
	}
	if cfg.Exchange.Kind != exchange.None {
		w.talks = make([]talk, cfg.Slots)
	}
	return w
}

// open enters the namespace and makes the loop, on the worker's own thread.
func (w *worker) open(listeners []*sockio.Listener) (err error) {
	if err := w.cfg.Namespace.Enter(); err != nil {
		return err
	}
	w.thread = sockio.ThreadID()
	if err := w.stay(listeners); err != nil {
		return err
	}
	sockio.YieldToOthers()
	w.loop, err = w.cfg.Backend.New(sockio.Config{Slots: len(w.conns), Handler: w, GivesWay: true})
	if err != nil {
		return err
	}
	for i, ln := range listeners {
		if err := w.loop.Accept(ln.FD, i); err != nil {
			_ = w.loop.CloseAll(true) // the error above is the one to tell
			return err
		}
	}
	return nil
}

// stay keeps the worker on its CPU, if it has one, and has its listeners prefer it.
func (w *worker) stay(listeners []*sockio.Listener) error {
	if len(w.cfg.CPUs) == 0 {
		return nil
	}
	cpu := w.cfg.CPUs[w.id]
	for _, ln := range listeners {
		if err := ln.PreferCPU(cpu); err != nil {
			return err
		}
	}
	return sockio.RunOn(cpu)
}

// run serves until it is told to stop.
func (w *worker) run() error {
	for {
		if m := w.message.Swap(nil); m != nil {
			switch m.kind {
			case sayStats:
			case sayDrain:
				w.draining = true
				w.loop.StopAccept()
			case sayStall:
				time.Sleep(m.stall)
			case sayStop:
				w.settle()
				m.done <- w.stats.clone()
				return nil
			}
			m.done <- w.stats.clone()
		}
		until := sockio.Now() + longest
		if w.draining && w.drained < len(w.conns) {
			w.drain()
			until = 0
		}
		if err := w.loop.Wait(until); err != nil {
			return err
		}
	}
}

// answerUntilStopped keeps a worker whose loop has failed from leaving its Server waiting.
func (w *worker) answerUntilStopped() {
	for {
		if m := w.message.Swap(nil); m != nil {
			if m.kind == sayStop {
				w.settle()
			}
			m.done <- w.stats.clone()
			if m.kind == sayStop {
				return
			}
		}
		time.Sleep(time.Duration(longest) / 10)
	}
}

// drainBurst is how many closes are queued before the loop is asked again: no more than it
// performs in one Wait, a close being up to three operations, or its queue would grow with
// the connections.
const drainBurst = 32

// drain closes the connections that nothing is due on, so many at a time; the others close when they
// have had their reply.
func (w *worker) drain() {
	for most := drainBurst; most > 0 && w.drained < len(w.conns); w.drained++ {
		s := sockio.Sock(w.drained)
		k := &w.conns[s]
		if k.phase == holding || k.phase == reading && w.idle(s) {
			w.loop.StopTimer(s)
			w.give(k, s, Drained)
			most--
		}
	}
}

// settle gives every open connection its outcome. The sockets are closed with the loop.
func (w *worker) settle() {
	for i := range w.conns {
		k := &w.conns[i]
		switch {
		case k.phase == free:
			continue
		case k.tear.Held() || w.cfg.Close.Who == teardown.Nobody:
			w.stats.Outcomes[Held]++
		default:
			w.stats.Outcomes[Aborted]++
		}
		w.stats.Open--
		k.phase = free
	}
	w.stats.Stuck = 0
}
