package observe

import "os"

// Slabs is the memory of the whole host, in bytes, in the caches that sockets are made of
// (/proc/slabinfo). It is a sum since the kernel merges caches of like objects under one name: what
// sockets took is the growth over all of them. The dentry of each socket is left out, for files fill
// that cache too. It costs some 2 ms, so it is not a part of Sample.
//
// Only root may read that: for anybody else it is the memory in all caches (/proc/meminfo), whose growth is
// more than the sockets' by what else the host does meanwhile.
func (o *Observer) Slabs() int64 {
	info, err := o.proc.SlabInfo()
	if err != nil {
		return o.allSlabs()
	}
	bytes := int64(0)
	for _, s := range info.Slabs {
		switch s.Name {
		case "TCP", "TCPv6", "tw_sock_TCP", "tw_sock_TCPv6", "request_sock_TCP", "request_sock_TCPv6",
			"tcp_bind_bucket", "tcp_bind2_bucket", "sock_inode_cache", "filp", "eventpoll_epi", "eventpoll_pwq":
			bytes += s.SlabNum * s.PagesPerSlab * int64(os.Getpagesize())
		}
	}
	return bytes
}

func (o *Observer) allSlabs() int64 {
	info, err := o.proc.Meminfo()
	if err != nil || info.SlabBytes == nil {
		return Unknown
	}
	return int64(*info.SlabBytes)
}
