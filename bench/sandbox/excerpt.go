package sandbox

import (
	"bytes"
	"fmt"
	"sync"
)

// excerptLimit bounds, in bytes, both the start and the end of an excerpt.
const excerptLimit = 8 << 10

// excerpt is a writer that keeps the start and the end of a cell's stderr: a crash trace begins with its reason.
type excerpt struct {
	mu         sync.Mutex
	start, end []byte
	skipped    int64
}

func (s *excerpt) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(len(b), excerptLimit-len(s.start))
	s.start = append(s.start, b[:n]...)
	s.end = append(s.end, b[n:]...)
	if more := len(s.end) - excerptLimit; more > 0 {
		s.skipped += int64(more)
		s.end = append(s.end[:0], s.end[more:]...)
	}
	return len(b), nil
}

func (s *excerpt) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b bytes.Buffer
	b.Write(s.start)
	if s.skipped > 0 {
		fmt.Fprintf(&b, "\n[%d bytes left out]\n", s.skipped)
	}
	b.Write(s.end)
	return b.String()
}
