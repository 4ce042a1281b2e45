package gallery

// Entries lists the gallery, in the order of the table.
func Entries() []Entry {
	var all []Entry
	for _, es := range [][]Entry{nginxEntries(), haproxyEntries(), apacheEntries(), lighttpdEntries(), goEntries(), nodeEntries(), pythonEntries()} {
		all = append(all, es...)
	}
	return all
}

// What several entries expect.
var (
	// gone is a process without a word to its clients: the kernel closes its sockets (do_exit, exit_files), with
	// RST where data was unread (tcp_close), and resets what nobody accepted (inet_csk_listen_stop).
	gone = Expected{
		Queued: {RST}, Idle: {FIN, RST}, InFlight: {Cut}, Racing: {None, Raced},
		New: {Refused}, Exit: {BySignal}, Port: {PortReuse},
	}
	// drained is what a graceful stop means to most.
	drained = Expected{
		Queued: {RST}, Idle: {FIN}, InFlight: {Answered, AnsweredClose}, Racing: {None, Raced},
		New: {Refused}, Exit: {ExitOK}, Port: {PortReuse},
	}
	// reloaded keeps the listening socket, and lets the old workers end by themselves.
	reloaded = Expected{
		Queued: {Served}, Idle: {FIN}, InFlight: {Answered, AnsweredClose}, Racing: {None, Raced},
		New: {Accepted}, Exit: {Stays},
	}
)

// but is e with other fates in one column.
func (e Expected) but(c Column, fates ...Fate) Expected {
	e[c] = fates
	return e
}

// elsewhere explains a queue of which somebody else accepts than who has the signal.
func elsewhere(who, source string) Note {
	return Note{
		Column: Queued, Fates: []Fate{Served, FIN}, Source: source,
		Why: "Who has the signal is not who accepts: woken together, " + who + " takes some out of the queue before it is told. FIN: taken, and closed unanswered.",
	}
}

// keptTold remarks on a reply that has promised what does not come.
func keptTold(source string) Note {
	return Note{
		Column: Racing, Source: source,
		Why: "The header of the reply in flight was sent before the signal and promises keep-alive, and the connection is closed after the body all the same: a client that asks on at once loses that request. Of replies that begin later the header says \"Connection: close\".",
	}
}

func nginxEntries() []Entry {
	const control = "https://nginx.org/en/docs/control.html"
	worker := elsewhere("a worker", "ngx_master_process_cycle, ngx_signal_worker_processes")
	header := keptTold("ngx_http_header_filter, ngx_http_finalize_connection")
	return []Entry{
		{
			ID: "nginx-quit", Server: nginx, Signal: "QUIT", Expected: drained,
			Sources: []string{control + " (graceful shutdown)", "ngx_worker_process_cycle, ngx_close_idle_connections"},
			Notes:   []Note{worker, header},
		},
		{
			ID: "nginx-term", Server: nginx, Signal: "TERM", Expected: gone.but(Exit, ExitOK),
			Sources: []string{control + " (fast shutdown)", "ngx_worker_process_exit"},
			Notes:   []Note{worker},
		},
		{
			ID: "nginx-hup", Server: nginx, Signal: "HUP", How: "reload", Reload: true, Expected: reloaded,
			Sources: []string{control + " (changing configuration)", "ngx_master_process_cycle: the listening socket stays open in the master"},
			Notes:   []Note{header},
		},
	}
}

func haproxyEntries() []Entry {
	const management = "https://docs.haproxy.org/2.6/management.html#4"
	worker := elsewhere("the worker", "mworker_catch_sigterm, mworker_kill")
	return []Entry{
		{
			ID: "haproxy-usr1", Server: haproxy, Signal: "USR1", Expected: drained.but(InFlight, AnsweredClose),
			Sources: []string{management + " (graceful stop)", "do_soft_stop_now; h1_process closes idle connections, h1_set_cli_conn_mode has replies say \"Connection: close\""},
			Notes:   []Note{worker},
		},
		{
			ID: "haproxy-term", Server: haproxy, Signal: "TERM", Expected: gone.but(Exit, ExitOK),
			Sources: []string{management + " (hard stop)", "mworker_catch_sigterm"},
			Notes:   []Note{worker},
		},
		{
			ID: "haproxy-usr2", Server: haproxy, Signal: "USR2", How: "reload", Reload: true, Expected: reloaded.but(InFlight, AnsweredClose),
			Sources: []string{management + " (master-worker mode; expose-fd listeners)", "sock_get_old_sockets"},
		},
	}
}

