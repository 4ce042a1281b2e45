package main

import (
	"cmp"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// ownDescriptor finds the descriptor of this process that path leads to. Opening the path anew would write from offset 0, and
// replacing the file would detach it from other writers to the redirection. st is the result of os.Stat(path), nil if it failed.
func ownDescriptor(path string, st os.FileInfo) (fd int, ok bool) {
	if st != nil && !st.IsDir() {
		for i, f := range []*os.File{os.Stdout, os.Stderr} {
			if own, err := f.Stat(); err == nil && os.SameFile(own, st) {
				return 1 + i, true
			}
		}
	}
	dir, name := filepath.Split(path)
	dir, err := filepath.EvalSymlinks(cmp.Or(dir, "."))
	if err != nil {
		return 0, false
	}
	if dir == "/dev" && strings.HasPrefix(name, "std") { // links to /proc/self/fd
		if link, err := os.Readlink(path); err == nil && link != path {
			return ownDescriptor(link, nil)
		}
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return 0, false
	}
	self := "/proc/" + strconv.Itoa(os.Getpid())
	if dir != self+"/fd" && !(strings.HasPrefix(dir, self+"/task/") && strings.HasSuffix(dir, "/fd")) && dir != "/dev/fd" {
		return 0, false
	}
	fd, err = strconv.Atoi(name)
	return fd, err == nil && fd >= 0
}

// maxLinks is the kernel's limit (MAXSYMLINKS).
const maxLinks = 40

// followLinks resolves path, whose last element need not exist, as filepath.EvalSymlinks requires.
func followLinks(path string) (string, error) {
	for range maxLinks {
		dir, name := filepath.Split(path)
		dir, err := filepath.EvalSymlinks(cmp.Or(dir, "."))
		if err != nil {
			return "", err
		}
		path = filepath.Join(dir, name)
		link, err := os.Readlink(path)
		if err != nil { // no link, or nothing
			return path, nil
		}
		if !filepath.IsAbs(link) {
			link = dir + "/" + link // not filepath.Join, which shortens a/../b to b although a may be a link
		}
		path = link
	}
	return "", syscall.ELOOP
}

// sameFile reports whether two paths name the same file, which need not exist.
func sameFile(a, b string) bool {
	ia, erra := os.Stat(a)
	ib, errb := os.Stat(b)
	if erra == nil && errb == nil {
		return os.SameFile(ia, ib)
	}
	a, erra = followLinks(a)
	b, errb = followLinks(b)
	if erra != nil || errb != nil {
		return false
	}
	a, erra = filepath.Abs(a)
	b, errb = filepath.Abs(b)
	return erra == nil && errb == nil && a == b
}
