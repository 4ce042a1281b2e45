package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lastack/sockstate"
)

// helperVar makes the test binary print Read and Probe instead of testing.
const helperVar = "LASTACK_HOST_TEST_HELPER"

func TestMain(m *testing.M) {
	Proof()
	if os.Getenv(helperVar) != "" {
		os.Exit(printHost())
	}
	os.Exit(m.Run())
}

type seen struct {
	Facts    *Facts
	Features *Features
}

func printHost() int {
	var s seen
	var err error
	if s.Facts, err = Read(); err == nil {
		s.Features, err = Probe(context.Background(), "/proc/self/exe")
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// see runs Read and Probe in a process of their own, as the given user.
func see(t *testing.T, as *syscall.Credential) seen {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), helperVar+"=1")
	cmd.Stderr = &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var s seen
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRead(t *testing.T) {
	f := see(t, nil).Facts
	netns, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	if f.NetNS != netns {
		t.Errorf("network namespace %s, want %s", f.NetNS, netns)
	}
	if len(f.BootID) != 36 || f.Kernel == "" || f.Arch == "" || f.CPUs < 1 || f.NoFileHard == 0 || f.ClockNs <= 0 {
		t.Errorf("incomplete: %+v", f)
	}
	if f.AvailableBytes <= 0 || f.AvailableBytes > f.MemoryBytes {
		t.Errorf("%d bytes available of %d", f.AvailableBytes, f.MemoryBytes)
	}
	if f.Usage.Files <= 0 {
		t.Errorf("%d open files on the host", f.Usage.Files)
	}
	if _, _, _, ok := f.LocalPorts(); !ok {
		t.Errorf("no local ports in %q", f.Sysctls["net.ipv4.ip_local_port_range"])
	}
	for name := range f.Sysctls {
		if !slices.Contains(Names(), name) {
			t.Errorf("%s is not one of Names", name)
		}
	}
}

// TestProbeAgrees holds every answer against the capability that the kernel asks for.
func TestProbeAgrees(t *testing.T) {
	s := see(t, nil)
	checkProbe(t, s)
	if s.Facts.Can("sys_admin") && s.Features.NetNS.Answer != sockstate.AnswerSupported {
		t.Logf("CAP_SYS_ADMIN, yet %+v", s.Features.NetNS)
	}
}

func TestProbeUnprivileged(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: TestProbeAgrees has tried it already")
	}
	s := see(t, &syscall.Credential{Uid: 65534, Gid: 65534, NoSetGroups: !canSetGroups(t)})
	if s.Facts.UID != 65534 || len(s.Facts.Capabilities) != 0 {
		t.Fatalf("uid %d with %v, want 65534 with nothing", s.Facts.UID, s.Facts.Capabilities)
	}
	checkProbe(t, s)
	for name, f := range map[string]Feature{
		"netns": s.Features.NetNS, "sock_destroy": s.Features.SockDestroy, "packet": s.Features.Packet,
		"slabinfo": s.Features.Slabinfo,
	} {
		if f.Answer == sockstate.AnswerSupported || f.Answer == sockstate.AnswerFailed || f.Why == "" {
			t.Errorf("%s without privilege: %+v", name, f)
		}
	}
}

func canSetGroups(t *testing.T) bool {
	b, err := os.ReadFile("/proc/self/setgroups")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b)) == "allow"
}

