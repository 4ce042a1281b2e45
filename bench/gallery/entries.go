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

func nginxEntries() []Entry {
	const control = "https://nginx.org/en/docs/control.html"
	return []Entry{
		{
			ID: "nginx-quit", Server: nginx, Signal: "QUIT", Expected: drained,
			Sources: []string{control + " (graceful shutdown)", "ngx_worker_process_cycle, ngx_close_idle_connections"},
		},
		{
			ID: "nginx-term", Server: nginx, Signal: "TERM", Expected: gone.but(Exit, ExitOK),
			Sources: []string{control + " (fast shutdown)", "ngx_worker_process_exit"},
		},
		{
			ID: "nginx-hup", Server: nginx, Signal: "HUP", How: "reload", Reload: true, Expected: reloaded,
			Sources: []string{control + " (changing configuration)", "ngx_master_process_cycle: the listening socket stays open in the master"},
		},
	}
}

func haproxyEntries() []Entry {
	const management = "https://docs.haproxy.org/2.6/management.html#4"
	return []Entry{
		{
			ID: "haproxy-usr1", Server: haproxy, Signal: "USR1", Expected: drained.but(InFlight, AnsweredClose),
			Sources: []string{management + " (graceful stop)", "do_soft_stop_now; h1_process closes idle connections, h1_set_res_tunnel_mode's callers say \"Connection: close\""},
		},
		{
			ID: "haproxy-term", Server: haproxy, Signal: "TERM", Expected: gone.but(Exit, ExitOK),
			Sources: []string{management + " (hard stop)"},
		},
		{
			ID: "haproxy-usr2", Server: haproxy, Signal: "USR2", How: "reload", Reload: true, Expected: reloaded.but(InFlight, AnsweredClose),
			Sources: []string{management + " (master-worker mode; expose-fd listeners)", "sock_get_old_sockets"},
		},
	}
}

func apacheEntries() []Entry {
	const stopping = "https://httpd.apache.org/docs/2.4/stopping.html"
	return []Entry{
		{
			ID: "apache-winch", Server: apache, Signal: "WINCH", How: "graceful-stop", Expected: drained,
			Sources: []string{stopping + "#gracefulstop", "event.c: listener_thread, process_keepalive_queue"},
		},
		{
			ID: "apache-term", Server: apache, Signal: "TERM", Expected: gone.but(Exit, ExitOK),
			Sources: []string{stopping + "#term", "event.c: signal_threads, close_worker_sockets"},
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
		},
	}
}

func goEntries() []Entry {
	const page = "https://pkg.go.dev/net/http#Server.Shutdown"
	return []Entry{
		{
			ID: "go-shutdown", Server: goServer, Mode: ModeGraceful, How: "Shutdown", Signal: "TERM", Expected: drained.but(InFlight, AnsweredClose),
			Sources: []string{page, "closeIdleConns; chunkWriter.writeHeader says \"Connection: close\" in a shutdown"},
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
		},
		{
			ID: "python-term", Server: python, Mode: ModeDefault, How: "no handler", Signal: "TERM", Expected: gone,
			Sources: []string{"https://docs.python.org/3.11/library/signal.html (SIGTERM has its default)"},
		},
	}
}
