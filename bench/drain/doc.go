// Package drain measures what clients suffer while a server stops, restarts or rolls: it
// holds a load of several groups, stops the server, and gives every connection and every request one
// fate.
package drain
