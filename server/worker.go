package server

import (
	"sync/atomic"
	"time"

	"lastack/sockstate"
	"lastack/sockstate/clock"
	"lastack/sockstate/exchange"
	"lastack/sockstate/sockio"
	"lastack/sockstate/teardown"
)

// worker is one goroutine, locked to its thread, with a loop and slots of its own.
type worker struct {
	id       int
	cfg      *Config
	loop     sockio.Loop
	conns    []conn
	requests []requestState // none where nothing is exchanged
	rest     map[sockio.Sock]*rest
	spare    []*rest
	stats    Stats
	thread   int

	responder    *exchange.Server
	silence      requestState
	closer       teardown.Closer
	httpCloser   teardown.Closer
	lingerer     teardown.Closer // after a refusal
	closesFirst  bool
	leavesUnread bool // server:unread: the last request is not read
	servesHTTP   bool
	exchanges    int32 // before the server closes, where it closes first

	lameDuck bool // replies say that it is the last
	draining bool // and idle connections are closed
	drained  int  // slots that drain has been at
	silent   bool // nothing is answered any more
	frozen   bool // connections end by themselves no more, or only seem to
	heard    int  // completions

	message atomic.Pointer[message]
}

// message is what the Server asks of a worker; each is answered once on done.
type message struct {
	kind  messageKind
	reset bool // for sayAbort: all by RST
	done  chan Stats
}

type messageKind uint8

const (
	sayStats messageKind = iota
	sayLameDuck
	sayStopAccept
	sayDrain
	sayHush
	sayFreeze
	sayAbort
	sayStop
)

const longest = int64(100 * time.Millisecond)

func newWorker(cfg *Config, id int) *worker {
	w := &worker{
		id:           id,
		cfg:          cfg,
		conns:        make([]conn, cfg.Slots),
		rest:         make(map[sockio.Sock]*rest),
		stats:        Stats{AcceptErrors: make(map[sockio.Errno]int64)},
		responder:    exchange.NewServer(cfg.Exchange),
		closer:       serverSide(cfg.Close, cfg.OnEOF),
		httpCloser:   serverSide(teardown.Policy{Who: teardown.ServerFirst}, cfg.OnEOF),
		lingerer:     serverSide(teardown.Policy{Who: teardown.ServerFirst, How: teardown.Half}, teardown.Reaction{}),
		closesFirst:  cfg.Close.Active(sockstate.Server),
		leavesUnread: cfg.Close.Who == teardown.ServerFirst && cfg.Close.How.LeavesUnread(),
		servesHTTP:   cfg.Exchange.Kind == exchange.HTTP,
		exchanges:    int32(max(cfg.Requests, 1)),
	}
	if cfg.Exchange.Kind != exchange.None {
		w.requests = make([]requestState, cfg.Slots)
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
	sockio.SchedBatch()
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
	return sockio.SetAffinity(cpu)
}

// run serves until it is told to stop.
func (w *worker) run() error {
	for {
		if m := w.message.Swap(nil); m != nil {
			err := w.obey(m)
			m.done <- w.stats.clone()
			if err != nil || m.kind == sayStop {
				return err
			}
		}
		until := clock.Now() + longest
		if w.draining && w.drained < len(w.conns) {
			w.drain()
			until = 0
		}
		if err := w.loop.Wait(until); err != nil {
			return err
		}
	}
}

func (w *worker) obey(m *message) error {
	switch m.kind {
	case sayStats:
	case sayLameDuck:
		w.lameDuck = true
	case sayStopAccept:
		w.loop.StopAccept()
	case sayDrain:
		w.lameDuck, w.draining = true, true
	case sayHush:
		w.hush()
	case sayFreeze:
		w.freeze()
	case sayAbort:
		return w.abort(m.reset)
	case sayStop:
		w.settle()
	}
	return nil
}

// answerUntilStopped answers messages for a worker whose loop has failed, so that Server does not wait forever.
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
