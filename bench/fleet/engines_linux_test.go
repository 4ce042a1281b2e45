package fleet

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"lastack/bench/record/recordtest"
)

// needed are the programs of the cluster, and the Debian packages that have them.
var needed = map[string]string{
	"slurmctld": "slurmctld", "slurmd": "slurmd", "sbatch": "slurm-client", "munged": "munge", "mpirun": "openmpi-bin", "ip": "iproute2",
	"unshare": "util-linux", "nsenter": "util-linux", "pgrep": "procps", "hostname": "hostname",
}

// TestEngines runs a load by real engines: Slurm with four slurmd, Open MPI, and ssh by a stand-in that enters a host's namespaces. Each host
// is a network namespace of its own.
func TestEngines(t *testing.T) {
	if os.Getenv("LASTACK_FLEET") == "" {
		t.Skip("make test-fleet runs it: it needs LASTACK_FLEET=1, root, Slurm and Open MPI")
	}
	for program, pkg := range needed {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%v: it is in Debian's package %s", err, pkg)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "unshare", "--net", "--uts", "--mount", "--pid", "--fork", "true").CombinedOutput(); err != nil {
		t.Skipf("unshare: %v: %s", err, out)
	}
	dir, err := os.MkdirTemp("", "fleet") //nolint:usetesting // t.TempDir is too long for the name of a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the logs are in %s", dir)
		} else if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "bin", "lastack"), "lastack/cmd/lastack").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	scripts, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", "--net", "--uts", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
		"sh", filepath.Join(scripts, "cluster.sh"), dir, "sh", filepath.Join(scripts, "engines.sh"))
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the cluster: %v: %s", err, out)
	}

	before := passive(t, dir, "begin")
	for _, tt := range []struct {
		name     string
		attempts int64
		says     string // of the engine's output
	}{
		{"slurm", 2700, "4 of 4, on 1 host"},
		{"killed", 0, "shard 2 of 0 to 3 is missing: --partial merges the others"},
		{"late", 900, "shard 1 was late by"},
		{"cancelled", 0, "4 of 4, on 1 host: counts are of all of them VERDICT NOT VALID as a statement about the target; stopped by a signal"},
		{"ssh", 900, "4 of 4, on 1 host"},
		{"mpi", 900, "4 of 4, on 1 host"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			after := passive(t, dir, tt.name)
			accepted := after - before
			before = after
			out, err := os.ReadFile(filepath.Join(dir, tt.name+".out"))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(strings.Join(strings.Fields(string(out)), " "), tt.says) {
				t.Errorf("it says nothing of %q:\n%s", tt.says, out)
			}
			if tt.attempts == 0 {
				return
			}
			// The result may be not valid: the hosts share the CPUs.
			if !strings.HasSuffix(string(out), "exit code 0\n") && !strings.HasSuffix(string(out), "exit code 3\n") {
				t.Errorf("it failed:\n%s", out)
			}
			records, err := filepath.Glob(filepath.Join(dir, tt.name+"-*", "run.json"))
			if err != nil || len(records) != 1 {
				t.Fatalf("records %v, %v\n%s", records, err, out)
			}
			r := recordtest.Read(t, records[0])
			all, opened := int64(0), int64(0)
			for _, n := range r.Outcomes {
				all += n
			}
			for i := range r.Shards {
				opened += r.Shards[i].Connections.Attempted
				t.Logf("shard %d: started %d us after the common moment, its clock known within %d us", r.Shards[i].I, r.Shards[i].StartSkewUs, r.Shards[i].ClockUncertaintyUs)
			}
			if r.Connections.Attempted != tt.attempts || all != tt.attempts || opened != tt.attempts || r.Outcomes["rst_sent"] != tt.attempts {
				t.Errorf("attempted %d, outcomes %v, %d by all shards, want %d each", r.Connections.Attempted, r.Outcomes, opened, tt.attempts)
			}
			// Each shard asks once whether somebody answers.
			if want := tt.attempts + 4; accepted != want {
				t.Errorf("the target's kernel accepted %d connections, want %d", accepted, want)
			}
		})
	}
}

// passive is how many connections the target's kernel had accepted after the engine of that name.
func passive(t *testing.T, dir, name string) int64 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name+".passive"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
