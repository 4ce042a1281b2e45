// Package fleet writes what an engine takes to run one load from many machines: manifests for Kubernetes, a batch script for Slurm, a command for
// MPI, a loop over ssh. It starts nothing itself.
//
// In all of them each process is a shard of the load (bench/shard), shard 0 is where the others meet (bench/rendezvous), and what each saved is merged
// (bench/merge).
package fleet

import (
	"fmt"
	"slices"
	"strings"

	"lastack/bench/lazy"
	"lastack/bench/shard"
	"lastack/sockstate"
)

// Spec is a fleet.
type Spec struct {
	// N is the number of shards.
	N int
	// Run are the arguments of lastack run, without those that Spec sets.
	Run []string
	// Name is that of the job.
	Name string
	// Token keeps strangers out of the rendezvous.
	Token string
	// Port is where shard 0 listens.
	Port int
	// Hosts are those of MPI and ssh, the first is shard 0's; empty: the script's arguments, or what MPI has.
	Hosts []string
	// Collect is the directory for the records, for Kubernetes a PersistentVolumeClaim; empty: the working directory, or the pods' logs.
	Collect string
	// Image is that of the pods (DefaultImage for other engines), CPUs and Memory are what each has (DefaultCPUs and DefaultMemory), Sysctls are theirs.
	Image   string
	CPUs    int
	Memory  string
	Sysctls []Sysctl
	// Thresholds are bounds on the merged run.
	Thresholds []string
	// Metrics is the port where each shard can be scraped, 0 if nowhere.
	Metrics uint16
	// Program is the command to call on the hosts (DefaultProgram for pods: an image has its own).
	Program string
}

// DefaultProgram is found by a host's PATH.
const DefaultProgram = "lastack"

// Sysctl is a sysctl of a pod.
type Sysctl struct{ Name, Value string }

// engine is a way to start a fleet.
type engine struct {
	name  string
	check func(*Spec) error
	print func(*Spec) string
}

var engines = []engine{
	{"kubernetes", (*Spec).checkKubernetes, (*Spec).kubernetes},
	{"slurm", (*Spec).checkSlurm, (*Spec).slurm},
	{"mpi", (*Spec).checkHosts, (*Spec).mpi},
	{"ssh", (*Spec).checkHosts, (*Spec).ssh},
}

// Engines lists their names.
func Engines() (names []string) {
	for i := range engines {
		names = append(names, engines[i].name)
	}
	return names
}

// Print returns what the engine takes. The error is a *sockstate.ValueError.
func Print(name string, s Spec) (string, error) {
	i := slices.IndexFunc(engines, func(e engine) bool { return e.name == name })
	switch {
	case i < 0:
		return "", sockstate.BadValue("", fmt.Sprintf("engine %q", name), "is unknown: want %s", strings.Join(Engines(), ", "))
	case s.N < 2 || s.N > shard.Most:
		return "", sockstate.BadValue("number", s.N, "want 2 to %d shards", shard.Most)
	case s.Port < 1 || s.Port > 65535:
		return "", sockstate.BadValue("port", s.Port, "want 1 to 65535")
	case !nameOf().MatchString(s.Name):
		return "", sockstate.BadValue("name", s.Name, "want at most 40 small letters, digits and -, a letter first")
	}
	if err := engines[i].check(&s); err != nil {
		return "", err
	}
	return engines[i].print(&s), nil
}

// nameOf is a DNS label, short enough for what Kubernetes appends to it.
var nameOf = lazy.Regexp(`^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$`)

// hostOf is a name or an IPv4 address, with a user before it for ssh. It is no option of ssh, and means nothing else to a shell.
var hostOf = lazy.Regexp(`^([A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9][A-Za-z0-9_.-]*$`)

func (s *Spec) checkSlurm() error {
	if len(s.Hosts) > 0 {
		return sockstate.BadValue("hosts", strings.Join(s.Hosts, ","), "Slurm chooses the nodes: leave the flag out (sbatch --nodelist says which)")
	}
	return s.checkHosts()
}

func (s *Spec) checkHosts() error {
	switch {
	case s.Image != DefaultImage || s.CPUs != DefaultCPUs || s.Memory != DefaultMemory || len(s.Sysctls) > 0:
		return sockstate.BadValue("", "", "--image, --cpus, --memory and --sysctl are for kubernetes: elsewhere lastack must be installed, and a host has the CPUs and sysctls that it has")
	case len(s.Hosts) > 0 && len(s.Hosts) != s.N:
		return sockstate.BadValue("hosts", strings.Join(s.Hosts, ","), "want as many as shards, %d", s.N)
	}
	for _, h := range s.Hosts {
		if !hostOf().MatchString(h) {
			return sockstate.BadValue("hosts", strings.Join(s.Hosts, ","), "want names of hosts or IPv4 addresses, and not %q", h)
		}
	}
	return nil
}

// bounds are the thresholds as arguments of lastack merge.
func (s *Spec) bounds() (b string) {
	for _, t := range s.Thresholds {
		b += " --threshold " + quote(t)
	}
	return b
}

// quote makes a word of a shell.
func quote(word string) string {
	if word != "" && strings.IndexFunc(word, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+./,:@%", r)
	}) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func quoted(words []string) string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = quote(w)
	}
	return strings.Join(all, " ")
}
