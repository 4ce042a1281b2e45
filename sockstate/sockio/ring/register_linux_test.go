package ring

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSupports(t *testing.T) {
	r := newRing(t, 8, 16)
	missing, err := r.Supports(OpNop, OpRecv, 250)
	if err != nil || len(missing) != 1 || missing[0] != 250 {
		t.Errorf("missing %v, error %v; want 250", missing, err)
	}
}

func TestTableBeyondLimit(t *testing.T) {
	r := newRing(t, 8, 16)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur >= 1<<20 {
		t.Skipf("RLIMIT_NOFILE of %d is beyond the largest table", limit.Cur)
	}
	if err := r.RegisterTable(int(limit.Cur) + 1); !errors.Is(err, unix.EMFILE) {
		t.Errorf("error %v, want EMFILE", err)
	}
	if err := r.RegisterTable(int(limit.Cur)); err != nil {
		t.Error(err)
	}
}

// Replace puts another file at an index at once, and closes the old one if nothing else keeps it open.
func TestReplace(t *testing.T) {
	r := newRing(t, 8, 16)
	if err := r.Replace(0, 0); !errors.Is(err, unix.ENXIO) {
		t.Errorf("without a table: %v; want ENXIO", err)
	}
	const index = 1
	if err := r.RegisterTable(index + 1); err != nil {
		t.Fatal(err)
	}
	if err := r.Replace(index+1, 0); !errors.Is(err, unix.EINVAL) {
		t.Errorf("beyond the table: %v; want EINVAL", err)
	}
	if err := r.Replace(index, 1<<30); !errors.Is(err, unix.EBADF) {
		t.Errorf("no descriptor: %v; want EBADF", err)
	}
	var before int // the other end of the replaced file
	for i := range 3 {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fds[1]) })
		err = r.Replace(index, fds[0])
		_ = unix.Close(fds[0]) // the table keeps it open
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			if n, err := unix.Read(before, make([]byte, 1)); n != 0 || err != nil {
				t.Errorf("the other end of what was replaced reads %d, error %v; want EOF", n, err)
			}
		}
		before = fds[1]
		// The index now has the new file.
		b := []byte{'x'}
		res, err := r.Do(SQE{Op: OpSend, Flags: FixedFile, FD: index, Addr: address(b), Len: 1, UserData: 1})
		if err != nil || res != 1 {
			t.Errorf("sent %d, error %v; want 1", res, err)
		}
		var got [2]byte
		if n, err := unix.Read(fds[1], got[:]); n != 1 || err != nil || got[0] != 'x' {
			t.Errorf("the other end reads %q, error %v", got[:max(n, 0)], err)
		}
	}
}

// A recv takes a buffer when there is data, and the buffer can be used again.
func TestBuffers(t *testing.T) {
	r := newRing(t, 8, 16)
	b, err := NewBuffers(2, 4096)
	if err != nil {
		t.Fatal(err)
	}
	g, err := r.RegisterBuffers(b)
	if err != nil {
		t.Fatal(err)
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fds[0]); _ = unix.Close(fds[1]) })
	for i := range 10 {
		r.Queue(SQE{Op: OpRecv, FD: int32(fds[0]), Flags: BufferSelect, Len: 100, UserData: 1})
		if e := r.Enter(0); e != 0 {
			t.Fatal(e)
		}
		var c CQE
		if r.Next(&c) {
			t.Fatalf("completed %+v without data", c)
		}
		want := []byte{byte(i), byte(i + 1)}
		if _, err := unix.Write(fds[1], want); err != nil {
			t.Fatal(err)
		}
		for !r.Next(&c) {
			if e := r.Enter(Forever); e != 0 {
				t.Fatal(e)
			}
		}
		if c.Res != 2 || c.Flags&CQEBuffer == 0 {
			t.Fatalf("completed %+v", c)
		}
		if got := b.Data(c.Buffer(), c.Res); string(got) != string(want) {
			t.Fatalf("read %v, want %v", got, want)
		}
		g.Return(b, c.Buffer())
	}
}
