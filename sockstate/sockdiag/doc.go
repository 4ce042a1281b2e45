// Package sockdiag takes a census by sock_diag (netlink, NETLINK_SOCK_DIAG), where the
// kernel selects the load's ports itself, and destroys sockets (SOCK_DESTROY).
//
// A dump streams: the kernel fills some 32 KiB at a time, which are parsed where they
// were received, so two million sockets cost no more memory than two. That is why
// mdlayher/netlink, which returns a dump as a whole, is not the transport here.
//
// The kernel walks its hash table bucket by bucket while sockets come and go, so a dump
// under churn can miss or repeat sockets that moved (inet_diag_dump_icsk keeps its place as
// a count of entries in a bucket, and never sets NLM_F_DUMP_INTR).
package sockdiag
