package ring

import (
	"errors"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newRing makes a ring of the test's thread, which stays the test's until its end.
func newRing(t testing.TB, entries, completed uint32) *Ring {
	t.Helper()
	runtime.LockOSThread()
	r, err := New(entries, completed)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) {
		runtime.UnlockOSThread()
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		runtime.UnlockOSThread()
	})
	return r
}

// The kernel's structures have these sizes (include/uapi/linux/io_uring.h).
func TestLayout(t *testing.T) {
	for name, size := range map[string][2]uintptr{
		"io_uring_sqe":            {unsafe.Sizeof(SQE{}), 64},
		"io_uring_cqe":            {unsafe.Sizeof(CQE{}), 16},
		"io_uring_params":         {unsafe.Sizeof(params{}), 120},
		"io_uring_getevents_arg":  {unsafe.Sizeof(getEventsArg{}), 24},
		"io_uring_rsrc_register":  {unsafe.Sizeof(resourceRegister{}), 32},
		"io_uring_buf_reg":        {unsafe.Sizeof(bufferRingRegister{}), 40},
		"io_uring_buf":            {unsafe.Sizeof(buffer{}), 16},
		"io_uring_probe":          {unsafe.Sizeof(probe{}), 16 + 256*8},
		"sqe.user_data":           {unsafe.Offsetof(SQE{}.UserData), 32},
		"sqe.file_index":          {unsafe.Offsetof(SQE{}.FileIndex), 44},
		"sqe.optval":              {unsafe.Offsetof(SQE{}.Addr3), 48},
		"io_uring_params.cq_off":  {unsafe.Offsetof(params{}.cq), 80},
		"io_uring_buf_ring.tail":  {unsafe.Offsetof(buffer{}.tail), 14},
		"io_uring_buf_reg.bgid":   {unsafe.Offsetof(bufferRingRegister{}.group), 12},
		"io_uring_rsrc_reg.data":  {unsafe.Offsetof(resourceRegister{}.data), 16},
		"io_uring_getevents.ts":   {unsafe.Offsetof(getEventsArg{}.ts), 16},
		"io_uring_sqe.buf_group":  {unsafe.Offsetof(SQE{}.BufIndex), 40},
		"io_uring_sqe.msg_flags":  {unsafe.Offsetof(SQE{}.OpFlags), 28},
		"io_uring_sqe.addr":       {unsafe.Offsetof(SQE{}.Addr), 16},
		"io_uring_params.sq_off":  {unsafe.Offsetof(params{}.sq), 40},
		"io_uring_cqe.flags":      {unsafe.Offsetof(CQE{}.Flags), 12},
		"io_uring_probe.last_op":  {unsafe.Offsetof(probe{}.lastOp), 0},
		"io_uring_probe.ops":      {unsafe.Offsetof(probe{}.ops), 16},
		"io_uring_sqe.off":        {unsafe.Offsetof(SQE{}.Off), 8},
		"io_uring_sqe.len":        {unsafe.Offsetof(SQE{}.Len), 24},
		"io_uring_sqe.ioprio":     {unsafe.Offsetof(SQE{}.Ioprio), 2},
		"io_uring_sqe.fd":         {unsafe.Offsetof(SQE{}.FD), 4},
		"io_uring_buf_reg.nr":     {unsafe.Offsetof(bufferRingRegister{}.entries), 8},
		"io_uring_rsrc_reg.flags": {unsafe.Offsetof(resourceRegister{}.flags), 4},
	} {
		if size[0] != size[1] {
			t.Errorf("%s: %d, want %d", name, size[0], size[1])
		}
	}
}

// More requests than the queue takes in at once, and more completions than it keeps.
func TestOverflow(t *testing.T) {
	const n = 100
	r := newRing(t, 8, 16)
	for i := range uint64(n) {
		r.Queue(SQE{Op: OpNop, UserData: i + 1})
	}
	// Nothing is taken until all is submitted, or nothing more goes in.
	for range n {
		if e := r.Enter(0); e != 0 {
			t.Fatal(e)
		}
	}
	var next uint64 = 1
	var c CQE
	for r.Pending() {
		if e := r.Enter(0); e != 0 {
			t.Fatal(e)
		}
		for r.Next(&c) {
			if c.UserData != next || c.Res != 0 {
				t.Fatalf("completion %d with %d; want %d with 0", c.UserData, c.Res, next)
			}
			next++
		}
	}
	if next != n+1 {
		t.Errorf("%d of %d completed", next-1, n)
	}
	if lost := r.Lost(); lost != 0 {
		t.Errorf("lost %d", lost)
	}
}

func TestDoKeepsOthers(t *testing.T) {
	r := newRing(t, 8, 16)
	r.Queue(SQE{Op: OpNop, UserData: 1})
	if e := r.Enter(0); e != 0 {
		t.Fatal(e)
	}
	r.Queue(SQE{Op: OpNop, UserData: 2})
	// Closing a place of a table that is not there.
	if res, err := r.Do(SQE{Op: OpClose, FileIndex: 1, UserData: 3}); err != nil || unix.Errno(-res) != unix.ENXIO {
		t.Errorf("result %d, error %v; want ENXIO", res, err)
	}
	if e := r.Enter(0); e != 0 {
		t.Fatal(e)
	}
	var got []uint64
	for c := (CQE{}); r.Next(&c); {
		if c.UserData != 0 {
			got = append(got, c.UserData)
		}
	}
	if len(got) != 2 || got[0] != 1 || got[1] != 2 {
		t.Errorf("completed %v, want 1 and 2", got)
	}
}

func TestEnterSleeps(t *testing.T) {
	r := newRing(t, 8, 16)
	const sleep = 3 * time.Millisecond
	start := time.Now()
	if e := r.Enter(int64(sleep)); e != 0 {
		t.Fatal(e)
	}
	// A signal of the runtime's may end it early, but not every time.
	for i := 0; time.Since(start) < sleep; i++ {
		if i == 1000 {
			t.Fatalf("does not sleep: 1000 times in %v", time.Since(start))
		}
		if e := r.Enter(int64(sleep)); e != 0 {
			t.Fatal(e)
		}
	}
}

func TestOtherThread(t *testing.T) {
	r := newRing(t, 8, 16)
	r.Queue(SQE{Op: OpNop, UserData: 1})
	errno := make(chan unix.Errno)
	go func() {
		runtime.LockOSThread() // not to be the thread that the test has
		errno <- r.Enter(0)
		runtime.UnlockOSThread()
	}()
	if e := <-errno; e != unix.EEXIST {
		t.Errorf("%v, want EEXIST", e)
	}
}

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

func BenchmarkNop(b *testing.B) {
	const batch = 64
	r := newRing(b, 128, 256)
	var c CQE
	b.ReportAllocs()
	for b.Loop() {
		for range batch {
			r.Queue(SQE{Op: OpNop, UserData: 1})
		}
		if e := r.Enter(0); e != 0 {
			b.Fatal(e)
		}
		for r.Next(&c) {
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/request")
}
