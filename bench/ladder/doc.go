// Package ladder turns what was seen of a connection into a ladder: each packet between two ends, each state of both with the time spent in
// it, and a sentence for each step. It opens no socket.
//
//	Watch (packets, system calls and states, as they were seen) -> Build -> record.Ladder
//
// What each step means is in one table, steps, with the kernel's function and the section of RFC 9293.
package ladder
