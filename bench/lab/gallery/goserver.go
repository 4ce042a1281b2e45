package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// serveGo is the gallery's Go server; args are its mode and address. In the default mode the signal ends the process.
func serveGo(args []string) error {
	if len(args) != 2 || args[0] != modeDefault && args[0] != modeGraceful {
		return fmt.Errorf("want %s or %s and an address, got %q", modeDefault, modeGraceful, args)
	}
	mode, address := args[0], args[1]
	mux := http.NewServeMux()
	mux.HandleFunc("/", goReply)
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(slowFor)
		goReply(w, r)
	})
	s := &http.Server{Handler: mux, IdleTimeout: 75 * time.Second, ReadHeaderTimeout: 75 * time.Second}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	if mode == modeDefault {
		return s.Serve(l)
	}
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, syscall.SIGTERM)
	done := make(chan error, 1)
	go func() {
		<-stopped
		done <- s.Shutdown(context.Background())
	}()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-done
}

func goReply(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "ok\n") // the client may be gone
}
