package main

import (
	"fmt"
	"path/filepath"
	"strings"
)

// testbedAddr is where all servers but lastack's own and the floor's listen.
const testbedAddr = "127.0.0.1"

// Ports of the servers that the testbed starts.
const (
	netserverPort    = 12865
	neperControlPort = 12866
	neperDataPort    = 12867
	nginxPort        = 8080
)

// Where nginx listens.
const (
	nginxAddr = testbedAddr + ":8080"
	nginxURL  = "http://" + nginxAddr + "/"
)

// nginxConf makes nginx one process: with master_process off it is its own single worker,
// which neither changes its user, so that it starts in a user namespace too, nor leaves
// a child when it is killed. Every reply comes from memory. As root it gives its directories to the user
// named, and a user namespace knows no other than root.
func nginxConf(dir string) string {
	var paths strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&paths, "\t%s_temp_path %s;\n", kind, filepath.Join(dir, kind))
	}
	return fmt.Sprintf(`daemon off;
master_process off;
user root;
worker_processes 1;
pid %s;
error_log /dev/stderr warn;
events {
	worker_connections 8192;
}
http {
	access_log off;
%s	server {
		listen %s backlog=4096;
		location / {
			default_type text/plain;
			return 200 "ok\n";
		}
	}
}
`, filepath.Join(dir, "nginx.pid"), paths.String(), nginxAddr)
}
