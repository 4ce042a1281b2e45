package process

import (
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// saidLimit is how much of the output is kept, in bytes.
const saidLimit = 16 << 10

// output reads a pipe as fast as it is written, so that the writer never waits, and keeps the end.
type output struct {
	file *os.File
	done chan struct{}

	mu     sync.Mutex
	fd     int // -1: closed
	kept   []byte
	buffer []byte
}

// newOutput makes the pipe, and returns the end to write to.
func newOutput() (*output, *os.File, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	// Only the reading end: the flag would be the server's too.
	if err := unix.SetNonblock(fds[0], true); err != nil {
		_, _ = unix.Close(fds[0]), unix.Close(fds[1])
		return nil, nil, os.NewSyscallError("fcntl", err)
	}
	o := &output{
		file: os.NewFile(uintptr(fds[0]), "output"), done: make(chan struct{}),
		fd: fds[0], buffer: make([]byte, saidLimit),
	}
	go o.read()
	return o, os.NewFile(uintptr(fds[1]), "output"), nil
}

func (o *output) read() {
	defer close(o.done)
	conn, err := o.file.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Read(func(uintptr) bool { // until the end, or until it is closed
		for {
			if again, end := o.pull(); !again {
				return end
			}
		}
	})
}

// pull reads once. again: there may be more now; end: there will be none.
func (o *output) pull() (again, end bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fd < 0 {
		return false, true
	}
	n, err := unix.Read(o.fd, o.buffer)
	switch {
	case errors.Is(err, unix.EINTR):
		return true, false
	case errors.Is(err, unix.EAGAIN):
		return false, false
	case err != nil || n == 0:
		return false, true
	}
	o.kept = append(o.kept, o.buffer[:n]...)
	if over := len(o.kept) - saidLimit; over > 0 {
		o.kept = o.kept[:copy(o.kept, o.kept[over:])]
	}
	return true, false
}

// said is the end of what was written until now, with what is still in the pipe, which holds 64 KiB. It does not wait for an endless
// writer.
func (o *output) said() string {
	for range 16 {
		if again, _ := o.pull(); !again {
			break
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.kept)
}

// release reads on as long as somebody writes: SIGPIPE would end the writer.
func (o *output) release() {
	go func() {
		<-o.done
		o.close()
	}()
}

func (o *output) close() {
	o.said()
	o.mu.Lock()
	o.fd = -1
	o.mu.Unlock()
	_ = o.file.Close()
	<-o.done
}
