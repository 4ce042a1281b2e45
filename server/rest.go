package server

import "lastack/sockstate/sockio"

// rest holds pipelined bytes behind the request under way: at most what one recv returned, since the next recv waits until they are
// used up.
type rest struct {
	p    []byte
	used int
	row  int // requests taken from it since the others had their turn
}

const (
	// turn is how many requests of one connection are answered before the others are looked at.
	turn = 32
	// maxSpare bounds the rests kept for other connections: 64 KiB each, at most.
	maxSpare = 64
)

// keepRest keeps p until the request before it is answered.
func (w *worker) keepRest(k *conn, s sockio.Sock, p []byte) {
	r := &rest{}
	if n := len(w.spare); n > 0 {
		r, w.spare = w.spare[n-1], w.spare[:n-1]
	}
	*r = rest{p: append(r.p[:0], p...)}
	w.rest[s] = r
	k.flags |= hasRest
}

// takeRest takes the next pipelined request, in the next Wait if this one's share is used up.
func (w *worker) takeRest(k *conn, s sockio.Sock) {
	r := w.rest[s]
	used, whole, err := w.responder.Received(&w.request(s).ServerConn, r.p[r.used:])
	r.used += used
	r.row++
	wait := whole && r.row == turn && w.delay(s) == 0
	if wait {
		r.row = 0
	}
	if !whole || r.used == len(r.p) {
		w.dropRest(k, s)
	}
	if wait {
		w.think(k, s, 0)
		return
	}
	w.taken(k, s, whole, err)
}

// dropRest forgets what came behind the request under way, if there is any.
func (w *worker) dropRest(k *conn, s sockio.Sock) {
	if k.flags&hasRest == 0 {
		return
	}
	k.flags &^= hasRest
	if r := w.rest[s]; len(w.spare) < maxSpare {
		w.spare = append(w.spare, r)
	}
	delete(w.rest, s)
}
