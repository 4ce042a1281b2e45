package exchange

import (
	"bytes"
	"errors"

	"lastack/sockstate"
	"lastack/sockstate/sockio"
)

// Errors of well-formed replies; a malformed one is a [framingError].
var (
	// ErrStatus is a reply with a 5xx status.
	ErrStatus = errors.New("HTTP status 5xx")
	// ErrSurplus is bytes after the last reply.
	ErrSurplus = errors.New("bytes after the end of the reply")
	// ErrEarly is bytes between two requests.
	ErrEarly = errors.New("bytes before the next request was sent")
)

// Client is the requester of an exchange: what all connections of a group share.
type Client struct {
	spec Spec
	// request is the bytes of a request, and last those of a connection's last one. A long
	// echo sends request repeatedly.
	request, last []byte
}

// ClientConfig configures a Client.
type ClientConfig struct {
	Spec    Spec
	Host    string   // for the Host header
	Headers []string // "Name: value", checked by CheckHeaders
	// PeerCloses makes the last request of a connection say "Connection: close".
	PeerCloses bool
}

// echoChunk bounds one send of an echo, in bytes.
const echoChunk = 64 << 10

// NewClient makes a client with its requests.
func NewClient(cfg ClientConfig) *Client {
	c := &Client{spec: cfg.Spec}
	switch cfg.Spec.Kind {
	case Echo:
		c.request = bytes.Repeat([]byte("x"), min(cfg.Spec.Request, echoChunk))
		c.last = c.request
	case HTTP:
		c.request = AppendRequest(nil, cfg.Host, cfg.Spec.Path, cfg.Headers, false)
		c.last = AppendRequest(nil, cfg.Host, cfg.Spec.Path, cfg.Headers, cfg.PeerCloses)
	}
	return c
}

// ClientConn is the exchange state of one connection: a value without pointers.
type ClientConn struct {
	send  int32 // bytes of the request not yet passed to a send
	need  int32 // bytes of the echo's reply not yet read
	reply replyParser
}

// Start begins a request and returns its first bytes to send. last says that it is the connection's last.
func (x *Client) Start(c *ClientConn, last bool) []byte {
	switch x.spec.Kind {
	case Echo:
		c.need = int32(x.spec.Response)
		c.send = int32(x.spec.Request - len(x.request))
	case HTTP:
		c.reply.Reset()
		c.send = 0
		if last {
			return x.last
		}
	}
	return x.request
}

// StartPartial begins a request and returns its first half: the rest is never sent.
func (x *Client) StartPartial(c *ClientConn) []byte {
	p := x.Start(c, false)
	c.send = 0
	return p[:max(len(p)/2, 1)]
}

// Sent continues after a completed send. It sends the next part of the request and returns
// false, or returns true if all is sent.
func (x *Client) Sent(l sockio.Loop, s sockio.Sock, c *ClientConn) (out bool) {
	return sendRest(l, s, x.request, &c.send)
}

// sendRest sends up to a chunk of what is left and returns false, or returns true if nothing is left.
func sendRest(l sockio.Loop, s sockio.Sock, chunk []byte, left *int32) (out bool) {
	if *left == 0 {
		return true
	}
	n := min(*left, int32(len(chunk)))
	*left -= n
	l.Send(s, chunk[:n])
	return false
}

// Received handles received bytes. It reports whether the reply is complete and counts its status. An error
// means that the reply is not a good one.
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

// status counts the status of a complete reply.
func (c *ClientConn) status(seen *sockstate.Statuses) error {
	class := c.reply.Status() / 100
	seen[class]++
	if class == 5 {
		return ErrStatus
	}
	return nil
}

// EOF reports whether the peer's EOF properly ends the reply (HTTP without a length), and counts its status.
func (x *Client) EOF(c *ClientConn, seen *sockstate.Statuses) (whole bool, err error) {
	if x.spec.Kind != HTTP || !c.reply.EOF() {
		return false, nil
	}
	return true, c.status(seen)
}

// Status is the status code of a complete HTTP reply, otherwise 0.
func (x *Client) Status(c *ClientConn) int {
	if x.spec.Kind != HTTP {
		return 0
	}
	return c.reply.Status()
}

// Farewell reports whether the unsolicited bytes p are a 408 (Request Timeout). A server may send it before it closes a
// connection on which it waited for a request (RFC 9110, section 15.5.9).
func Farewell(p []byte) bool {
	return bytes.HasPrefix(p, []byte("HTTP/1.1 408 ")) || bytes.HasPrefix(p, []byte("HTTP/1.0 408 "))
}

// KeepAlive reports whether the peer accepts another request after this reply.
func (x *Client) KeepAlive(c *ClientConn) bool {
	return x.spec.Kind != HTTP || c.reply.KeepAlive()
}
