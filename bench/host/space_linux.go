package host

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// ReserveSpace makes sure that n bytes can be written to f, and changes nothing that f has. Where the file system cannot tell, the
// write will: the error is of a lack of space alone.
func ReserveSpace(f *os.File, n int) error {
	for n > 0 {
		switch err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, int64(n)); {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
			return err
		default:
			return nil
		}
	}
	return nil
}
