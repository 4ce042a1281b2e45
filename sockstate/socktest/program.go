package socktest

import (
	"io"
	"os"
	"syscall"
)

// WriteProgram writes a program, or a script, that everybody may run. Nobody in this process forks meanwhile: a child that still had the file open
// for writing would make execve fail with ETXTBSY.
func WriteProgram(path string, content io.Reader) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err == nil {
		err = f.Chmod(0o755) // whatever the umask
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}
