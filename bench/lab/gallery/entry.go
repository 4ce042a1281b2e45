package main

// server is a program with a configuration.
type server struct {
	// Name is for people; ID for files and flags.
	Name, ID string
	// Programs are the names under which it may be installed, the best first. Without one it is the gallery's own.
	Programs []string
	// Package is Debian's.
	Package string
	// Version is the argument with which it tells its version, to stdout or stderr.
	Version string
	// Files are written into the server's directory: their names, and the templates they are made of.
	Files map[string]string
	// Args are templates too.
	Args []string
	// Slow is the path of the slow reply, InFlight what it is to be in flight there.
	Slow, InFlight string
}

// entry is one way to stop a server.
type entry struct {
	ID     string
	Server *server
	// Mode is what Args may ask for: "graceful", or "default" for a program without a handler of the signal.
	Mode string
	// How is Mode for people, if it is not empty.
	How    string
	Signal string // without SIG
	// Reload is set where the process goes on by design.
	Reload bool

	Expected expectation
	// Sources are what Expected is taken from.
	Sources []string
	Notes   []note
}

// column is what is compared.
type column uint8

// The columns of the table.
const (
	colQueued   column = iota // connections in the accept queue
	colIdle                   // keep-alive connections
	colInFlight               // slow requests under way
	colRaced                  // requests on kept connections that the server closed before it had read them
	colNew                    // those who connect after the signal
	colExit                   // the process
	colPort                   // can be bound at once
	columns
)

var columnNames = [columns]string{"queued", "idle", "in flight", "raced", "new connections", "process", "port"}

func (c column) String() string { return columnNames[c] }

// expectation holds the fates that the sources let one expect, by column: one of them, or a mixture.
type expectation [columns][]fate

// note explains fates that were not expected, or, with no fates, is a remark on what was.
type note struct {
	Column column
	Fates  []fate // beside those expected
	Why    string // one sentence or two
	Source string // a function of the source, or a page of the documentation
}
