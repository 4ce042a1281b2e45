package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
	"lastack/bench/record/recordtest"
	"lastack/sockstate/teardown"
)

// The drills are a page, and a capture in which tshark sees the same packets. With LASTACK_LONG=1 so is each policy, and each loss.
func TestHandshakeDrills(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	run := watchedIn(t, dir, "--drill", "all", "-o", "drills.html")
	if n := len(run.Handshake.Ladders); n != 18 {
		t.Errorf("%d connections", n)
	}
	page, err := os.ReadFile(filepath.Join(dir, "drills.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{" handshake: 15 drills, 18 connections</title>", "Half-close"} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("the page has no %q", want)
		}
	}
	runs := map[string]*record.Run{filepath.Join(dir, "h.pcapng"): run}
	if os.Getenv("LASTACK_LONG") != "" {
		lines := []string{"--close both:fin --lose fin", "--close both:fin --lose last-ack", "--close client:rst --lose rst", "--on-eof rst --lose rst"}
		for _, p := range teardown.Policies() {
			lines = append(lines, "--close "+p.String(), "--exchange http:/ --close "+p.String())
		}
		for _, lose := range []string{"syn", "syn-ack", "ack", "fin", "last-ack"} {
			lines = append(lines, "--lose "+lose, "--lose "+lose+":2", "--close server:half --exchange none --lose "+lose)
		}
		for _, line := range lines {
			dir := t.TempDir()
			runs[filepath.Join(dir, "h.pcapng")] = watchedIn(t, dir, strings.Fields(line)...)
		}
	}
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skipf("tshark is not installed: %v", err)
	}
	for path, run := range runs {
		sameIn(t, tshark, path, run)
	}
}

// watchedIn runs lastack handshake in a directory, in which it leaves h.json and h.pcapng.
func watchedIn(t *testing.T, dir string, args ...string) *record.Run {
	t.Helper()
	got := runIn(t, dir, "lastack", append([]string{"handshake", "-q", "--trace", "off", "-o", "h.json", "-o", "h.pcapng"}, args...)...)
	if got.code == 1 && strings.Contains(got.stderr, "handshake needs a sandbox, and this host allows none") {
		t.Skip(got.stderr)
	}
	if got.code != 0 {
		t.Fatalf("%q: exit code %d: %s", args, got.code, got.stderr)
	}
	return recordtest.Read(t, filepath.Join(dir, "h.json"))
}

// sameIn holds that tshark sees the packets of a record in its capture: flags, numbers, lengths, windows, and no checksum that is wrong.
func sameIn(t *testing.T, tshark, path string, run *record.Run) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tshark, "-r", path, "-o", "tcp.check_checksum:TRUE", "-T", "fields", "-E", "separator=|", "-E", "aggregator=;")
	for _, field := range []string{"tcp.dstport", "tcp.flags.syn", "tcp.flags.fin", "tcp.flags.reset", "tcp.flags.ack", "tcp.seq", "tcp.ack", "tcp.len", "tcp.window_size_value", "tcp.checksum.status", "tcp.checksum", "frame.comment"} {
		cmd.Args = append(cmd.Args, "-e", field)
	}
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	var got, want []string
	for line := range strings.Lines(string(out)) {
		fields := strings.SplitN(strings.TrimSpace(line), "|", 12)
		for i := range fields {
			switch fields[i] { // versions differ in how they write it
			case "True":
				fields[i] = "1"
			case "False":
				fields[i] = "0"
			}
		}
		if len(fields) < 12 || !strings.Contains(fields[11], "sent: client") {
			t.Fatalf("no comment: %q", line)
		}
		if fields[10] == "0xffff" {
			fields[9] = "1" // skb_checksum_help writes 0xffff for 0, which is the same number, and tshark calls it bad
		}
		got = append(got, strings.Join(fields[1:10], " "))
	}
	for i := range run.Handshake.Ladders {
		l := &run.Handshake.Ladders[i]
		for j := range l.Packets {
			p := &l.Packets[j]
			ack := int64(0)
			if p.Ack != nil {
				ack = *p.Ack
			}
			bit := func(flag string) int {
				if slices.Contains(p.Flags, flag) {
					return 1
				}
				return 0
			}
			const good = 1
			want = append(want, fmt.Sprint(bit("SYN"), " ", bit("FIN"), " ", bit("RST"), " ", bit("ACK"), " ", p.Seq, " ", ack, " ", p.Bytes, " ", p.Window, " ", good))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%q: packets (-lastack +tshark):\n%s", run.Plan.Command, diff)
	}
}
