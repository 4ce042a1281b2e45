package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"lastack/bench/lab"
)

// serve starts nginx, which runs until the function returned is called.
func (t *testbed) serve(ctx context.Context, path string) (end func(), err error) {
	if path == "" {
		path = "nginx"
	}
	if path, err = lab.Find("nginx", path); err != nil {
		return nil, err
	}
	conf := filepath.Join(t.dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(nginxConf(t.dir)), 0o600); err != nil {
		return nil, err
	}
	t.nginx, err = t.start(ctx, service{
		// -e, before there is a configuration, keeps it off the host's log.
		command: command{path: path, args: []string{"-e", "/dev/stderr", "-p", t.dir, "-c", conf}, lasts: 24 * time.Hour},
		port:    nginxPort, endless: true,
	})
	if err != nil {
		return nil, err
	}
	return func() {
		_, _ = t.nginx.end() // it is no longer needed
		t.nginx = nil
	}, nil
}
