package main

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// Whoever is ended by a signal has a result, or says once that there is none, whenever the signal comes.
func TestEndedEarly(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"run", "-d", "1m", "-q", "-c", "2"},
		{"run", "127.0.0.1:1", "-d", "1m", "-q", "-c", "2"},
		{"drain", "127.0.0.1:1", "--sandbox", "--exec", "sleep 60", "-q"},
	} {
		for after := range 14 {
			r := begin(t, t.TempDir(), nil, args...)
			time.Sleep(time.Duration(after) * 4 * time.Millisecond) // where it is then, nobody knows: all is well in any case
			r.send(t, syscall.SIGTERM)
			code, said := r.end(t), r.stderr.String()
			switch {
			case code == -1: // the runtime had no handler yet
			case code != exitInterrupted, strings.Count(said, "interrupted") > 1,
				said != "lastack: "+noResult+"\n" && !strings.Contains(r.stdout.String(), "stopped by a signal"):
				t.Errorf("%v, %d ms after the start: exit code %d, stderr %q, stdout %.200q", args, 4*after, code, said, r.stdout.String())
			}
		}
	}
}

func TestEarlyWords(t *testing.T) {
	for command, want := range map[string]string{
		"run": noResult, "drain": noResult, "serve": "interrupted before the server listened", "doctor": "interrupted", "": "interrupted",
	} {
		if got := earlyMessage(command); got != want {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
}
