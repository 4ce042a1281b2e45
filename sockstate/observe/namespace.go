package observe

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"

	"lastack/sockstate/netns"
)

// namespace holds the files of one network namespace, opened inside it.
type namespace struct {
	id string
	// Every kernel has these, but a container may hide them: they are nil then and in unread.
	snmp, netstat, sockstat *os.File
	// conntrack is nil if the kernel has no connection tracking.
	conntrack *os.File
	// unread is why a file could not be read, by file.
	unread map[string]string
}

// The files of a namespace, the keys of unread.
const (
	snmpFile     = "/proc/net/snmp"
	netstatFile  = "/proc/net/netstat"
	sockstatFile = "/proc/net/sockstat"
)

// lacks notes why a file was not read; the first reason counts.
func (n *namespace) lacks(file string, err error) {
	if _, known := n.unread[file]; err == nil || known {
		return
	}
	if n.unread == nil {
		n.unread = make(map[string]string)
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err // without the path: it has the thread's ID
	}
	n.unread[file] = err.Error()
}

func openNamespace(ns *netns.NS) (*namespace, error) {
	n := &namespace{}
	err := ns.Do(func() error {
		if err := n.identify(ns, os.Readlink); err != nil {
			return err
		}
		// thread-self: /proc/self/net would be the thread-group leader's.
		const net = "/proc/thread-self/net/"
		for _, f := range []struct {
			into       **os.File
			path, name string
		}{
			{&n.snmp, net + "snmp", snmpFile},
			{&n.netstat, net + "netstat", netstatFile},
			{&n.sockstat, net + "sockstat", sockstatFile},
			// /proc/sys/net shows the reading thread's namespace.
			{&n.conntrack, "/proc/sys/net/netfilter/nf_conntrack_count", ""},
		} {
			file, err := os.Open(f.path)
			if err == nil {
				*f.into = file
			} else if f.name != "" {
				n.lacks(f.name, err)
			}
		}
		return nil
	})
	if err != nil {
		_ = n.close() // read-only
		return nil, err
	}
	return n, nil
}

// identify fills in n's ID. The caller's own namespace works without one: its file may be unreadable.
func (n *namespace) identify(ns *netns.NS, readlink func(string) (string, error)) (err error) {
	if n.id, err = readlink(netns.File); err != nil && ns == nil {
		n.id = "this network namespace"
		n.lacks(netns.File, err)
		return nil
	}
	return err
}

func (n *namespace) close() error {
	var errs []error
	for _, f := range []*os.File{n.snmp, n.netstat, n.sockstat, n.conntrack} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// reader reads a file again from its start.
type reader = io.SectionReader

// parseFile parses f from its start and adds its name to a *ParseError.
func parseFile(f *os.File, parse func(*reader) error) error {
	err := parse(io.NewSectionReader(f, 0, 1<<62))
	if perr, ok := errors.AsType[*ParseError](err); ok {
		perr.File = f.Name()
	}
	return err
}

// readInt reads a file that holds one number.
func readInt(f *os.File) (int64, error) {
	var buf [32]byte
	n, err := f.ReadAt(buf[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Unknown, err
	}
	v, err := strconv.ParseInt(string(bytes.TrimSpace(buf[:n])), 10, 64)
	if err != nil {
		return Unknown, &ParseError{File: f.Name(), Line: 1, What: "not a number"}
	}
	return v, nil
}
