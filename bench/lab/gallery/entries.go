package main

// entries lists the gallery, in the order of the table.
func entries() []entry {
	var all []entry
	for _, es := range [][]entry{nginxEntries(), haproxyEntries(), apacheEntries(), lighttpdEntries(), goEntries(), nodeEntries(), pythonEntries()} {
		all = append(all, es...)
	}
	return all
}

// What several entries expect.
var (
	// gone is a process that just ends: the kernel closes its sockets (do_exit, exit_files), by RST if data is unread (tcp_close), and
	// resets the connections in the accept queue (inet_csk_listen_stop).
	gone = expectation{
		colQueued: {rst}, colIdle: {fin, rst}, colInFlight: {cut}, colRaced: {none, raced},
		colNew: {refused}, colExit: {bySignal}, colPort: {portReuse},
	}
	// drained is the usual graceful stop.
	drained = expectation{
		colQueued: {rst}, colIdle: {fin}, colInFlight: {answered, answeredClose}, colRaced: {none, raced},
		colNew: {refused}, colExit: {exitOK}, colPort: {portReuse},
	}
	// reloaded keeps the listening socket, while the old workers finish.
	reloaded = expectation{
		colQueued: {served}, colIdle: {fin}, colInFlight: {answered, answeredClose}, colRaced: {none, raced},
		colNew: {accepted}, colExit: {stays},
	}
)

// but is e with different fates in one column.
func (e expectation) but(c column, fates ...fate) expectation {
	e[c] = fates
	return e
}

// elsewhere explains an accept queue that another process serves than the one that gets the signal.
func elsewhere(who, source string) note {
	return note{
		Column: colQueued, Fates: []fate{served, fin}, Source: source,
		Why: "The master gets the signal; " + who + " accepts until the master tells it to stop. FIN: accepted, then closed without a reply.",
	}
}

// keptTold is about a reply that promises keep-alive on a connection that is then closed.
func keptTold(source string) note {
	return note{
		Column: colRaced, Source: source,
		Why: "The reply's header was sent before the signal and promises keep-alive, but the server closes the connection after the body: a client that sends its next request at once loses it. Replies that begin later say \"Connection: close\".",
	}
}

func nginxEntries() []entry {
	const control = "https://nginx.org/en/docs/control.html"
	worker := elsewhere("a worker", "ngx_master_process_cycle, ngx_signal_worker_processes")
	header := keptTold("ngx_http_header_filter, ngx_http_finalize_connection")
	return []entry{
		{
			ID: "nginx-quit", Server: nginx, Signal: "QUIT", Expected: drained,
			Sources: []string{control + " (graceful shutdown)", "ngx_worker_process_cycle, ngx_close_idle_connections"},
			Notes:   []note{worker, header},
		},
		{
			ID: "nginx-term", Server: nginx, Signal: "TERM", Expected: gone.but(colExit, exitOK),
			Sources: []string{control + " (fast shutdown)", "ngx_worker_process_exit"},
			Notes:   []note{worker},
		},
		{
			ID: "nginx-hup", Server: nginx, Signal: "HUP", How: "reload", Reload: true, Expected: reloaded,
			Sources: []string{control + " (changing configuration)", "ngx_master_process_cycle: the listening socket stays open in the master"},
			Notes:   []note{header},
		},
	}
}

func haproxyEntries() []entry {
	const management = "https://docs.haproxy.org/2.6/management.html#4"
	worker := elsewhere("the worker", "mworker_catch_sigterm, mworker_kill")
	return []entry{
		{
			ID: "haproxy-usr1", Server: haproxy, Signal: "USR1", Expected: drained.but(colInFlight, answeredClose),
			Sources: []string{management + " (graceful stop)", "do_soft_stop_now; h1_process closes idle connections, h1_set_cli_conn_mode has replies say \"Connection: close\""},
			Notes:   []note{worker},
		},
		{
			ID: "haproxy-term", Server: haproxy, Signal: "TERM", Expected: gone.but(colExit, exitOK),
			Sources: []string{management + " (hard stop)", "mworker_catch_sigterm"},
			Notes:   []note{worker},
		},
		{
			ID: "haproxy-usr2", Server: haproxy, Signal: "USR2", How: "reload", Reload: true, Expected: reloaded.but(colInFlight, answeredClose),
			Sources: []string{management + " (master-worker mode; expose-fd listeners)", "sock_get_old_sockets"},
		},
	}
}

