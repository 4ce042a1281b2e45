package main

// server is a program with a configuration.
type server struct {
	// Name is for display; ID for files and flags.
	Name, ID string
	// Programs are the names of its executable, the best first; empty for the gallery's own server.
	Programs []string
	// Package is Debian's.
	Package string
	// Version is the argument that makes it print its version.
	Version string
	// Files are the names and templates of the files in the server's directory.
	Files map[string]string
	// Args are templates too.
	Args []string
	// Slow is the path of the slow reply, InFlight describes a request in flight there.
	Slow, InFlight string
}

// entry is one way to stop a server.
type entry struct {
	ID     string
	Server *server
	// Mode is for Args: "graceful", or "default" for a program without a signal handler.
	Mode string
	// How is Mode for display, if not empty.
	How    string
	Signal string // without SIG
	// Reload is set if the process is meant to stay.
	Reload bool

	Expected expectation
	// Sources are the sources of Expected.
	Sources []string
	Notes   []note
}

// column is a column of the table.
type column uint8

// The columns of the table.
const (
	colQueued   column = iota // connections in the accept queue
	colIdle                   // keep-alive connections
	colInFlight               // slow requests under way
	colRaced                  // requests on kept connections that the server closed before it had read them
	colNew                    // connections opened after the signal
	colExit                   // the process
	colPort                   // can be bound at once
	columns
)

var columnNames = [columns]string{"queued", "idle", "in flight", "raced", "new connections", "process", "port"}

func (c column) String() string { return columnNames[c] }

// expectation lists the expected fates of each column: observed is one of them, or a mixture.
type expectation [columns][]fate

// note explains unexpected fates; without fates it is a remark.
type note struct {
	Column column
	Fates  []fate // beside those expected
	Why    string // one sentence or two
	Source string // a function of the source, or a page of the documentation
}