func apacheEntries() []Entry {
	const stopping = "https://httpd.apache.org/docs/2.4/stopping.html"
	child := elsewhere("a child", "event.c: server_main_loop, ap_mpm_podx_killpg")
	return []Entry{
		{
			ID: "apache-winch", Server: apache, Signal: "WINCH", How: "graceful-stop", Expected: drained,
			Sources: []string{stopping + "#gracefulstop", "event.c: listener_thread, process_keepalive_queue"},
			Notes: []Note{child, keptTold("ap_set_keepalive; event.c: process_socket"), {
				Column: InFlight, Fates: []Fate{Cut}, Source: "ap_start_lingering_close",
				Why: "These are second requests: sent as soon as the reply was there, they crossed the FIN of a lingering close, which reads and drops what still comes. Without a reset a client cannot tell them from requests that were begun.",
			}},
		},
		{
			ID: "apache-term", Server: apache, Signal: "TERM", Expected: gone.but(Exit, ExitOK),
			Sources: []string{stopping + "#term", "event.c: signal_threads, close_worker_sockets"},
			Notes: []Note{child, {
				Column: New, Source: "event.c: event_run, ap_reclaim_child_processes",
				Why: "The children stop accepting at once, but the parent holds the listening socket until they have ended: until then connections are established, and reset when it exits.",
			}},
		},
	}
}

func lighttpdEntries() []Entry {
	const manual = "lighttpd(8)"
	return []Entry{
		{
			ID: "lighttpd-int", Server: lighttpd, Signal: "INT", How: "graceful", Expected: drained.but(InFlight, AnsweredClose),
			Sources: []string{manual, "server_graceful_state, connection_graceful_shutdown_maint"},
		},
		{
			ID: "lighttpd-term", Server: lighttpd, Signal: "TERM", Expected: gone.but(Exit, ExitOK),
			Sources: []string{manual, "server_main_loop"},
			Notes: []Note{{
				Column: Exit, Fates: []Fate{ExitCode(1)}, Source: "server.c: main",
				Why: "main returns 1 where connections are still open when the loop ends.",
			}},
		},
	}
}

func goEntries() []Entry {
	const page = "https://pkg.go.dev/net/http#Server.Shutdown"
	return []Entry{
		{
			ID: "go-shutdown", Server: goServer, Mode: ModeGraceful, How: "Shutdown", Signal: "TERM", Expected: drained.but(InFlight, AnsweredClose),
			Sources: []string{page, "closeIdleConns; chunkWriter.writeHeader says \"Connection: close\" in a shutdown"},
			Notes: []Note{{
				Column: Queued, Fates: []Fate{Served, FIN}, Source: "net/http: Server.Serve, conn.serve",
				Why: "The goroutine that accepts runs beside the one that has the signal, and takes some out of the queue before the listener is closed. FIN: a request that was read when the shutdown had begun is dropped unanswered (shuttingDown).",
			}},
		},
		{
			ID: "go-term", Server: goServer, Mode: ModeDefault, How: "no handler", Signal: "TERM", Expected: gone,
			Sources: []string{"https://pkg.go.dev/os/signal (default behavior)"},
		},
	}
}

func nodeEntries() []Entry {
	return []Entry{
		{
			ID: "node-close", Server: node, Mode: ModeGraceful, How: "server.close()", Signal: "TERM", Expected: drained,
			Sources: []string{"https://nodejs.org/docs/latest-v20.x/api/http.html#serverclosecallback", "lib/_http_server.js: httpServerPreClose, closeIdleConnections"},
			Notes: []Note{
				{
					Column: Queued, Fates: []Fate{Served}, Source: "libuv uv__io_poll, uv__server_io; https://github.com/libuv/libuv/pull/3696",
					Why: "When a poll finds both, libuv handles the signal last; before that it accepts, one connection a turn.",
				},
				{
					Column: InFlight, Fates: []Fate{Cut, Unanswered}, Source: "lib/_http_server.js: resOnFinish; https://github.com/nodejs/node/issues/2642",
					Why: "server.close() ends connections that are idle at that moment. One that was busy is kept after its reply, which does not say \"Connection: close\", and its next requests are answered: clients that go on asking keep the process alive until it is killed, which cuts them.",
				},
				{
					Column: Exit, Fates: []Fate{KilledLate}, Source: "lib/_http_server.js: resOnFinish; https://github.com/nodejs/node/issues/2642",
					Why: "server.close() ends connections that are idle at that moment. One that was busy is kept after its reply, which does not say \"Connection: close\", and its next requests are answered: clients that go on asking keep the process alive until it is killed, which cuts them.",
				},
			},
		},
		{
			ID: "node-term", Server: node, Mode: ModeDefault, How: "no handler", Signal: "TERM", Expected: gone,
			Sources: []string{"https://nodejs.org/docs/latest-v20.x/api/process.html#signal-events"},
		},
	}
}

func pythonEntries() []Entry {
	return []Entry{
		{
			ID: "python-shutdown", Server: python, Mode: ModeGraceful, How: "shutdown()", Signal: "TERM", Expected: drained,
			Sources: []string{"https://docs.python.org/3.11/library/socketserver.html (shutdown; server_close, with block_on_close, waits for threads)"},
			Notes: []Note{{
				Column: InFlight, Fates: []Fate{Cut}, Source: "Lib/http/server.py: ThreadingHTTPServer; Lib/socketserver.py: _NoThreads",
				Why: "ThreadingHTTPServer sets daemon_threads, and daemon threads are not waited for: the process ends under them.",
			}},
		},
		{
			ID: "python-term", Server: python, Mode: ModeDefault, How: "no handler", Signal: "TERM", Expected: gone,
			Sources: []string{"https://docs.python.org/3.11/library/signal.html (SIGTERM has its default)"},
		},
	}
}
