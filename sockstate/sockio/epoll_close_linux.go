package sockio

import "golang.org/x/sys/unix"

func (l *epoll) close(k *epollSock, s Sock, lingers bool) {
	if k.file == 0 {
		l.complete(OpClose, s, unix.ECANCELED, 0)
		return
	}
	fd := k.forget()
	if lingers {
		l.linger.close(s, fd)
		return
	}
	_, _, e := unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
	l.closed(s, e)
}

func (l *epoll) closed(s Sock, e Errno) {
	l.free(s)
	l.complete(OpClose, s, e, 0)
}

// lingered completes the closes that a lingerer thread has finished.
func (l *epoll) lingered() {
	l.back = l.linger.take(l.back)
	for _, c := range l.back {
		l.free(c.s)
		l.completeAt(OpClose, c.s, c.errno, 0, c.at)
	}
}

func (l *epoll) CloseAll(abort bool) error {
	o := newLinger(0)
	for i := range l.socks {
		k := &l.socks[i]
		if k.file == 0 {
			continue
		}
		if abort {
			_ = setsockopt(k.fd(), &o) // on failure the close below still closes
		}
		_ = unix.Close(k.forget())
	}
	l.linger.finish(abort)
	l.waker.close()
	return failed("close", "", unix.Close(l.epfd))
}