func apacheEntries() []entry {
	const stopping = "https://httpd.apache.org/docs/2.4/stopping.html"
	child := elsewhere("a child", "event.c: server_main_loop, ap_mpm_podx_killpg")
	return []entry{
		{
			ID: "apache-winch", Server: apache, Signal: "WINCH", How: "graceful-stop", Expected: drained,
			Sources: []string{stopping + "#gracefulstop", "event.c: listener_thread, process_keepalive_queue"},
			Notes: []note{child, keptTold("ap_set_keepalive; event.c: process_socket"), {
				Column: colInFlight, Fates: []fate{cut}, Source: "ap_start_lingering_close",
				Why: "These are second requests, sent as soon as the first was answered. They crossed the FIN of a lingering close, which reads and discards what still arrives. There is no RST, so a client cannot tell them from requests that the server had begun.",
			}},
		},
		{
			ID: "apache-term", Server: apache, Signal: "TERM", Expected: gone.but(colExit, exitOK),
			Sources: []string{stopping + "#term", "event.c: signal_threads, close_worker_sockets"},
			Notes: []note{child, {
				Column: colNew, Source: "event.c: event_run, ap_reclaim_child_processes",
				Why: "The children stop accepting at once, but the parent keeps the listening socket open until they have ended. Until then the kernel completes handshakes, and it resets those connections when the parent exits.",
			}},
		},
	}
}

func lighttpdEntries() []entry {
	const manual = "lighttpd(8)"
	return []entry{
		{
			ID: "lighttpd-int", Server: lighttpd, Signal: "INT", How: "graceful", Expected: drained.but(colInFlight, answeredClose),
			Sources: []string{manual, "server_graceful_state, connection_graceful_shutdown_maint"},
		},
		{
			ID: "lighttpd-term", Server: lighttpd, Signal: "TERM", Expected: gone.but(colExit, exitOK),
			Sources: []string{manual, "server_main_loop"},
			Notes: []note{{
				Column: colExit, Fates: []fate{exitCode(1)}, Source: "server.c: main",
				Why: "main returns 1 if connections are still open when its loop ends.",
			}},
		},
	}
}

func goEntries() []entry {
	const page = "https://pkg.go.dev/net/http#Server.Shutdown"
	return []entry{
		{
			ID: "go-shutdown", Server: goServer, Mode: modeGraceful, How: "Shutdown", Signal: "TERM", Expected: drained.but(colInFlight, answeredClose),
			Sources: []string{page, "closeIdleConns; chunkWriter.writeHeader says \"Connection: close\" in a shutdown"},
			Notes: []note{{
				Column: colQueued, Fates: []fate{served, fin}, Source: "net/http: Server.Serve, conn.serve",
				Why: "One goroutine gets the signal, another accepts until the listener is closed. FIN: a request that is read after the shutdown began gets no reply (shuttingDown).",
			}},
		},
		{
			ID: "go-term", Server: goServer, Mode: modeDefault, How: "no handler", Signal: "TERM", Expected: gone,
			Sources: []string{"https://pkg.go.dev/os/signal (default behavior)"},
		},
	}
}

func nodeEntries() []entry {
	const keepsBusy = "server.close() closes the connections that are idle at that moment. It keeps a busy one open after the reply, which does not say \"Connection: close\", " +
		"and answers its next requests: clients that keep sending keep the process alive until it is killed, which cuts them."
	return []entry{
		{
			ID: "node-close", Server: node, Mode: modeGraceful, How: "server.close()", Signal: "TERM", Expected: drained,
			Sources: []string{"https://nodejs.org/docs/latest-v20.x/api/http.html#serverclosecallback", "lib/_http_server.js: httpServerPreClose, closeIdleConnections"},
			Notes: []note{
				{
					Column: colQueued, Fates: []fate{served}, Source: "libuv uv__io_poll, uv__server_io; https://github.com/libuv/libuv/pull/3696",
					Why: "If one poll returns both the signal and connections, libuv first accepts one connection and handles the signal last.",
				},
				{
					Column: colInFlight, Fates: []fate{cut, unanswered}, Source: "lib/_http_server.js: resOnFinish; https://github.com/nodejs/node/issues/2642",
					Why: keepsBusy,
				},
				{
					Column: colExit, Fates: []fate{killedLate}, Source: "lib/_http_server.js: resOnFinish; https://github.com/nodejs/node/issues/2642",
					Why: keepsBusy,
				},
			},
		},
		{
			ID: "node-term", Server: node, Mode: modeDefault, How: "no handler", Signal: "TERM", Expected: gone,
			Sources: []string{"https://nodejs.org/docs/latest-v20.x/api/process.html#signal-events"},
		},
	}
}

func pythonEntries() []entry {
	return []entry{
		{
			ID: "python-shutdown", Server: python, Mode: modeGraceful, How: "shutdown()", Signal: "TERM", Expected: drained,
			Sources: []string{"https://docs.python.org/3.11/library/socketserver.html (shutdown; server_close, with block_on_close, waits for threads)"},
			Notes: []note{{
				Column: colInFlight, Fates: []fate{cut}, Source: "Lib/http/server.py: ThreadingHTTPServer; Lib/socketserver.py: _NoThreads",
				Why: "ThreadingHTTPServer sets daemon_threads: the process ends without waiting for its threads.",
			}},
		},
		{
			ID: "python-term", Server: python, Mode: modeDefault, How: "no handler", Signal: "TERM", Expected: gone,
			Sources: []string{"https://docs.python.org/3.11/library/signal.html (SIGTERM has its default)"},
		},
	}
}
