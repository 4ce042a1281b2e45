package host

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// ReserveSpace makes sure that n bytes can be written to f, whose content and length stay. Where the file system cannot tell, the
// write will: the error is of a lack of space alone.
func ReserveSpace(f *os.File, n int) error {
	for n > 0 {
		switch err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, int64(n)); {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
			// ext4 keeps the blocks that it found until there was none left (ext4_alloc_file_blocks). To truncate a file to
			// the length that it has frees those past its end.
			if st, serr := f.Stat(); serr == nil {
				err = errors.Join(err, f.Truncate(st.Size()))
			}
			return err
		default:
			return nil
		}
	}
	return nil
}
