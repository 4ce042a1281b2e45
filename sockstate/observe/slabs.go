package observe

import "os"

// Slabs is the memory, in bytes, of the host's slab caches for sockets (/proc/slabinfo). It is their sum,
// since the kernel merges caches of similar objects under one name; its growth is the sockets' memory.
// The dentry cache is left out: files fill it too. Reading costs about 2 ms, so it is not part of Sample.
//
// Only root may read slabinfo. For others it is the memory of all slab caches (/proc/meminfo), which grows by
// other activity too.
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
