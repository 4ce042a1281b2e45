package observe

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"lastack/sockstate"
	"lastack/sockstate/netns"
	"lastack/sockstate/procnet"
	"lastack/sockstate/sockdiag"
	"lastack/sockstate/trace"
)

// Source is a way to take the census.
type Source struct {
	// Name is the value of --census, Kernel the kernel's name.
	Name, Kernel string
	// Why says why it is better than the sources after it.
	Why string
	// From is the number of sockets from which auto takes the source, Before why not with fewer. 0: always.
	From   int64
	Before string
	// Open opens it in the namespaces of a Config: one source for each, or one for all.
	Open func(*Config) ([]sockstate.Source, error)
}

// bpfFrom is where the program is worth its loading, some 60 ms of CPU time, most of them for the kernel's BTF. It cannot be loaded when the
// sockets have come: by then the load has dropped its privileges.
const bpfFrom = 50_000

// Sources lists the sources, the best first.
func Sources() []Source {
	return []Source{
		{"bpf", "eBPF", "the kernel counts the sockets itself", bpfFrom, "takes longer to load than it saves with fewer than 50,000 sockets", func(cfg *Config) ([]sockstate.Source, error) {
			c, err := trace.OpenCensus(trace.CensusConfig{Namespaces: cfg.Namespaces, Servers: len(cfg.Filter.Servers), Pairs: 2 * cfg.Pairs})
			if err != nil {
				return nil, err
			}
			return []sockstate.Source{c}, nil
		}},
		{"diag", "sock_diag", "the kernel picks out the load's sockets itself", 0, "", inEach(func(ns *netns.NS) (sockstate.Source, error) { return sockdiag.Open(ns) })},
		{"proc", "/proc/net/tcp", "it reads all sockets of the namespace", 0, "", inEach(func(ns *netns.NS) (sockstate.Source, error) { return procnet.Open(ns) })},
	}
}

// inEach opens a source in each namespace.
func inEach(open func(*netns.NS) (sockstate.Source, error)) func(*Config) ([]sockstate.Source, error) {
	return func(cfg *Config) ([]sockstate.Source, error) {
		var all []sockstate.Source
		for _, ns := range cfg.Namespaces {
			one, err := open(ns)
			if err != nil {
				return nil, errors.Join(err, closeAll(all))
			}
			all = append(all, one)
		}
		return all, nil
	}
}

func closeAll(sources []sockstate.Source) error {
	var errs []error
	for _, s := range sources {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
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
// works, and is worth its opening for so many sockets; reason then says why each better one is not.
func census(name string, sockets int64, sources []Source, open func(Source) error) (chosen, reason string, err error) {
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
	worth := func(s Source) bool { return sockets >= s.From }
	var reasons []string
	for _, s := range sources {
		if !worth(s) {
			reasons = append(reasons, s.Kernel+" "+s.Before)
			continue
		}
		err := open(s)
		switch {
		case err == nil && len(reasons) == 0:
			return s.Name, s.Why, nil
		case err == nil:
			return s.Name, strings.Join(reasons, "; "), nil
		}
		reasons = append(reasons, refusal(s.Kernel, err))
	}
	for i, s := range sources {
		if worth(s) {
			continue
		}
		err := open(s)
		if err == nil {
			return s.Name, strings.Join(slices.Delete(reasons, i, i+1), "; "), nil
		}
		reasons[i] = refusal(s.Kernel, err)
	}
	return Off, strings.Join(reasons, "; "), nil
}
