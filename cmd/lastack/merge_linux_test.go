package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
	"lastack/bench/record/recordtest"
)

// mostMergeMemory is what a merge of 64 records of ten minutes may take.
const mostMergeMemory = 200 << 20

// 64 records of ten minutes, made of a real one, are merged in little memory: as files, and as JSON Lines. How long that takes is logged: on two
// idle CPUs it should be less than 3 s.
func TestMergeLong(t *testing.T) {
	if os.Getenv("LASTACK_LONG") == "" {
		t.Skip("takes half a minute: LASTACK_LONG=1 runs it")
	}
	const shards, intervals = 64, 600
	dir := t.TempDir()
	if e := runIn(t, dir, "lastack", "run", "--shard", "0/64", "--run-id", "R", "-c", "1k", "-d", "4s", "--close", "client:rst", "-q", "-o", "real.json"); e.code != exitOK && e.code != exitInvalid {
		t.Fatal(e.stderr)
	}
	r := recordtest.Read(t, filepath.Join(dir, "real.json"))
	var real []record.Interval
	for _, iv := range r.Timeline {
		if iv.Phase == record.PhaseLoad && iv.Lifecycle != nil {
			real = append(real, iv)
		}
	}
	lines, err := os.Create(filepath.Join(dir, "all.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	r.ElapsedS, r.LoadS = intervals, intervals
	for i := range shards {
		r.Shard.I, r.Hosts[0].BootID = i, fmt.Sprint("boot", i)
		r.Timeline = r.Timeline[:0]
		for k := range intervals {
			iv := real[(7*k+3*i)%len(real)]
			iv.TS = float64(k+1) + 0.002
			r.Timeline = append(r.Timeline, iv)
		}
		b, err := record.Marshal(r, "")
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.json", i)), b, 0o644)
		}
		if err == nil {
			_, err = lines.Write(b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "??.json"))
	if err != nil || len(files) != shards {
		t.Fatal(files, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), atMost)
	defer cancel()
	for name, args := range map[string][]string{"files.json": files, "lines.json": {"-"}} {
		cmd := exec.CommandContext(ctx, "lastack", append([]string{"merge", "--format", "json", "-o", filepath.Join(dir, name)}, args...)...)
		if _, err := lines.Seek(0, 0); err != nil {
			t.Fatal(err)
		}
		cmd.Stdin = lines
		start := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil && cmd.ProcessState.ExitCode() != exitInvalid {
			t.Fatalf("%v: %.500s", err, out)
		}
		took, of := time.Since(start), cmd.ProcessState
		usage, ok := of.SysUsage().(*syscall.Rusage)
		if !ok {
			t.Fatal("no usage")
		}
		t.Logf("%s: %v, %v of CPU, %d MB", name, took, of.UserTime()+of.SystemTime(), usage.Maxrss>>10)
		if usage.Maxrss<<10 > mostMergeMemory {
			t.Errorf("%s: it took %d MB", name, usage.Maxrss>>10)
		}
	}
	a, b := recordtest.Read(t, filepath.Join(dir, "files.json")), recordtest.Read(t, filepath.Join(dir, "lines.json"))
	if d := cmp.Diff(a.Timeline, b.Timeline); d != "" || len(a.Timeline) != intervals || len(a.Shards) != shards {
		t.Errorf("%d shards, %d intervals; as lines:\n%s", len(a.Shards), len(a.Timeline), d)
	}
}
