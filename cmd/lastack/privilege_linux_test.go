package main

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"lastack/bench/host"
	"lastack/sockstate/socktest"
)

// effective lists the effective sets of a process's threads, each once.
func effective(t *testing.T, pid string) []uint64 {
	t.Helper()
	paths, err := filepath.Glob("/proc/" + pid + "/task/*/status")
	if err != nil {
		t.Fatal(err)
	}
	var sets []uint64
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			continue // a thread that has ended
		}
		for line := range strings.Lines(string(b)) {
			if hex, ok := strings.CutPrefix(line, "CapEff:\t"); ok {
				n, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
				if err != nil {
					t.Fatal(err)
				}
				sets = append(sets, n)
			}
		}
	}
	slices.Sort(sets)
	return slices.Compact(sets)
}

// set is the set of the named capabilities.
func set(names ...string) (s uint64) {
	for _, name := range names {
		s |= 1 << map[string]int{
			"chown": unix.CAP_CHOWN, "dac_override": unix.CAP_DAC_OVERRIDE, "fowner": unix.CAP_FOWNER, "net_bind_service": unix.CAP_NET_BIND_SERVICE,
			"net_admin": unix.CAP_NET_ADMIN, "net_raw": unix.CAP_NET_RAW, "ipc_lock": unix.CAP_IPC_LOCK, "sys_admin": unix.CAP_SYS_ADMIN,
		}[name]
	}
	return s
}

func needsAllCapabilities(t *testing.T) {
	t.Helper()
	if have := effective(t, "self"); os.Geteuid() != 0 || have[0]&set("sys_admin") == 0 {
		t.Skipf("not root, or without capabilities: %x", have)
	}
}

// TestCapabilitiesDropped looks at all threads while a load, and a server, are at work.
func TestCapabilitiesDropped(t *testing.T) {
	t.Parallel()
	needsAllCapabilities(t)
	bin := filepath.Dir(shipped(t))
	load := set(host.RunCapabilities...) | set(host.SandboxCapabilities...)
	others := filepath.Join(t.TempDir(), "others")
	if err := os.WriteFile(others, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(others, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, args   string
		want, parent uint64 // of who loads, and of who saves the record
		code         string
	}{
		{"lo", "run -d 10m -c 4 --interval 50ms", load, 0, "130"},
		{"veth", "run -d 10m -c 4 --interval 50ms --topology veth --loss 1%", load, 0, "130"},
		{"record", "run -d 10m -c 4 --interval 50ms -o run.json", load, 0, "130"},
		{"record of another user's", "run -d 10m -c 4 --interval 50ms -o " + others, load, set(host.FileCapabilities...), "130"},
		{"serve", "serve --listen 127.0.0.1:0 --ledger ledger", set(host.ServeCapabilities...), 0, "0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := begin(t, bin, []string{"env"}, strings.Fields(tt.args)...)
			r.await(t, loadRow+"|listening on")
			pid := strconv.Itoa(r.cmd.Process.Pid)
			if children := r.children(t); len(children) == 1 {
				if got := effective(t, pid); !slices.Equal(got, []uint64{tt.parent}) {
					t.Errorf("the parent's threads have %x, want %x", got, tt.parent)
				}
				pid = children[0]
			}
			if got := effective(t, pid); !slices.Equal(got, []uint64{tt.want}) {
				t.Errorf("the threads have %x, want %x", got, tt.want)
			}
			r.send(t, syscall.SIGINT)
			if code := r.end(t); strconv.Itoa(code) != tt.code {
				t.Errorf("exit code %d, want %s: %s", code, tt.code, r.stderr.String())
			}
		})
	}
}

// copyProgram puts the program into a directory where everybody may run it.
func copyProgram(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lastack-privilege")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	from, err := exec.LookPath("lastack")
	if err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	path := filepath.Join(dir, "lastack")
	if err := socktest.WriteProgram(path, in); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// fileCaps is the extended attribute of a file with permitted and effective capabilities (vfs_cap_data, version 2).
func fileCaps(caps ...string) []byte {
	s := set(caps...)
	b := binary.LittleEndian.AppendUint32(nil, 0x02000001)
	for _, half := range []uint32{uint32(s), uint32(s >> 32)} {
		b = binary.LittleEndian.AppendUint32(b, half)
		b = binary.LittleEndian.AppendUint32(b, 0)
	}
	return b
}

// TestSetUserID gives the program rights that who runs it has not.
func TestSetUserID(t *testing.T) {
	t.Parallel()
	needsAllCapabilities(t)
	for _, tt := range []struct {
		name   string
		give   func(path string) error
		as     []string
		refuse string // empty: it runs
	}{
		{"set-user-ID", func(p string) error { return os.Chmod(p, 0o755|os.ModeSetuid) }, asNobody, "this program is set-user-ID"},
		{"set-group-ID", func(p string) error { return os.Chmod(p, 0o755|os.ModeSetgid) }, asNobody, "this program is set-group-ID"},
		{"file capabilities", func(p string) error {
			return unix.Setxattr(p, "security.capability", fileCaps("dac_override", "net_raw"), 0)
		}, asNobody, "this program's file capabilities"},
		{"harmless ones", func(p string) error {
			return unix.Setxattr(p, "security.capability", fileCaps("net_raw"), 0)
		}, asNobody, ""},
		{"none", func(string) error { return nil }, asNobody, ""},
		{"root runs a set-user-ID one of root's", func(p string) error { return os.Chmod(p, 0o755|os.ModeSetuid) }, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := copyProgram(t)
			if err := tt.give(path); err != nil {
				t.Skip(err)
			}
			words := append(slices.Clone(tt.as), path, "--version")
			e := runIn(t, "/", words[0], words[1:]...)
			if tt.refuse == "" {
				if e.code != exitOK {
					t.Errorf("exit code %d: %s", e.code, e.stderr)
				}
				return
			}
			if e.code != exitError || !strings.HasPrefix(e.stderr, "lastack: "+tt.refuse) || e.stdout != "" {
				t.Errorf("exit code %d: %s%s", e.code, e.stdout, e.stderr)
			}
		})
	}
}
