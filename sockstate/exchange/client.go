package exchange

import (
	"bytes"
	"errors"

	"lastack/sockstate"
	"lastack/sockstate/sockio"
)

// What a whole reply can be besides good; a malformed one is a [framingError].
var (
	// ErrStatus is a reply with a 5xx status.
	ErrStatus = errors.New("HTTP status 5xx")
	// ErrSurplus is a reply with more bytes behind it than were asked for.
	ErrSurplus = errors.New("more bytes than the reply has")
	// ErrEarly is what comes on a connection between two requests.
	ErrEarly = errors.New("bytes that came before the next request was sent")
)

// Client is the asking end of an exchange: what all connections of a group share.
type Client struct {
	spec Spec
	// ask is what a request consists of, and last the request that ends a connection. An
	// echo longer than the buffer sends it repeatedly.
	ask, last []byte
}

// ClientConfig says what a Client asks.
type ClientConfig struct {
	Spec    Spec
	Host    string   // of HTTP's Host header
	Headers []string // "Name: value", validated by ParseHeader
	// PeerCloses makes the last request of a connection say "Connection: close".
	PeerCloses bool
}

// echoChunk bounds what one send of an echo takes.
const echoChunk = 64 << 10

// NewClient prepares the bytes to send.
func NewClient(cfg ClientConfig) *Client {
	c := &Client{spec: cfg.Spec}
	switch cfg.Spec.Kind {
	case Echo:
		c.ask = bytes.Repeat([]byte("x"), min(cfg.Spec.Request, echoChunk))
		c.last = c.ask
	case HTTP:
		c.ask = AppendRequest(nil, cfg.Host, cfg.Spec.Path, cfg.Headers, false)
		c.last = AppendRequest(nil, cfg.Host, cfg.Spec.Path, cfg.Headers, cfg.PeerCloses)
	}
	return c
}

// ClientConn is one connection's exchange: a value without pointers.
type ClientConn struct {
	send  int32 // bytes of the request not yet handed to a send
	need  int32 // bytes of the echo's reply not yet read
	reply replyParser
}

// Start prepares a request, the connection's last or not, and returns the first bytes to send.
func (x *Client) Start(c *ClientConn, last bool) []byte {
	switch x.spec.Kind {
	case Echo:
		c.need = int32(x.spec.Response)
		c.send = int32(x.spec.Request - len(x.ask))
	case HTTP:
		c.reply.Reset()
		c.send = 0
		if last {
			return x.last
		}
	}
	return x.ask
}

// StartPartial prepares a request of which only the first half is sent, and returns that.
func (x *Client) StartPartial(c *ClientConn) []byte {
	p := x.Start(c, false)
	c.send = 0
	return p[:max(len(p)/2, 1)]
}

// Sent goes on after a send has completed: it sends the rest of the request, and
// reports false, or the request is out.
func (x *Client) Sent(l sockio.Loop, s sockio.Sock, c *ClientConn) (out bool) {
	return sendRest(l, s, x.ask, &c.send)
}

// sendRest sends as much of what is left as chunk has, and reports false, or nothing is left.
func sendRest(l sockio.Loop, s sockio.Sock, chunk []byte, left *int32) (out bool) {
	if *left == 0 {
		return true
	}
	n := min(*left, int32(len(chunk)))
	*left -= n
	l.Send(s, chunk[:n])
	return false
}

// Received takes what recv read, reports whether the reply is whole, and counts its status. An error
// means that it is not what was asked for.
func (x *Client) Received(c *ClientConn, p []byte, seen *sockstate.Statuses) (whole bool, err error) {
	var used int
	switch x.spec.Kind {
	case Echo:
		used = min(len(p), int(c.need))
		c.need -= int32(used)
		whole = c.need == 0
	case HTTP:
		used, whole, err = c.reply.Feed(p)
		for c.reply.Interim() {
			seen[1]++
			if used == len(p) {
				return false, nil
			}
			var n int
			n, whole, err = c.reply.Feed(p[used:])
			used += n
		}
		switch {
		case err != nil:
			if errors.Is(err, errStatusRange) {
				seen[sockstate.InvalidStatus]++
			}
			return false, err
		case whole:
			if err = c.status(seen); err != nil {
				return true, err
			}
		}
	}
	if whole && used < len(p) {
		return true, ErrSurplus
	}
	return whole, nil
}

// status counts the status of a whole reply.
func (c *ClientConn) status(seen *sockstate.Statuses) error {
	class := c.reply.Status() / 100
	seen[class]++
	if class == 5 {
		return ErrStatus
	}
	return nil
}

// EOF reports whether the peer's EOF ends the reply properly, HTTP without a length, and counts its status.
func (x *Client) EOF(c *ClientConn, seen *sockstate.Statuses) (whole bool, err error) {
	if x.spec.Kind != HTTP || !c.reply.EOF() {
		return false, nil
	}
	return true, c.status(seen)
}

// Status is the status code of a whole HTTP reply, else 0.
func (x *Client) Status(c *ClientConn) int {
	if x.spec.Kind != HTTP {
		return 0
	}
	return c.reply.Status()
}

// Farewell reports whether p, which nobody asked for, is a 408 (Request Timeout): a server may send it before it closes a
// connection on which it waited for a request (RFC 9110, section 15.5.9).
func Farewell(p []byte) bool {
	return bytes.HasPrefix(p, []byte("HTTP/1.1 408 ")) || bytes.HasPrefix(p, []byte("HTTP/1.0 408 "))
}

// KeepAlive reports whether the peer will take another request after this reply.
func (x *Client) KeepAlive(c *ClientConn) bool {
	return x.spec.Kind != HTTP || c.reply.KeepAlive()
}
