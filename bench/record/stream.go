package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Stream reads records that follow each other, as JSON Lines or not.
type Stream struct {
	in    counter
	r     *bufio.Reader
	began int64
	// astray: the last record was faulty, and its end is not known. newLine: what follows begins a line.
	astray, newLine bool
}

// counter counts what was read.
type counter struct {
	r io.Reader
	n int64
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// NewStream returns a Stream of what r has.
func NewStream(r io.Reader) *Stream {
	s := &Stream{in: counter{r: r}}
	s.r = bufio.NewReaderSize(&s.in, 256<<10)
	return s
}

// Next is Read for the next record. The error is io.EOF if there are no more. After one that is Faulty, the next is the one that begins with the next
// line that has a brace at its beginning: no line within a record that lastack wrote has.
func (s *Stream) Next() (*Run, error) {
	if err := s.find(); err != nil {
		return nil, err
	}
	in, err := begin(s.r, maxSize)
	s.began = s.in.n - int64(s.r.Buffered())
	switch f, _ := errors.AsType[*formatError](err); {
	case f != nil && f.Fault == faultEmpty:
		return nil, io.EOF
	case err != nil:
		s.astray = true
		return nil, err
	}
	err = in.takeOne(s.r)
	s.astray, s.newLine = !in.ended, in.cutOff
	var run *Run
	if err == nil {
		run, err = in.record()
	}
	if f, ok := errors.AsType[*formatError](err); ok {
		f.shard = shardOf(in.rest)
	}
	return run, err
}

// Began is how many bytes were before the record that Next read last.
func (s *Stream) Began() int64 { return s.began }

// find finds the beginning of a record after one whose end is not known.
func (s *Stream) find() error {
	for s.astray {
		if !s.newLine {
			switch _, err := s.r.ReadSlice('\n'); {
			case errors.Is(err, bufio.ErrBufferFull):
				continue
			case err != nil && !errors.Is(err, io.EOF):
				return fmt.Errorf("read the run record: %w", err)
			}
		}
		c, err := s.r.Peek(1)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read the run record: %w", err)
		}
		s.newLine = false
		s.astray = err == nil && c[0] != '{'
	}
	return nil
}

// Faulty reports whether an error of Read or Next is about the record, and not about how it was read, or about a later version of lastack.
func Faulty(err error) bool {
	f, ok := errors.AsType[*formatError](err)
	return ok && f.Fault != faultNewer
}

// ShardOf is the shard of the record that an error of Next is about, nil if that is not known.
func ShardOf(err error) *Shard {
	if f, ok := errors.AsType[*formatError](err); ok {
		return f.shard
	}
	return nil
}

// shardOf finds the shard in the text of a record, which may be cut off.
func shardOf(text []byte) *Shard {
	d := json.NewDecoder(bytes.NewReader(text))
	if begin, err := d.Token(); err != nil || begin != json.Delim('{') {
		return nil
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil
		}
		if key == "shard" {
			var s *Shard
			if d.Decode(&s) != nil {
				return nil
			}
			return s
		}
		var other json.RawMessage
		if d.Decode(&other) != nil {
			return nil
		}
	}
	return nil
}
