package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"lastack/bench/lab"
	"lastack/bench/quantity"
)

// The clients of each entry.
const (
	idle, inFlight, arrivals, queued = 200, 20, 200, 20

	// after is not a multiple of a slow reply's time, so that the signal comes in the middle of one.
	after = 2500 * time.Millisecond
	// afterQueued is shorter, as no request is in flight.
	afterQueued = 500 * time.Millisecond
	// grace is longer than the slowest reply.
	grace = 6 * time.Second
	// reloadWatch is how long clients are watched after a reload.
	reloadWatch = 4 * time.Second
	watch       = 500 * time.Millisecond
)

func loadText(repeat int) string {
	return fmt.Sprintf("clients: %d idle connections; %d with a request in flight, which send the next one as soon as they are answered; %d new connections a second, "+
		"each with one request. The signal comes after %v. In a second run, %d connections wait in the accept queue. %d %s of each. Clients that lose their connection do not reconnect.",
		idle, inFlight, arrivals, after, queued, repeat, quantity.Plural(repeat, "try", "tries"))
}

// drain makes an entry's two records.
func (g *runner) drain(ctx context.Context, e *entry, load, queue string) error {
	t := g.tools[e.Server]
	if t.err != nil {
		return t.err
	}
	if spent := time.Since(g.begin); spent > g.limit {
		return fmt.Errorf("%v were over", g.limit)
	}
	dir := filepath.Join(g.dir, e.ID)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	command, err := e.Server.prepare(site{Dir: dir, Program: t.path, Modules: t.modules, Mode: e.Mode, Addr: address})
	if err != nil {
		return err
	}
	command = append(t.prefix, command...)
	for _, word := range command {
		if strings.ContainsAny(word, " \t\n'\"\\$") {
			return fmt.Errorf("%q has a character that would have to be quoted: set TMPDIR to another directory", word)
		}
	}
	common := []string{
		"drain", address.String(), "--sandbox", "--exec", strings.Join(command, " "), "--signal", e.Signal,
		"--repeat", strconv.Itoa(g.repeat), "--watch", watch.String(), "--reconnect", "never", "-q",
	}
	if e.Reload {
		common = append(common, "--grace", reloadWatch.String(), "--then", "none")
	} else {
		common = append(common, "--grace", grace.String())
	}
	err = g.invoke(ctx, slices.Concat(common, []string{
		"--idle", strconv.Itoa(idle), "--in-flight", strconv.Itoa(inFlight), "--arrivals", strconv.Itoa(arrivals),
		"--exchange", "http:/", "--in-flight-exchange", "http:" + e.Server.Slow, "--think", "0s",
		"--after", after.String(), "-o", load,
	}), load)
	if err != nil {
		return err
	}
	return g.invoke(ctx, slices.Concat(common, []string{
		"--idle", "0", "--in-flight", "0", "--arrivals", "0", "--queued", strconv.Itoa(queued),
		"--exchange", "http:/", "--after", afterQueued.String(), "-o", queue,
	}), queue)
}

// invoke runs lastack once. A result that is not valid is no error: the record says so.
func (g *runner) invoke(ctx context.Context, args []string, file string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, g.Lastack, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// On an interrupt lastack ends what it has started.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	begin := time.Now()
	err := cmd.Run()
	fmt.Fprintf(g.Stderr, "%-28s %5.1f s\n", strings.TrimSuffix(filepath.Base(file), ".json"), time.Since(begin).Seconds())
	if _, missing := os.Stat(file); missing == nil {
		return nil
	}
	if err == nil {
		err = errors.New("lastack wrote no record")
	}
	if said := lab.LastLine(stderr.String()); said != "" {
		return fmt.Errorf("%s (%w)", said, err)
	}
	return err
}
