package host

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// TestReserveSpace asks for more than there is, on ext4, which keeps what it found, and on tmpfs, which does not.
func TestReserveSpace(t *testing.T) {
	for _, tt := range []struct {
		name  string
		mount []string // what follows mount
		n     int
		err   error
	}{
		{"ext4", []string{"-o", "loop"}, 1 << 20, nil},
		{"ext4, full", []string{"-o", "loop"}, 64 << 20, unix.ENOSPC},
		{"tmpfs", []string{"-t", "tmpfs", "-o", "size=32m"}, 1 << 20, nil},
		{"tmpfs, full", []string{"-t", "tmpfs", "-o", "size=32m"}, 64 << 20, unix.ENOSPC},
	} {
		image := filepath.Join(t.TempDir(), "image")
		dir := t.TempDir()
		t.Run(tt.name, func(t *testing.T) {
			runtime.LockOSThread() // the thread ends with the test, its namespace, and what is mounted there
			if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 32<<20)); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("mkfs.ext4", "-q", "-F", image).CombinedOutput(); err != nil {
				t.Skipf("no file system can be made: %v: %s", err, out)
			}
			if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
				t.Skipf("no namespace for a mount: %v", err)
			}
			if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
				t.Skipf("no private mounts: %v", err)
			}
			if out, err := exec.Command("mount", append(tt.mount, image, dir)...).CombinedOutput(); err != nil {
				t.Skipf("no file system can be mounted: %v: %s", err, out)
			}
			reserve(t, dir, tt.n, tt.err)
		})
	}
}

// reserve asks for n bytes for a file of three.
func reserve(t *testing.T, dir string, n int, want error) {
	f, err := os.OpenFile(filepath.Join(dir, "run.json"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	if _, err := f.WriteString("old"); err != nil {
		t.Error(err)
	}
	if err := f.Sync(); err != nil { // ext4 allocates late
		t.Error(err)
	}
	var file, after unix.Stat_t
	var fs, left unix.Statfs_t
	if err := errors.Join(unix.Fstat(int(f.Fd()), &file), unix.Fstatfs(int(f.Fd()), &fs)); err != nil {
		t.Error(err)
	}
	if err := ReserveSpace(f, n); !errors.Is(err, want) {
		t.Errorf("ReserveSpace(%d) = %v, want %v", n, err, want)
	}
	if err := errors.Join(unix.Fstat(int(f.Fd()), &after), unix.Fstatfs(int(f.Fd()), &left)); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(f.Name()); err != nil || string(b) != "old" || after.Size != file.Size {
		t.Errorf("the file holds %q, %v, and has %d bytes", b, err, after.Size)
	}
	// A block for the list of what it had may stay.
	if want != nil && (after.Blocks > file.Blocks+8 || left.Bavail+4 < fs.Bavail) {
		t.Errorf("it has %d blocks and had %d; %d are available and were %d", after.Blocks, file.Blocks, left.Bavail, fs.Bavail)
	}
	if want == nil && after.Blocks*512 < int64(n) {
		t.Errorf("%d blocks are reserved for %d bytes", after.Blocks, n)
	}
}
