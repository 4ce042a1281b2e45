package fleet

import (
	"os/exec"
	"strings"
	"testing"

	"lastack/sockstate/socktest/golden"
)

func testSpec() Spec {
	return Spec{
		N: 4, Run: []string{"web.example:80", "-R", "4k", "-H", "X: it's $(HOME)"}, Name: "lastack", Token: "SECRET", Port: 9100, Image: DefaultImage, CPUs: DefaultCPUs, Memory: DefaultMemory, Program: DefaultProgram,
	}
}

func TestScripts(t *testing.T) {
	for _, tc := range []struct {
		name, engine string
		change       func(*Spec)
	}{
		{"slurm", "slurm", func(s *Spec) { s.Collect, s.Thresholds = "/shared/my runs", []string{"connect.p99<5ms"} }},
		{"mpi", "mpi", func(s *Spec) { s.Hosts = []string{"a", "b", "c", "d"} }},
		{"mpi-here", "mpi", func(*Spec) {}},
		{"ssh", "ssh", func(*Spec) {}},
		{"ssh-hosts", "ssh", func(s *Spec) { s.Hosts = []string{"a", "b", "c", "d"} }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := testSpec()
			tc.change(&s)
			text, err := Print(tc.engine, s)
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, "testdata/"+tc.name+".sh", text)
			sh := exec.CommandContext(t.Context(), "sh", "-n")
			sh.Stdin = strings.NewReader(text)
			if out, err := sh.CombinedOutput(); err != nil {
				t.Errorf("sh -n: %v\n%s", err, out)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for _, tc := range []struct {
		name, engine, want string
		change             func(*Spec)
	}{
		{"engine", "nomad", `engine "nomad": is unknown: want kubernetes, slurm, mpi, ssh`, func(*Spec) {}},
		{"one", "ssh", "want 2 to", func(s *Spec) { s.N = 1 }},
		{"port", "ssh", "want 1 to 65535", func(s *Spec) { s.Port = 65536 }},
		{"name", "slurm", "small letters", func(s *Spec) { s.Name = "A b" }},
		{"hosts", "ssh", "want as many as shards, 4", func(s *Spec) { s.Hosts = []string{"a"} }},
		{"an option as a host", "ssh", `want names of hosts or IPv4 addresses, and not "-oProxyCommand=x"`, func(s *Spec) { s.Hosts = []string{"a", "-oProxyCommand=x", "c", "d"} }},
		{"a shell's word as a host", "mpi", "want names of hosts", func(s *Spec) { s.Hosts = []string{"$(x)", "b", "c", "d"} }},
		{"an image for ssh", "ssh", "are for kubernetes", func(s *Spec) { s.Image = "x" }},
		{"memory for ssh", "ssh", "are for kubernetes", func(s *Spec) { s.Memory = "2Gi" }},
		{"hosts for slurm", "slurm", "Slurm chooses the nodes", func(s *Spec) { s.Hosts = []string{"a", "b", "c", "d"} }},
		{"no CPU", "kubernetes", "whole CPUs", func(s *Spec) { s.CPUs = 0 }},
		{"memory without a unit", "kubernetes", "like 512Mi", func(s *Spec) { s.Memory = "512" }},
		{"a program for kubernetes", "kubernetes", "what its image has", func(s *Spec) { s.Program = "/opt/lastack" }},
		{"hosts for kubernetes", "kubernetes", "chooses the nodes", func(s *Spec) { s.Hosts = []string{"a", "b", "c", "d"} }},
		{"a directory for kubernetes", "kubernetes", "PersistentVolumeClaim", func(s *Spec) { s.Collect = "/records" }},
		{"an image that is none", "kubernetes", "the name of an image", func(s *Spec) { s.Image = "a b" }},
	} {
		s := testSpec()
		tc.change(&s)
		if _, err := Print(tc.engine, s); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}
