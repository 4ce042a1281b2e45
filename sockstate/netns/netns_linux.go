package netns

import "golang.org/x/sys/unix"

func unshare() error { return unix.Unshare(unix.CLONE_NEWNET) }

func setns(fd int) error { return unix.Setns(fd, unix.CLONE_NEWNET) }

func onMainThread() bool { return unix.Gettid() == unix.Getpid() }
