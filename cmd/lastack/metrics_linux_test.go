package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastack/bench/record/recordtest"
)

// scraper reads the figures of a program under way.
type scraper struct {
	url  string
	last map[string]float64
	n    int
}

const scraped = `lastack: metrics on (http://\S+)`

// scrapes waits until a program says where its figures are.
func scrapes(t *testing.T, r *running) *scraper {
	t.Helper()
	r.await(t, scraped)
	return &scraper{url: regexp.MustCompile(scraped).FindStringSubmatch(r.stderr.String())[1]}
}

// scrape reads the figures, of which none that is a counter may go back. It reports whether the program still answers.
func (s *scraper) scrape(t *testing.T) bool {
	t.Helper()
	client := http.Client{Timeout: atMost}
	r, err := client.Get(s.url)
	if err != nil {
		return false
	}
	b, err := io.ReadAll(r.Body)
	if _ = r.Body.Close(); err != nil {
		return false
	}
	now := map[string]float64{}
	for line := range strings.Lines(string(b)) {
		if at := strings.LastIndex(line, " "); !strings.HasPrefix(line, "#") {
			v, err := strconv.ParseFloat(strings.TrimSpace(line[at+1:]), 64)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			now[line[:at]] = v
		}
	}
	for name, was := range s.last {
		if strings.Contains(name, "_total") && now[name] < was {
			t.Errorf("%s went from %v to %v", name, was, now[name])
		}
	}
	s.last, s.n = now, s.n+1
	return true
}

// untilEnd scrapes until the program has ended.
func (s *scraper) untilEnd(t *testing.T, r *running) {
	t.Helper()
	for s.scrape(t) {
		time.Sleep(20 * time.Millisecond)
	}
	if code := r.end(t); code != exitOK && code != exitInvalid { // on a busy machine
		t.Fatalf("exit code %d: %s", code, r.stderr.String())
	}
	t.Logf("%d scrapes, %d series", s.n, len(s.last))
}

// What is scraped until the end is what the record says then, and the server's is its ledger.
func TestMetrics(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := begin(t, dir, nil, "serve", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--ledger", "ledger.json")
	const said = `listening on (127\.0\.0\.1:\d+),`
	server.await(t, said)
	served := scrapes(t, server)
	run := begin(t, dir, nil, "run", regexp.MustCompile(said).FindStringSubmatch(server.stderr.String())[1], "--exchange", "echo:1,1",
		"-R", "300", "-d", "1s", "--warmup", "300ms", "--interval", "100ms", "--metrics", "localhost:0", "--shard", "1/3", "--run-id", "R", "-o", "run.json")
	load := scrapes(t, run)
	load.untilEnd(t, run)
	if load.last[`lastack_run_info{shard="1",shards="3",run_id="R"}`] != 1 {
		t.Error("nothing says which shard it is")
	}

	r := recordtest.Read(t, filepath.Join(dir, "run.json"))
	if b := r.Build; b == nil || b.Go != runtime.Version() || b.System != runtime.GOOS+"/"+runtime.GOARCH {
		t.Errorf("the record was made by %+v", b)
	}
	c, w := r.Connections, r.Warmup
	for name, most := range map[string]int64{
		"lastack_connections_attempted_total": c.Attempted + w.Attempted, "lastack_connections_opened_total": c.Opened + w.Opened,
		"lastack_connections_completed_total": c.Completed + w.Completed, "lastack_connections_failed_total": c.Failed + w.Failed,
		"lastack_connections_requests_total": c.Requests + w.Requests, "lastack_lifecycle_seconds_count": r.Latency["lifecycle"].Count, "lastack_connect_seconds_count": r.Latency["connect"].Count,
	} {
		if got := int64(load.last[name]); got > most || got == 0 && most > 0 {
			t.Errorf("%s is %d at the end, the record has %d", name, got, most)
		}
	}

	served.scrape(t)
	server.send(t, syscall.SIGTERM)
	if code := server.end(t); code != exitOK {
		t.Fatalf("exit code %d: %s", code, server.stderr.String())
	}
	b, err := os.ReadFile(filepath.Join(dir, "ledger.json"))
	if err != nil {
		t.Fatal(err)
	}
	ledger := map[string]int64{}
	if err := json.Unmarshal(b, &ledger); err != nil {
		t.Fatal(err)
	}
	for key, want := range ledger {
		name := "lastack_server_" + key + "_total"
		if outcome, ok := strings.CutPrefix(key, "outcome."); ok {
			name = `lastack_server_outcomes_total{outcome="` + outcome + `"}`
		} else if key == "open" {
			name = "lastack_server_open"
		}
		if got, ok := served.last[name]; !ok || int64(got) != want {
			t.Errorf("%s is %v, the ledger has %d", name, got, want)
		}
	}
	if ledger["accepted"] == 0 {
		t.Error("the server has accepted nothing")
	}
}

// A drain shows its load, and each try when it has ended.
func TestMetricsOfDrain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	addr := freeAddr(t)
	drain := begin(t, dir, nil, "drain", addr, "--exec", "lastack serve --listen "+addr+" --exchange http:/", "--metrics", "127.0.0.1:0",
		"--after", "300ms", "--watch", "100ms", "--repeat", "2", "-o", "drain.json")
	s := scrapes(t, drain)
	s.untilEnd(t, drain)
	if s.last["lastack_connections_opened_total"] == 0 || s.last["lastack_drain_tries_total"] == 0 || s.last["lastack_drain_requests"] == 0 || s.last["lastack_connect_seconds_count"] == 0 {
		t.Errorf("%v", s.last)
	}
	r := recordtest.Read(t, filepath.Join(dir, "drain.json"))
	if got, most := int64(s.last["lastack_connections_opened_total"]), r.Connections.Opened; got > most {
		t.Errorf("%d connections opened, the record has %d", got, most)
	}
}
