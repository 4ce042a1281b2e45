package procnet

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"lastack/sockstate"
	"lastack/sockstate/netns"
)

var _ sockstate.Source = (*Source)(nil)

// Source takes censuses of one network namespace from its socket tables. It is not
// safe for concurrent use.
type Source struct {
	files []*os.File
	buf   []byte
	seen  int

	// add is one closure over these two for the life of the Source.
	filter *sockstate.Filter
	census *sockstate.Census
	add    func(*sockstate.Socket)
}

// Open opens the tables of a namespace, or of the calling thread's if ns is nil. It needs
// no privilege beyond that of netns.NS.Do. A missing tcp6 (a kernel without IPv6) is not
// an error; a missing tcp is an *fs.PathError.
//
// The tables belong to the namespace, whichever thread reads them, and keep it alive until
// Close (seq_open_net holds a reference).
func Open(ns *netns.NS) (*Source, error) {
	var s *Source
	err := ns.Do(func() (err error) {
		// thread-self: /proc/self/net would be the thread-group leader's.
		s, err = open("/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6")
		return err
	})
	return s, err
}

// open opens the first path, and the second if it exists.
func open(tcp, tcp6 string) (*Source, error) {
	f, err := os.Open(tcp)
	if err != nil {
		return nil, err
	}
	s := &Source{buf: make([]byte, bufferSize), files: []*os.File{f}}
	switch f, err := os.Open(tcp6); {
	case err == nil:
		s.files = append(s.files, f)
	case !errors.Is(err, fs.ErrNotExist):
		_ = s.Close() // read-only
		return nil, err
	}
	s.add = func(sock *sockstate.Socket) {
		s.seen++
		s.census.Add(s.filter, sock)
	}
	return s, nil
}

// Census adds the load's sockets to c. After an error (an *fs.PathError, or a
// *ParseError) c holds a part of them.
func (s *Source) Census(f *sockstate.Filter, c *sockstate.Census) error {
	s.filter, s.census = f, c
	defer func() { s.filter, s.census = nil, nil }()
	return s.read(s.add)
}

// Each calls each for every TCP socket of the namespace, in a Socket that it reuses. Its errors are those of Census.
func (s *Source) Each(each func(*sockstate.Socket)) error {
	return s.read(func(sock *sockstate.Socket) {
		s.seen++
		each(sock)
	})
}

func (s *Source) read(each func(*sockstate.Socket)) error {
	s.seen = 0
	for _, file := range s.files {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if err := parse(file, s.buf, each); err != nil {
			if perr, ok := errors.AsType[*ParseError](err); ok {
				perr.File = file.Name()
			}
			return err
		}
	}
	return nil
}

// Seen is the number of sockets that the last Census or Each read, whatever their load:
// the kernel prints them all.
func (s *Source) Seen() int { return s.seen }

// Close closes the tables.
func (s *Source) Close() error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	s.files = nil
	return errors.Join(errs...)
}
