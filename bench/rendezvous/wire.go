package rendezvous

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"time"
)

// message is one line of the protocol. Which fields are set says what it is.
type message struct {
	Hello  *hello  `json:"hello,omitempty"`
	Ask    *clocks `json:"ask,omitempty"`
	Answer *clocks `json:"answer,omitempty"`
	Ready  bool    `json:"ready,omitempty"`
	Start  *start  `json:"start,omitempty"`
	// Error ends the rendezvous. Of is the number of the shard that it is about.
	Error string `json:"error,omitempty"`
	Of    int    `json:"of,omitempty"`
}

type hello struct {
	Magic   string `json:"magic"`
	I       int    `json:"i"`
	N       int    `json:"n"`
	Plan    string `json:"plan"`
	Version string `json:"version"`
	Token   string `json:"token,omitempty"`
}

// magic names the protocol and its version.
const magic = "lastack-rendezvous/1"

// clocks are the readings of an exchange in nanoseconds since 1970: t1 when it was asked, t2 when that came, t3 when it was answered.
type clocks struct {
	T1 int64 `json:"t1"`
	T2 int64 `json:"t2,omitempty"`
	T3 int64 `json:"t3,omitempty"`
}

// compare tells from an exchange that took trip how much the asker's clock is ahead, and how much of trip was on the way. It is not ok if that
// cannot be: readings before 1970, which might overflow too, or an answer that took longer than the trip.
func (c *clocks) compare(trip time.Duration) (ahead, way time.Duration, ok bool) {
	if c.T1 <= 0 || c.T2 <= 0 || c.T3 < c.T2 {
		return 0, 0, false
	}
	if way = trip - time.Duration(c.T3-c.T2); way < 0 {
		return 0, 0, false
	}
	// ((t1 - t2) + (t4 - t3)) / 2, where t4 is t1 and the whole trip.
	return time.Duration(c.T1-c.T2) + way/2, way, true
}

type start struct {
	At     int64  `json:"at"` // nanoseconds since 1970, on shard 0's clock
	RunID  string `json:"run_id"`
	Absent []int  `json:"absent,omitempty"`
}

// on is the start on a clock that is ahead of shard 0's.
func (s *start) on(ahead time.Duration) time.Time { return time.Unix(0, s.At).Add(ahead) }

// mostLine bounds a message. The list of absent shards is the longest.
const mostLine = 128 << 10

// link is a connection of two shards.
type link struct {
	net.Conn
	lines *bufio.Reader
}

// newLink ends the connection's waiting when the context is over.
func newLink(ctx context.Context, c net.Conn) (l *link, stop func() bool) {
	if t, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(t) // fails on a closed connection only, as what follows does
	}
	l = &link{c, bufio.NewReaderSize(c, 4096)}
	return l, context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
}

func (l *link) send(m message) error {
	b, err := json.Marshal(m)
	if err == nil {
		_, err = l.Write(append(b, '\n'))
	}
	return err
}

// refuse tells a shard why it cannot take part, and waits until it has heard: a close with data unread would be a reset, which may overtake the words.
func (l *link) refuse(e *Error) {
	if l.send(message{Error: e.Text, Of: e.Shard}) != nil {
		return
	}
	if c, ok := l.Conn.(*net.TCPConn); ok && c.CloseWrite() == nil {
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		_, _ = io.CopyN(io.Discard, c, mostLine)
	}
}

var errRubbish = errors.New("what came is no message of a rendezvous")

// receive reads a message.
func (l *link) receive() (m message, err error) {
	var line []byte
	for {
		part, err := l.lines.ReadSlice('\n')
		if line = append(line, part...); len(line) > mostLine {
			return m, errRubbish
		}
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) && len(line) > 0 {
				return m, errRubbish
			}
			return m, err
		}
	}
	return parse(line)
}

func parse(line []byte) (m message, err error) {
	if json.Unmarshal(line, &m) != nil {
		return message{}, errRubbish
	}
	kinds := 0
	for _, is := range []bool{m.Hello != nil, m.Ask != nil, m.Answer != nil, m.Ready, m.Start != nil, m.Error != ""} {
		if is {
			kinds++
		}
	}
	if kinds != 1 {
		return message{}, errRubbish
	}
	return m, nil
}
