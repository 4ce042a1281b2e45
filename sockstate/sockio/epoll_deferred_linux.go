package sockio

// await has a recv or poll that found nothing wait: for a second look late in this Wait
// where that is worthwhile, else for epoll.
func (l *epoll) await(k *epollSock, s Sock) {
	if l.givesWay && k.flag&sockRegistered == 0 && l.late.worthwhile() {
		l.deferred = append(l.deferred, s)
		return
	}
	l.register(k, s, false)
}

// retryDeferred lets the other threads of this CPU have their turn and then looks at what waits. What the peer has
// answered in its turn completes without epoll_ctl and without a wake-up; what is still
// silent is registered, so nothing is left out when the loop sleeps.
//
// An entry may be stale, for it carries no generation: its recv cancelled, its socket
// closed, the slot taken again. Then either nothing is pending, or what is has an entry of
// its own and is merely looked at twice.
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
