package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lastack/bench/lab"
	"lastack/bench/record"
)

func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"-repeat", "0"}, lab.ExitUsage, "-repeat: want 1 to 100, got 0"},
		{[]string{"-repeat", "0101"}, lab.ExitUsage, "-repeat: want 1 to 100, got 101"},
		{[]string{"-repeat", "0x3"}, lab.ExitUsage, `invalid value "0x3" for flag -repeat: "0x3" is not a whole number: want one like 4`},
		{[]string{"-only", "nginx,iis"}, lab.ExitUsage, `-only: no entry begins with "iis": want some of nginx-quit,`},
		{[]string{"-render"}, lab.ExitUsage, "-render needs -records DIR"},
		{[]string{"127.0.0.1:80"}, lab.ExitUsage, `unexpected argument "127.0.0.1:80"`},
		{[]string{"-render", "-records", "/nonexistent"}, lab.ExitError, "no such file"},
		{[]string{goServerFlag, "nicely", "127.0.0.1:0"}, lab.ExitError, "want default or graceful and an address"},
	} {
		var stdout, stderr bytes.Buffer
		if code := program().Main(tt.args, &stdout, &stderr); code != tt.code || !strings.Contains(stderr.String(), tt.want) || stdout.Len() > 0 {
			t.Errorf("%q: exit %d, stdout %q, stderr %q, want exit %d and %q", tt.args, code, stdout.String(), stderr.String(), tt.code, tt.want)
		}
	}
}

// TestRender makes a table of saved records, one of them without its queue.
func TestRender(t *testing.T) {
	dir := t.TempDir()
	code := 0
	drained := record.DrainTry{
		Server: record.DrainServer{ExitCode: &code},
		Groups: []record.DrainGroup{{Name: "idle", Connections: record.DrainConnections{Opened: 200, FIN: 200}}},
	}
	save := func(name string, try record.DrainTry) {
		t.Helper()
		var b bytes.Buffer
		if err := record.Write(&b, &record.Run{
			Schema: record.Schema, Kind: record.KindDrain, Version: "v1", Started: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC),
			Hosts: []record.Host{{Kernel: "6.18.44", CPUs: 2}}, Verdict: record.Verdict{Valid: true},
			Drain: &record.Drain{Tries: []record.DrainTry{try}},
		}); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".json"), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	save("nginx-quit", drained)
	save("nginx-quit-queued", record.DrainTry{Queued: &record.DrainQueued{Reset: 20}})
	save("go-shutdown", drained)
	versions, err := json.Marshal([]lab.Version{{Program: "nginx", Version: "1.22.1"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, versionsFile), versions, 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "table.md")
	var stdout, stderr bytes.Buffer
	if code := program().Main([]string{"-render", "-records", dir, "-only", "nginx-quit,go-shutdown,node-term", "-o", file}, &stdout, &stderr); code != lab.ExitOK {
		t.Fatalf("exit %d: %s", code, stderr.String())
	}
	table := stdout.String()
	if saved, err := os.ReadFile(file); err != nil || string(saved) != table {
		t.Errorf("the file holds something else than stdout: %v\n%s", err, saved)
	}
	for _, want := range []string{
		"2026-11-23 09:00 UTC", "Linux 6.18.44, 2 CPUs; lastack v1", "servers: nginx 1.22.1\n",
		"| | observed | RST | FIN |", "| | observed | – | FIN |", "Not run: Node.js http, TERM (no handler): open ",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("%q is not in\n%s", want, table)
		}
	}
}
