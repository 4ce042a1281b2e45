package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// nginxConf makes nginx one process: with master_process off it is its own single worker,
// which neither changes its user, so that it starts in a user namespace too, nor leaves
// a child when it is killed. Every reply comes from memory. As root it gives its directories to the user
// named, and a user namespace knows no other than root.
func nginxConf(dir, address string) string {
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
`, filepath.Join(dir, "nginx.pid"), paths.String(), address)
}

// nginxService writes the configuration and returns how to start it.
func nginxService(dir, path, address string) (service, error) {
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(nginxConf(dir, address)), 0o600); err != nil {
		return service{}, err
	}
	// -e, before there is a configuration, keeps it off the host's log.
	return service{
		command: command{path: path, args: []string{"-e", "/dev/stderr", "-p", dir, "-c", conf}},
		port:    nginxPort, endless: true,
	}, nil
}

// Serve starts the testbed's nginx, which lives until the function returned is called. It
// has no limit in time.
func (t *testbed) Serve(ctx context.Context, path string) (end func() error, err error) {
	path, err = find("nginx", path)
	if err != nil {
		return nil, fmt.Errorf("%w (Debian: apt-get install nginx)", err)
	}
	s, err := nginxService(t.dir, path, t.addr())
	if err != nil {
		return nil, err
	}
	return t.serve(ctx, s)
}
