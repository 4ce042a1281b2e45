package main

import "golang.org/x/sys/unix"

// sysNewfstatat has another name where files are larger than addresses.
const sysNewfstatat = unix.SYS_FSTATAT64
