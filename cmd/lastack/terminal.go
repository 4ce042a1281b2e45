package main

import (
	"io"
	"os"

	"golang.org/x/term"
)

func terminalWidth(f *os.File) int {
	w, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return w
}

// progressWidth is the width of the terminal that w is, 0 if it is none.
func progressWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	return terminalWidth(f)
}
