package sockio

// await defers a recv or poll that found nothing: to a second attempt later in this Wait where that is worthwhile, else to epoll.
func (l *epoll) await(k *epollSock, s Sock) {
	if l.givesWay && k.flag&sockRegistered == 0 && l.late.worthwhile() {
		l.deferred = append(l.deferred, s)
		return
	}
	l.register(k, s, false)
}

// retryDeferred yields to the other threads of this CPU and then tries the deferred operations again. Those that a peer on this CPU has
// answered meanwhile complete without epoll_ctl and without a wake-up; the others are registered, so none is missed when the loop
// sleeps.
//
// An entry may be stale, for it carries no generation: its recv cancelled, its socket
// closed, the slot taken again. Then either nothing is pending, or what is has an entry of
// its own and is only tried twice.
func (l *epoll) retryDeferred() {
	if len(l.deferred) == 0 {
		return
	}
	yield()
	found := 0
	for _, s := range l.deferred { // completing adds none: handlers only queue
		k := &l.socks[s]
		if k.flag&sockRegistered != 0 { // by a send that had to wait: epoll tells
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
	// By turn, not by socket: one that waits long is registered after its only miss, and must
	// not speak for those that come and go beside it.
	l.late.note(found > 0)
	l.perform()
}
