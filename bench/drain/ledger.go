package drain

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"lastack/sockstate"
)

// ledgerLimit bounds what is read of a server's ledger, in bytes.
const ledgerLimit = 1 << 20

// lookAtLedger looks up the file at the ledger's path; nil: there is none. An existing file is left alone: a new one differs in identity,
// size or time. The error is a *sockstate.ValueError.
func lookAtLedger(path string) (os.FileInfo, error) {
	refuse := func(why string) (os.FileInfo, error) { return nil, sockstate.BadValue("ledger", path, "%s", why) }
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if dir, err := os.Stat(filepath.Dir(path)); err != nil || !dir.IsDir() {
			return refuse("its directory is not there: want the file that the server writes at its end")
		}
		return nil, nil
	case err != nil:
		return refuse(fmt.Sprintf("cannot be looked at (%v): want the file that the server writes at its end", errors.Unwrap(err)))
	case !st.Mode().IsRegular():
		return refuse("is no regular file: want the file that the server writes at its end")
	}
	return st, nil
}

// readLedger reads what the server has written to path since before was looked up.
func readLedger(path string, before os.FileInfo) (map[string]int64, error) {
	now, err := lookAtLedger(path)
	switch {
	case err != nil:
		return nil, err
	case now == nil:
		return nil, errors.New("the server has not written it")
	case before != nil && os.SameFile(before, now) && before.Size() == now.Size() && before.ModTime().Equal(now.ModTime()):
		return nil, errors.New("the server has not written it; what stands there is older than this try")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, ledgerLimit+1))
	if err != nil {
		return nil, err
	}
	if len(b) > ledgerLimit {
		return nil, fmt.Errorf("it is longer than %d bytes", ledgerLimit)
	}
	var counts map[string]int64
	if err := json.Unmarshal(b, &counts); err != nil {
		return nil, err
	}
	return counts, nil
}
