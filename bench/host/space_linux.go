package host

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// ReserveSpace allocates space for n bytes of f, and changes neither its content nor its length. It fails only if there is no space; if
// the file system cannot allocate, the write itself will tell.
func ReserveSpace(f *os.File, n int) error {
	for n > 0 {
		switch err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, int64(n)); {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
			// ext4 keeps the blocks that it allocated before space ran out (ext4_alloc_file_blocks). Truncating a file to
			// its own length frees those past its end.
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
