package drain

import (
	"fmt"

	"lastack/bench/process"
	"lastack/sockstate"
	"lastack/sockstate/procnet"
	"lastack/sockstate/sockdiag"
)

// sockets are this host's TCP sockets: sock_diag's, or those of /proc/net/tcp.
type sockets interface {
	process.Sockets
	sockstate.Source
	Each(*sockstate.Filter, func(*sockdiag.Socket)) error
	DestroyAll(*sockstate.Filter, func(*sockdiag.Socket) bool) (int, error)
}

// openSockets opens sock_diag, or /proc/net/tcp if sock_diag does not work (a seccomp filter, a kernel without it); doubt then says so.
func openSockets() (s sockets, doubt string, err error) {
	diag, err := sockdiag.Open(nil)
	if err == nil {
		return diag, "", nil
	}
	table, perr := procnet.Open(nil)
	if perr != nil {
		return nil, "", fmt.Errorf("a drain looks for the server's listeners, and can read them neither from sock_diag nor from /proc/net/tcp: %w; %w", err, perr)
	}
	return procSockets{table}, fmt.Sprintf("observer: sockets were read from /proc/net/tcp, as sock_diag does not work here: %v", err), nil
}

// procSockets reads /proc/net/tcp in place of sock_diag. It knows neither a listener's backlog nor whether it is for IPv6 only, and cannot
// destroy a socket.
type procSockets struct{ *procnet.Source }

func (p procSockets) Each(f *sockstate.Filter, each func(*sockdiag.Socket)) error {
	var one sockdiag.Socket
	return p.Source.Each(func(s *sockstate.Socket) {
		if f != nil {
			if _, ours := f.Side(s.Tuple); !ours {
				return
			}
		}
		one.Socket = *s
		each(&one)
	})
}

func (p procSockets) Listeners(each func(*sockdiag.Socket)) error {
	return p.Each(nil, func(s *sockdiag.Socket) {
		if s.State == sockstate.Listen {
			each(s)
		}
	})
}

// DestroyAll destroys none: they go by themselves, later.
func (procSockets) DestroyAll(*sockstate.Filter, func(*sockdiag.Socket) bool) (int, error) {
	return 0, nil
}
