package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
)

// checkPID refuses the value of a flag that is no process of this host.
func checkPID(flag string, pid int) error {
	if pid <= 0 {
		return usagef("--%s %d: want a process id", flag, pid)
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err != nil {
		return usagef("--%s %d: there is no such process", flag, pid)
	}
	return nil
}

// commandLine is the program's own, for the record.
func commandLine() []string { return append([]string{"lastack"}, os.Args[1:]...) }

// reasonOf is the error of exec.LookPath without the name that it puts before it.
func reasonOf(err error) error {
	if e, ok := errors.AsType[*exec.Error](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return err
}
