// Package wire captures the segments that open and end TCP connections (SYN, FIN, RST), with the kernel's
// timestamps.
package wire
