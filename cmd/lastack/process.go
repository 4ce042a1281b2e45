package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
)

// checkPID refuses a flag's value that is not the id of a process.
func checkPID(flag string, pid int) error {
	if pid <= 0 {
		return usagef("--%s %d: want a process id", flag, pid)
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err != nil {
		return usagef("--%s %d: there is no such process", flag, pid)
	}
	return nil
}

// commandLine returns the program's command line for the record.
func commandLine() []string { return append([]string{"lastack"}, os.Args[1:]...) }

// reasonOf strips the file name from an error of os or exec.
func reasonOf(err error) error {
	if e, ok := errors.AsType[*exec.Error](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return err
}
