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
	// Name is the value of --census, Kernel the kernel's name.
	Name, Kernel string
	// Why says why it is better than the sources after it.
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

// CensusNames lists the values of --census: auto, and the names of Sources.
func CensusNames() []string { return censusNames(Sources()) }

func censusNames(sources []Source) []string {
	names := []string{censusAuto}
	for _, s := range sources {
		names = append(names, s.Name)
	}
	return names
}

const (
	// censusAuto is the first source that works, or none.
	censusAuto = "auto"
	// Off means none in Observer.Source and Observer.Trace.
	Off = "off"
)

// censusError is a requested census source that does not work or does not exist.
type censusError struct {
	Census string
	// Names are the values that exist.
	Names []string
	// Err is nil if the source does not exist.
	Err error
}

func (e *censusError) Error() string {
	if e.Err == nil {
		last := len(e.Names) - 1
		return fmt.Sprintf("census %q: want %s or %s", e.Census, strings.Join(e.Names[:last], ", "), e.Names[last])
	}
	return fmt.Sprintf("census %s does not work here (%s chooses another): %v", e.Census, censusAuto, e.Err)
}

func (e *censusError) Unwrap() error { return e.Err }

// refusal is a sentence that says why what cannot be used here.
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

// census opens the same source in every namespace, since their counts are added. For auto it is the first of sources that
// works; reason then says why each better one does not.
func census(name string, sources []Source, open func(Source) error) (chosen, reason string, err error) {
	if name != "" && name != censusAuto {
		i := slices.IndexFunc(sources, func(s Source) bool { return s.Name == name })
		if i < 0 {
			return "", "", &censusError{Census: name, Names: censusNames(sources)}
		}
		if err := open(sources[i]); err != nil {
			return "", "", &censusError{Census: name, Err: err}
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
