package exchange

import (
	"bytes"
	"errors"

	"lastack/sockstate/sockio"
)

// Server is the responder of an exchange: what all connections share.
type Server struct {
	spec        Spec
	chunk       []byte      // of an echo's reply
	keep, close httpMessage // HTTP replies
	refusals    [numFramingErrors]httpMessage
}

// httpMessage is a reply as bytes: to a HEAD, its head alone.
type httpMessage struct{ whole, head []byte }

func newMessage(p []byte) httpMessage {
	return httpMessage{p, p[:bytes.Index(p, []byte("\r\n\r\n"))+4]}
}

func (m *httpMessage) to(r *requestParser) []byte {
	if r.Head() {
		return m.head
	}
	return m.whole
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
		x.keep, x.close = newMessage(httpReply(false)), newMessage(httpReply(true))
		for e := errHeaderTooLarge; int(e) < numFramingErrors; e++ {
			x.refusals[e] = newMessage(errorReply(e))
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
	reply := &x.keep
	if closes {
		reply = &x.close
	}
	c.send = 0
	l.Send(s, reply.to(&c.request))
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
	c.send = 0
	l.Send(s, x.refusals[e].to(&c.request))
	return true
}

// Sent continues after a completed send. It sends the next part of the reply and returns
// false, or returns true if all is sent.
func (x *Server) Sent(l sockio.Loop, s sockio.Sock, c *ServerConn) (out bool) {
	return sendRest(l, s, x.chunk, &c.send)
}
