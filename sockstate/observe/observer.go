package observe

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/prometheus/procfs"

	"lastack/sockstate"
	"lastack/sockstate/netns"
	"lastack/sockstate/sockio"
)

// Observer watches one load. It is not safe for concurrent use.
type Observer struct {
	filter     sockstate.Filter
	sampled    time.Time // when the last census began
	namespaces []*namespace
	// sources take the census, one per namespace or one for all; census is their name, reason why they were chosen.
	sources        []sockstate.Source
	census, reason string
	// tracer is nil when nothing is traced.
	tracer             Tracer
	trace, traceReason string

	proc procfs.FS
	self procfs.Proc
	// server is Config.ServerPID.
	server int
	// threads is each thread's last CPU time, for those that have ended.
	threads map[int]time.Duration
}

// New opens the census's sources and each namespace's files. Errors are a *censusError, a *namespaceTwiceError, a *netns.Error, or
// an *fs.PathError without /proc. A hidden file is not an error: Unread names it.
func New(cfg Config) (*Observer, error) {
	if runtime.GOOS != "linux" {
		return nil, sockstate.ErrNeedsLinux
	}
	o := &Observer{
		filter:  plain(cfg.Filter),
		sampled: time.Now(),
		server:  cfg.ServerPID,
		threads: make(map[int]time.Duration),
		trace:   Off, traceReason: "not asked for",
	}
	if err := o.open(cfg); err != nil {
		_ = o.Close() // err matters more
		return nil, err
	}
	return o, nil
}

func (o *Observer) open(cfg Config) (err error) {
	if o.proc, err = procfs.NewDefaultFS(); err != nil {
		return err
	}
	if o.self, err = o.proc.Self(); err != nil {
		return err
	}
	if o.server != 0 {
		if _, err := o.proc.Proc(o.server); err != nil {
			return fmt.Errorf("no process has the pid %d of the server: %w", o.server, err)
		}
	}
	if len(cfg.Namespaces) == 0 {
		cfg.Namespaces = []*netns.NS{nil}
	}
	for _, ns := range cfg.Namespaces {
		n, err := openNamespace(ns)
		if err != nil {
			return err
		}
		o.namespaces = append(o.namespaces, n)
		for _, other := range o.namespaces[:len(o.namespaces)-1] {
			if other.id == n.id {
				return &namespaceTwiceError{n.id}
			}
		}
	}
	sources := cfg.Sources
	if sources == nil {
		sources = Sources()
	}
	o.census, o.reason, err = census(cfg.Census, cfg.Sockets, sources, func(s Source) (err error) {
		o.sources, err = s.Open(&cfg)
		return err
	})
	return err
}

// Source is the name of the census's source (off without one), and why it was chosen.
func (o *Observer) Source() (name, reason string) { return o.census, o.reason }

// Sample fills s with the census of all namespaces together, and the gauges. If a census
// fails, s holds a part of it. A gauge that cannot be read is Unknown. sockstate.PortUse.Entered is since the sample before.
func (o *Observer) Sample(s *Sample) error {
	// The thread's CPU clock measures this goroutine only while it stays on the thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s.At = time.Now()
	cpu := sockio.ThreadCPU()

	var errs []error
	s.Census.Reset()
	s.Seen = 0
	o.filter.Fresh = s.At.Sub(o.sampled)
	o.sampled = s.At
	for i, src := range o.sources {
		if err := src.Census(&o.filter, &s.Census); err != nil {
			where := ""
			if len(o.sources) == len(o.namespaces) {
				where = " of " + o.namespaces[i].id
			}
			errs = append(errs, fmt.Errorf("census%s: %w", where, err))
		}
		s.Seen += src.Seen()
	}
	o.gauges(&s.Gauges)

	s.CPU = time.Duration(sockio.ThreadCPU() - cpu)
	s.Took = time.Since(s.At)
	return errors.Join(errs...)
}

// Counters reads each namespace's counters, in the order of Config.Namespaces. A counter that a file lacks, or that could
// not be read, is missing, not 0; Unread says why.
func (o *Observer) Counters() []sockstate.Counters {
	all := make([]sockstate.Counters, len(o.namespaces))
	for i, n := range o.namespaces {
		all[i] = make(sockstate.Counters, 200)
		for _, f := range []struct {
			name string
			file *os.File
		}{{snmpFile, n.snmp}, {netstatFile, n.netstat}} {
			if f.file != nil {
				n.lacks(f.name, parseFile(f.file, func(r *reader) error { return parseCounters(r, all[i]) }))
			}
		}
	}
	return all
}

// Unread lists the files that could not be read, with the reason, sorted: "/proc/net/netstat: permission denied".
func (o *Observer) Unread() []string {
	var all []string
	for _, n := range o.namespaces {
		for file, why := range n.unread {
			if line := file + ": " + why; !slices.Contains(all, line) {
				all = append(all, line)
			}
		}
	}
	slices.Sort(all)
	return all
}

// Close closes what New opened.
func (o *Observer) Close() error {
	_, err := o.StopTrace()
	errs := []error{err, closeAll(o.sources)}
	o.sources = nil
	for _, n := range o.namespaces {
		errs = append(errs, n.close())
	}
	o.namespaces = nil
	return errors.Join(errs...)
}
