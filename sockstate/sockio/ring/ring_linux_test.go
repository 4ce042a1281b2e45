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
