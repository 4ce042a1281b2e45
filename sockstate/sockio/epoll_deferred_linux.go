package sockio

// await defers a recv or poll that found nothing: to a second attempt in this Wait if that is worthwhile, otherwise to epoll.
func (l *epoll) await(k *epollSock, s Sock) {
	if l.givesWay && k.flag&sockRegistered == 0 && l.late.worthwhile() {
		l.deferred = append(l.deferred, s)
		return
	}
	l.register(k, s, false)
}

// retryDeferred yields to the other threads of this CPU and then tries the deferred operations again. If a peer on this CPU has
// answered meanwhile, the operation completes without epoll_ctl and without a wake-up. The others are registered with epoll.
//
// An entry carries no generation and may be stale: its recv cancelled, its socket closed, the
// slot reused. Then either nothing is pending, or the pending operation has its own entry and
// is tried twice.
func (l *epoll) retryDeferred() {
	if len(l.deferred) == 0 {
		return
	}
	yield()
	found := 0
	for _, s := range l.deferred { // completing adds none: handlers only queue
		k := &l.socks[s]
		if k.flag&sockRegistered != 0 { // by a blocked send: epoll will report it
			continue
		}
		switch {
		case k.flag&pendRecv != 0 && l.recv(k, s), k.flag&pendPoll != 0 && l.polled(k, s):
			found++
		case k.flag&(pendRecv|pendPoll) != 0:
			l.register(k, s, false)
		}
	}
	l.deferred = l.deferred[:0]
	// One note a round, not one a socket: a socket that waits long misses once and is then registered,
	// which says nothing about the others.
	l.late.note(found > 0)
	l.perform()
}
