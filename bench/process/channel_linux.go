package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// setupTimeout bounds the wait for init and reaper to answer.
const setupTimeout = 30 * time.Second

// request tells a reaper what to start, and later, perhaps, to let go. Init gets an empty request for each reaper, with the reaper's end of
// its channel and the pipe for its output.
type request struct {
	Path string   `json:"path,omitempty"`
	Args []string `json:"args,omitempty"`
	Env  []string `json:"env,omitempty"`
	// Mark is the program's mark, see newMark; 0: none.
	Mark uint64 `json:"mark,omitempty"`
	// Patience is that of Spec.
	Patience time.Duration `json:"patience,omitempty"`
	// LetGo ends the reaper alone.
	LetGo bool `json:"let_go,omitempty"`
}

// reply is one message of init or of a reaper. The fields exclude each other.
type reply struct {
	// Init says that init is up.
	Init bool `json:"init,omitempty"`
	// Started comes with the pidfd of the program.
	Started bool `json:"started,omitempty"`
	// Call and Errno say why it was not started.
	Call  string        `json:"call,omitempty"`
	Errno syscall.Errno `json:"errno,omitempty"`
	// Exit is the wait status of the server.
	Exit *syscall.WaitStatus `json:"exit,omitempty"`
	// Gone says that the reaper has no child left.
	Gone bool `json:"gone,omitempty"`
	// Stuck says that something cannot be ended.
	Stuck bool `json:"stuck,omitempty"`
	// LetGo answers request.LetGo: what still lives belongs to nobody now.
	LetGo bool `json:"let_go,omitempty"`
}

// channel carries JSON values and, beside them, descriptors (SCM_RIGHTS), in the order in which they were sent.
type channel struct {
	conn *net.UnixConn
	dec  *json.Decoder
	fds  []int
}

// newPair makes a channel, and a file for its other end.
func newPair() (*channel, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	other := os.NewFile(uintptr(fds[1]), "channel")
	ch, err := newChannel(fds[0])
	if err != nil {
		_ = other.Close()
		return nil, nil, err
	}
	return ch, other, nil
}

// newChannel makes a channel of a descriptor, which it then owns.
func newChannel(fd int) (*channel, error) {
	f := os.NewFile(uintptr(fd), "channel")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	conn, ok := c.(*net.UnixConn)
	if !ok {
		_ = c.Close()
		return nil, fmt.Errorf("descriptor %d is no Unix socket", fd)
	}
	ch := &channel{conn: conn}
	ch.dec = json.NewDecoder(ch)
	return ch, nil
}

// Read is for the decoder. It keeps the descriptors that it receives.
func (ch *channel) Read(b []byte) (int, error) {
	oob := make([]byte, unix.CmsgSpace(2*4))
	n, oobn, _, _, err := ch.conn.ReadMsgUnix(b, oob)
	if oobn > 0 {
		messages, perr := unix.ParseSocketControlMessage(oob[:oobn])
		err = errors.Join(err, perr)
		for _, m := range messages {
			fds, perr := unix.ParseUnixRights(&m)
			err = errors.Join(err, perr)
			ch.fds = append(ch.fds, fds...)
		}
	}
	return max(n, 0), err // -1 with an error, which a Reader must not return
}

// take returns the next n descriptors, or nil if fewer have been received.
func (ch *channel) take(n int) []int {
	if len(ch.fds) < n {
		return nil
	}
	fds := ch.fds[:n]
	ch.fds = ch.fds[n:]
	return fds
}

func (ch *channel) send(v any, fds ...int) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	n, _, err := ch.conn.WriteMsgUnix(b, oob, nil)
	if err == nil && n < len(b) {
		_, err = ch.conn.Write(b[n:])
	}
	return err
}

func (ch *channel) receive(v any) error { return ch.dec.Decode(v) }

// patience bounds each send and receive from now on; 0: no bound.
func (ch *channel) patience(d time.Duration) {
	var t time.Time
	if d > 0 {
		t = time.Now().Add(d)
	}
	_ = ch.conn.SetDeadline(t) // fails only if closed, and then so will the next call
}

func (ch *channel) close() {
	_ = ch.conn.Close()
	for _, fd := range ch.fds {
		_ = unix.Close(fd)
	}
	ch.fds = nil
}