func checkProbe(t *testing.T, s seen) {
	t.Helper()
	k := s.Features
	for _, tt := range []struct {
		name    string
		feature Feature
		cap     string // in effect, the kernel does not deny it; empty: needs none
	}{
		{"netns", k.NetNS, "sys_admin"},
		{"sock_diag", k.SockDiag, ""},
		{"sock_destroy", k.SockDestroy, "net_admin"},
		{"packet", k.Packet, "net_raw"},
		{"nf_tables", k.NFTables, "net_admin"},
		{"ip_local_port_range", k.LocalPortRange, ""},
		{"ip_bind_address_no_port", k.BindNoPort, ""},
		{"epoll_pwait2", k.EpollPwait2, ""},
		{"tcp_info", k.TCPInfo, ""},
	} {
		allowed := tt.cap == "" || s.Facts.Can(tt.cap)
		switch tt.feature.Answer {
		case sockstate.AnswerSupported:
			if !allowed {
				t.Errorf("%s is supported without %s", tt.name, tt.cap)
			}
		case sockstate.AnswerDenied:
			if allowed && s.Facts.InitialUserNS && !s.Facts.Seccomp {
				t.Errorf("%s is denied: %s", tt.name, tt.feature.Why)
			}
		case sockstate.AnswerUnsupported:
			t.Logf("%s: %s", tt.name, tt.feature.Why)
		default:
			t.Errorf("%s: %+v", tt.name, tt.feature)
		}
	}
	// io_uring, eBPF and the user namespace depend on more than a capability, but always have an answer.
	for name, f := range map[string]Feature{"io_uring": k.IOUring, "bpf": k.BPF, "userns": k.UserNS} {
		if f.Answer == sockstate.AnswerUntried || f.Answer == sockstate.AnswerFailed {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if k.TCPInfo.Answer == sockstate.AnswerSupported && k.TCPInfo.N < 100 {
		t.Errorf("TCP_INFO of %d bytes", k.TCPInfo.N)
	}
}

// TestHostUntouched checks that trying a namespace leaves the host's sysctl and lo alone.
func TestHostUntouched(t *testing.T) {
	read := func() string {
		b, err := os.ReadFile("/proc/sys/net/ipv4/tcp_fin_timeout")
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	before := read()
	if f := tryNetNS(); f.Answer == sockstate.AnswerFailed {
		t.Errorf("%+v", f)
	}
	if after := read(); after != before {
		t.Errorf("tcp_fin_timeout went from %q to %q", before, after)
	}
}

func TestProbeWithoutChild(t *testing.T) {
	k, err := Probe(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if k.UserNS.Answer != sockstate.AnswerUntried {
		t.Errorf("%+v, want untried", k.UserNS)
	}
}

func TestUserNSOfADumbChild(t *testing.T) {
	f := tryUserNS(t.Context(), "/bin/true")
	if f.Answer == sockstate.AnswerSupported || f.Answer == sockstate.AnswerUntried {
		t.Errorf("a child that says nothing: %+v", f)
	}
}

func TestParseProof(t *testing.T) {
	for _, want := range []Feature{
		{Answer: sockstate.AnswerSupported},
		{Answer: sockstate.AnswerDenied, Why: "bringing lo up: operation not permitted"},
		{Answer: sockstate.AnswerUnsupported, Why: "why"},
		{Answer: sockstate.AnswerFailed, Why: "why"},
	} {
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := parseProof(b); !ok || got != want {
			t.Errorf("%s is read as %+v, %v", b, got, ok)
		}
	}
	for _, text := range []string{"", "{}", `{"answer":""}`, `{"answer":"maybe"}`, `{"answer":"untried"}`, `{"answer":1}`} {
		if got, ok := parseProof([]byte(text)); ok {
			t.Errorf("%q is taken for %+v", text, got)
		}
	}
}

func TestAnswer(t *testing.T) {
	for _, tt := range []struct {
		err     error
		missing []unix.Errno
		want    sockstate.Answer
	}{
		{nil, nil, sockstate.AnswerSupported},
		{unix.EPERM, nil, sockstate.AnswerDenied},
		{&stepError{Step: "open", Err: unix.EACCES}, nil, sockstate.AnswerDenied},
		{&os.PathError{Op: "write", Err: unix.EROFS}, nil, sockstate.AnswerDenied},
		{unix.ENOSPC, nil, sockstate.AnswerDenied},
		{unix.ENOSYS, nil, sockstate.AnswerUnsupported},
		{unix.ENOPROTOOPT, nil, sockstate.AnswerUnsupported},
		{unix.EINVAL, nil, sockstate.AnswerFailed},
		{unix.EINVAL, []unix.Errno{unix.EINVAL}, sockstate.AnswerUnsupported},
		{unix.EMFILE, []unix.Errno{unix.EINVAL}, sockstate.AnswerFailed},
		{errors.New("other"), nil, sockstate.AnswerFailed},
	} {
		got := answer(tt.err, tt.missing...)
		if got.Answer != tt.want || (got.Why == "") != (tt.err == nil) {
			t.Errorf("answer(%v, %v) = %+v, want %v", tt.err, tt.missing, got, tt.want)
		}
	}
}

func TestCapabilityNames(t *testing.T) {
	if unix.CAP_LAST_CAP != len(capabilities())-1 {
		t.Errorf("%d names for capabilities 0 to %d", len(capabilities()), unix.CAP_LAST_CAP)
	}
	set := uint64(1<<unix.CAP_CHOWN | 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_BPF | 1<<63)
	want := []string{"chown", "net_admin", "sys_admin", "bpf"}
	if diff := cmp.Diff(want, capabilityNames(set)); diff != "" {
		t.Error(diff)
	}
}
