//go:build !386

package main

import "golang.org/x/sys/unix"

const sysNewfstatat = unix.SYS_NEWFSTATAT
