// Package sockdiag takes a census by sock_diag (netlink, NETLINK_SOCK_DIAG), where the
// kernel filters by the load's ports, and destroys sockets (SOCK_DESTROY).
//
// A dump streams: the kernel fills about 32 KiB at a time, which are parsed in place, so two
// million sockets take no more memory than two. That is why it does not use
// mdlayher/netlink, which returns a dump as a whole.
//
// The kernel walks its hash table while sockets come and go, so a dump under churn can miss
// or repeat sockets that moved (inet_diag_dump_icsk saves its position as a number of
// entries in a bucket, and never sets NLM_F_DUMP_INTR).
package sockdiag
