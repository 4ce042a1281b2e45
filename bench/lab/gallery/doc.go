// Package gallery holds real servers and the ways to stop each, with what their
// documentation and sources make one expect their clients to see; it compares that with
// what lastack drain recorded, and shows both as a table. See make drain-gallery.
//
// A [Server] is a program and its configuration, made to run in a sandbox: in the foreground,
// with all its files in one directory, and with no other user than the one that starts
// it. It answers / at once and keeps connections for longer than any run, so that no idle
// connection ends by a timeout; its slow path takes one and a half to two seconds. What "in flight" means differs and is part of
// the description: some have begun to reply, others have not.
//
// An [Entry] is one way to stop a server. A [Note] says what is known to come
// otherwise than expected, and why. What is neither as expected nor explained is marked by [Table]:
// either the server's version behaves differently, or lastack is wrong.
package gallery
