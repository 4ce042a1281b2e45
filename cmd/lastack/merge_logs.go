package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// ourMessage is how each line begins that lastack writes to standard error. No line of a record does.
var ourMessage = []byte("lastack: ")

// withoutMessages leaves out lastack's own messages: an engine's log has both streams of its processes, line by line.
type withoutMessages struct {
	lines *bufio.Reader
	rest  []byte // of what was read and is to be passed on
	// within a line, and whether that is a message
	within, message bool
}

func newWithoutMessages(r io.Reader) *withoutMessages {
	return &withoutMessages{lines: bufio.NewReaderSize(r, 64<<10)}
}

// Read implements io.Reader.
func (w *withoutMessages) Read(p []byte) (int, error) {
	for len(w.rest) == 0 {
		part, err := w.lines.ReadSlice('\n')
		if len(part) == 0 {
			return 0, err
		}
		if !w.within {
			w.message = bytes.HasPrefix(part, ourMessage)
		}
		w.within = errors.Is(err, bufio.ErrBufferFull)
		if !w.message {
			w.rest = part
		}
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}
