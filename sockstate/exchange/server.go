package exchange

import (
	"bytes"
	"errors"

	"lastack/sockstate/sockio"
)

// Server is the responder of an exchange: what all connections share.
type Server struct {
	spec        Spec
	chunk       []byte // of an echo's reply
	keep, close []byte // HTTP replies
	headKeep    []byte
	headClose   []byte
	refusals    [numFramingErrors]refusal
}

// refusal is the reply to an invalid request; to a HEAD, its first head bytes.
type refusal struct {
	p    []byte
	head int
}

// body is the body of every HTTP reply.
const body = "lastack\n"

// NewServer makes a server with its replies.
func NewServer(spec Spec) *Server {
	x := &Server{spec: spec}
	switch spec.Kind {
	case Echo:
		x.chunk = bytes.Repeat([]byte("y"), min(spec.Response, echoChunk))
	case HTTP:
		x.keep = httpReply(false)
		x.close = httpReply(true)
		x.headKeep = x.keep[:len(x.keep)-len(body)]
		x.headClose = x.close[:len(x.close)-len(body)]
		for e := errHeaderTooLarge; int(e) < numFramingErrors; e++ {
			p := errorReply(e)
			x.refusals[e] = refusal{p, bytes.Index(p, []byte("\r\n\r\n")) + 4}
		}
	}
	return x
}

// ServerConn is the exchange state of one connection: a value without pointers.
type ServerConn struct {
	send    int32 // bytes of the echo's reply not yet passed to a send
	need    int32 // bytes of the echo's request not yet read
	request requestParser
}

// Expect gets ready for the next request.
func (x *Server) Expect(c *ServerConn) {
	c.need = int32(x.spec.Request)
	c.request.Reset()
}

// Received handles received bytes: used of them belong to the request, the rest to the next one. whole says that the
// request is complete. An error means that it is not a valid request.
func (x *Server) Received(c *ServerConn, p []byte) (used int, whole bool, err error) {
	switch x.spec.Kind {
	case Echo:
		used = min(len(p), int(c.need))
		c.need -= int32(used)
		return used, c.need == 0, nil
	case HTTP:
		return c.request.Feed(p)
	}
	return len(p), false, nil
}

// Idle reports whether no byte of a request has been read.
func (x *Server) Idle(c *ServerConn) bool {
	if x.spec.Kind == HTTP {
		return c.request.Idle()
	}
	return c.need == int32(x.spec.Request)
}

// Slow reports whether the HTTP request just received is one for [SlowPath].
func (c *ServerConn) Slow() bool { return c.request.Slow() }

// Reply replies to the request just received. With last, an HTTP reply announces that the
// connection will close. It reports whether the connection is to close after the reply.
func (x *Server) Reply(l sockio.Loop, s sockio.Sock, c *ServerConn, last bool) (closes bool) {
	if x.spec.Kind == Echo {
		c.send = int32(x.spec.Response - len(x.chunk))
		l.Send(s, x.chunk)
		return last
	}
	closes = last || !c.request.KeepAlive()
	p := x.keep
	switch {
	case c.request.Head() && closes:
		p = x.headClose
	case c.request.Head():
		p = x.headKeep
	case closes:
		p = x.close
	}
	c.send = 0
	l.Send(s, p)
	return closes
}

// Continue sends 100 (Continue) if the client waits for it before it sends the request's body, and reports
// whether it does.
func (x *Server) Continue(l sockio.Loop, s sockio.Sock, c *ServerConn) bool {
	if x.spec.Kind != HTTP || !c.request.Awaited() {
		return false
	}
	c.send = 0
	l.Send(s, continueReply)
	return true
}

// Refuse replies to a request for which Received returned err; the connection is to close after
// it. It reports whether the protocol has such a reply.
func (x *Server) Refuse(l sockio.Loop, s sockio.Sock, c *ServerConn, err error) bool {
	e, ok := errors.AsType[framingError](err)
	if !ok || x.spec.Kind != HTTP {
		return false
	}
	p := x.refusals[e].p
	if c.request.Head() {
		p = p[:x.refusals[e].head]
	}
	c.send = 0
	l.Send(s, p)
	return true
}

// Sent continues after a completed send. It sends the next part of the reply and returns
// false, or returns true if all is sent.
func (x *Server) Sent(l sockio.Loop, s sockio.Sock, c *ServerConn) (out bool) {
	return sendRest(l, s, x.chunk, &c.send)
}
