package main

// What is in flight.
const (
	notBegun = "one whose handler sleeps for 1.5 s: the reply has not begun"
	begun    = "one whose reply has begun, with its header, and is sent at a limited rate for "
)

var (
	nginx = &server{
		Name: "nginx", ID: "nginx", Programs: []string{"nginx"}, Package: "nginx", Version: "-v",
		Files: map[string]string{"nginx.conf": "nginx.conf", "slow.txt": "16k.txt"},
		// -e, before there is a configuration, keeps it off the host's log.
		Args: []string{"-e", "stderr", "-p", "{{.Dir}}", "-c", "{{.Dir}}/nginx.conf"},
		Slow: "/slow", InFlight: begun + "2 s (limit_rate)",
	}
	haproxy = &server{
		Name: "HAProxy", ID: "haproxy", Programs: []string{"haproxy"}, Package: "haproxy", Version: "-v",
		Files: map[string]string{"haproxy.cfg": "haproxy.cfg", "slow.lua": "slow.lua"},
		Args:  []string{"-W", "-q", "-f", "{{.Dir}}/haproxy.cfg"},
		Slow:  "/slow", InFlight: "one to a Lua service that sleeps for 1.5 s: the reply has not begun, and there is no server behind HAProxy",
	}
	goServer = &server{
		Name: "Go net/http", ID: "go",
		Args: []string{goServerFlag, "{{.Mode}}", "{{.Addr}}"},
		Slow: "/slow", InFlight: notBegun,
	}
	node = &server{
		Name: "Node.js http", ID: "node", Programs: []string{"node", "nodejs"}, Package: "nodejs", Version: "--version",
		Files: map[string]string{"server.js": "server.js"},
		Args:  []string{"{{.Dir}}/server.js", "{{.Host}}", "{{.Port}}", "{{.Mode}}"},
		Slow:  "/slow", InFlight: notBegun,
	}
	python = &server{
		Name: "Python http.server", ID: "python", Programs: []string{"python3"}, Package: "python3", Version: "--version",
		Files: map[string]string{"server.py": "server.py"},
		Args:  []string{"{{.Dir}}/server.py", "{{.Host}}", "{{.Port}}", "{{.Mode}}"},
		Slow:  "/slow", InFlight: notBegun,
	}
	apache = &server{
		Name: "Apache", ID: "apache", Programs: []string{"apache2", "httpd"}, Package: "apache2-bin", Version: "-v",
		Files: map[string]string{"apache.conf": "apache.conf", "www/ok.txt": "ok.txt", "www/slow": "16k.txt"},
		Args:  []string{"-DFOREGROUND", "-f", "{{.Dir}}/apache.conf"},
		Slow:  "/slow", InFlight: begun + "1.6 s (mod_ratelimit)",
	}
	lighttpd = &server{
		Name: "lighttpd", ID: "lighttpd", Programs: []string{"lighttpd"}, Package: "lighttpd", Version: "-v",
		Files: map[string]string{"lighttpd.conf": "lighttpd.conf", "www/ok.txt": "ok.txt", "www/slow.cgi": "slow.cgi"},
		Args:  []string{"-D", "-f", "{{.Dir}}/lighttpd.conf"},
		Slow:  "/slow.cgi", InFlight: "one to a CGI script that sleeps for 1.5 s: the reply has not begun",
	}
)

// goServerFlag is the first argument that makes the gallery's program the Go server; mode and address follow.
const goServerFlag = "-go-server"

// The modes of the gallery's own servers.
const (
	modeDefault  = "default"  // no handler of the signal
	modeGraceful = "graceful" // the library's graceful stop
)
