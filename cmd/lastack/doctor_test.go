package main

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/host"
	"lastack/sockstate"
)

func TestDoctorText(t *testing.T) {
	r := &host.Report{
		Version: "v1.2.3",
		Host:    &host.Facts{Kernel: "6.18.0", Arch: "x86_64", NetNS: "net:[1]"},
		Lines: []host.Line{
			{Group: "limits", Subject: "CPUs", Status: host.OK, Detail: "2"},
			{
				Group: "limits", Subject: "descriptors", Status: host.Degraded,
				Detail: "1,024 (RLIMIT_NOFILE): 462 connections at once with the embedded server, 924 to a target",
				Remedy: "raise the hard limit: LimitNOFILE= in a systemd unit, --ulimit nofile= for a container",
			},
			{Group: "features", Subject: "sandbox", Status: host.Blocked, Detail: "no", Remedy: "run as root"},
		},
	}
	var b strings.Builder
	if err := writeDoctor(&b, r); err != nil {
		t.Fatal(err)
	}
	want := `lastack v1.2.3 on Linux 6.18.0 x86_64, net:[1]

limits
  ok        CPUs         2
  degraded  descriptors  1,024 (RLIMIT_NOFILE): 462 connections at once with the embedded server,
                         924 to a target
                         -> raise the hard limit: LimitNOFILE= in a systemd unit, --ulimit nofile=
                            for a container

features
  blocked   sandbox      no
                         -> run as root

1 ok, 1 degraded, 1 blocked
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestDoctorJSON(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip(sockstate.ErrNeedsLinux)
	}
	var out, stderr strings.Builder
	if code := Main([]string{"doctor", "--format=json"}, strings.NewReader(""), &out, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	var r host.Report
	d := json.NewDecoder(strings.NewReader(out.String()))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		t.Fatal(err)
	}
	if r.Schema != host.ReportSchema || r.Version == "" {
		t.Errorf("schema %q, version %q", r.Schema, r.Version)
	}
	if diff := cmp.Diff(host.Judge(r.Host, r.Features), r.Lines); diff != "" {
		t.Errorf("the lines do not follow from host and features:\n%s", diff)
	}
}
