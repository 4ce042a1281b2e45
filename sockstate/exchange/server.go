package exchange

import (
	"bytes"
	"errors"

	"lastack/sockstate/sockio"
)

// Server is the answering end of an exchange: what all connections share.
type Server struct {
	spec        Spec
	chunk       []byte // what an echo's reply is sent from
	keep, close []byte // HTTP replies
	headKeep    []byte
	headClose   []byte
	refusals    [numFramingErrors]refusal
}

// refusal is the reply to a request that is none; to a HEAD, its first head bytes.
type refusal struct {
	p    []byte
	head int
}

// body is what the HTTP server answers with.
const body = "lastack\n"

// NewServer prepares the bytes to answer with.
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

// ServerConn is one connection's exchange: a value without pointers.
type ServerConn struct {
	send    int32 // bytes of the echo's reply not yet handed to a send
	need    int32 // bytes of the echo's request not yet read
	request requestParser
}

// Expect prepares for the next request.
func (x *Server) Expect(c *ServerConn) {
	c.need = int32(x.spec.Request)
	c.request.Reset()
}

// Received takes what recv read: used bytes of it belong to the request, which is whole or not. The
// rest is the next request's. An error means that it is not a request.
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

// Idle reports whether no part of a request has been read.
func (x *Server) Idle(c *ServerConn) bool {
	if x.spec.Kind == HTTP {
		return c.request.Idle()
	}
	return c.need == int32(x.spec.Request)
}

// Slow reports whether the HTTP request just received is one for [SlowPath].
func (c *ServerConn) Slow() bool { return c.request.Slow() }

// Reply sends the answer to the request just received; with last, HTTP says that the
// connection will close. It reports whether the connection is to close after it.
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

// Continue sends 100 (Continue) to a client that waits for it before it sends the body of the request under
// way, and reports whether there is one.
func (x *Server) Continue(l sockio.Loop, s sockio.Sock, c *ServerConn) bool {
	if x.spec.Kind != HTTP || !c.request.Awaited() {
		return false
	}
	c.send = 0
	l.Send(s, continueReply)
	return true
}

// Refuse sends the answer to what Received said is not a request, after which the connection
// is to close, and reports whether there is such an answer.
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

// Sent goes on after a send has completed: it sends the rest of the reply, and
// reports false, or the reply is out.
func (x *Server) Sent(l sockio.Loop, s sockio.Sock, c *ServerConn) (out bool) {
	return sendRest(l, s, x.chunk, &c.send)
}
