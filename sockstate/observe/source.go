package observe

import (
	"fmt"
	"slices"
	"strings"
	"syscall"

	"lastack/sockstate"
	"lastack/sockstate/netns"
	"lastack/sockstate/procnet"
	"lastack/sockstate/sockdiag"
)

// Source is a way to take the census.
type Source struct {
	// Name is how --census spells it, Kernel what the kernel calls it.
	Name, Kernel string
	// Why says what it has before the sources behind it.
	Why string
	// Open opens it in one network namespace.
	Open func(*netns.NS) (sockstate.Source, error)
}

// Sources lists the sources, the best first.
func Sources() []Source {
	return []Source{
		{"diag", "sock_diag", "the kernel picks out the load's sockets itself", func(ns *netns.NS) (sockstate.Source, error) { return sockdiag.Open(ns) }},
		{"proc", "/proc/net/tcp", "it reads all sockets of the namespace", func(ns *netns.NS) (sockstate.Source, error) { return procnet.Open(ns) }},
	}
}

const (
	// CensusAuto is the first source that works, and none if none does.
	CensusAuto = "auto"
	// Off is what Observer.Source and Observer.Trace call none.
	Off = "off"
)

// CensusError is a census that was asked for and cannot be had.
type CensusError struct {
	Census string
	// Names are the sources that there are.
	Names []string
	// Err is nil for a name that does not exist.
	Err error
}

func (e *CensusError) Error() string {
	if e.Err == nil {
		all := append([]string{CensusAuto}, e.Names...)
		last := len(all) - 1
		return fmt.Sprintf("census %q: want %s or %s", e.Census, strings.Join(all[:last], ", "), all[last])
	}
	return fmt.Sprintf("census %s does not work here (%s takes another): %v", e.Census, CensusAuto, e.Err)
}

func (e *CensusError) Unwrap() error { return e.Err }

// refusal says why something is not used here.
func refusal(what string, err error) string {
	how := "does not work here"
	switch sockstate.AnswerTo(err, syscall.ENOENT) {
	case sockstate.AnswerDenied:
		how = "is not allowed here"
	case sockstate.AnswerUnsupported:
		how = "is not supported here"
	}
	return fmt.Sprintf("%s %s: %v", what, how, err)
}

// census opens a source in every namespace: the same for all, since their counts are added. Of auto it is the first of sources that
// works, and reason says why each better one does not.
func census(name string, sources []Source, open func(Source) error) (chosen, reason string, err error) {
	if name != "" && name != CensusAuto {
		i := slices.IndexFunc(sources, func(s Source) bool { return s.Name == name })
		if i < 0 {
			var names []string
			for _, s := range sources {
				names = append(names, s.Name)
			}
			return "", "", &CensusError{Census: name, Names: names}
		}
		if err := open(sources[i]); err != nil {
			return "", "", &CensusError{Census: name, Err: err}
		}
		return name, "asked for", nil
	}
	var refused []string
	for i, s := range sources {
		err := open(s)
		switch {
		case err == nil && i == 0:
			return s.Name, s.Why, nil
		case err == nil:
			return s.Name, strings.Join(refused, "; "), nil
		}
		refused = append(refused, refusal(s.Kernel, err))
	}
	return Off, strings.Join(refused, "; "), nil
}
