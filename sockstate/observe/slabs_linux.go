package observe

import "os"

// Slabs is the memory of the whole host, in bytes, in the caches that sockets are made of
// (/proc/slabinfo), Unknown for anybody but root. It is a sum since the kernel merges caches of like
// objects under one name: what sockets took is the growth over all of them. The dentry of each
// socket is left out, for files fill that cache too. It costs some 2 ms, so it is not a part of
// Sample.
func (o *Observer) Slabs() int64 {
	info, err := o.proc.SlabInfo()
	if err != nil {
		return Unknown
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
