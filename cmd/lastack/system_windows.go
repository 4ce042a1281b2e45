package main

import (
	"os"
	"syscall"
)

// Nothing is measured here, so only a saved record is printed: what keeps a new one from being lost needs no equal.

const noFollow = 0

func mayWrite(string) error { return nil }

func duplicate(int, string) (*os.File, error) { return nil, syscall.EBADF }

func lockedElsewhere(*os.File) bool { return false }

func flush(*os.File) error { return nil }

func ownerOf(os.FileInfo) (uid, gid int, ok bool) { return 0, 0, false }

// The numbers of Linux, which no process gets here.
const (
	cpuLimitSignal  = syscall.Signal(24)
	sizeLimitSignal = syscall.Signal(25)
)
