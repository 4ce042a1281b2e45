package host

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"lastack/bench/quantity"
)

// ReportSchema names the format of Report.
const ReportSchema = "lastack.doctor/v1"

// Report is what lastack doctor --format json writes: what a host is, what it allows, and what that means.
type Report struct {
	Schema   string    `json:"schema"`
	Version  string    `json:"version"`
	Host     *Facts    `json:"host"`
	Features *Features `json:"features"`
	Lines    []Line    `json:"lines"`
}

// Write writes r as indented JSON.
func (r *Report) Write(w io.Writer) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return err
	}
	_, err := w.Write(quantity.EscapeJSON(b.Bytes()))
	return err
}

// maxReport is more bytes than any report has.
const maxReport = 1 << 20

const wantReport = `want a file that "lastack doctor --format json" wrote`

// ReadReport reads the facts of a report that another host wrote. The error is one sentence that says what is wrong with it.
func ReadReport(r io.Reader) (*Facts, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxReport+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxReport {
		return nil, fmt.Errorf("this is larger than any report of limits: %s", wantReport)
	}
	var head struct {
		Schema any `json:"schema"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("this is not a report of limits, or it is damaged (%w): %s", err, wantReport)
	}
	switch schema, _ := head.Schema.(string); {
	case schema == ReportSchema:
	case newer(schema):
		return nil, fmt.Errorf("this report of limits has the format %.60q, and this lastack reads %s: write it again with this version of lastack", schema, ReportSchema)
	default:
		return nil, fmt.Errorf("this is not a report of limits (its schema is %.60q, not %s): %s", schema, ReportSchema, wantReport)
	}
	var report Report
	if err := json.Unmarshal(b, &report); err != nil {
		return nil, fmt.Errorf("this report of limits is damaged (%w): write it again", err)
	}
	if report.Host == nil {
		return nil, fmt.Errorf("this report of limits is damaged (it has no host): write it again")
	}
	if err := report.Host.check(); err != nil {
		return nil, fmt.Errorf("this report of limits is damaged (%w): write it again", err)
	}
	return report.Host, nil
}

// newer reports whether a schema is of another version.
func newer(schema string) bool {
	name, version, _ := strings.Cut(schema, "/v")
	mine, _, _ := strings.Cut(ReportSchema, "/v")
	_, err := strconv.ParseUint(version, 10, 31)
	return name == mine && err == nil
}

// check finds values that no host has.
func (f *Facts) check() error {
	const most = 1 << 50
	for _, n := range []struct {
		name string
		v    int64
	}{
		{"cpus", int64(f.CPUs)},
		{"hz", int64(f.HZ)},
		{"memory_bytes", f.MemoryBytes},
		{"available_bytes", f.AvailableBytes},
		{"page_bytes", f.PageBytes},
		{"cgroup_memory_bytes", f.CgroupMemoryBytes},
		{"cgroup_available_bytes", f.CgroupAvailableBytes},
		{"usage.files", f.Usage.Files},
		{"usage.orphans", f.Usage.Orphans},
		{"usage.tcp_pages", f.Usage.TCPPages},
		{"usage.time_wait", f.Usage.TimeWait},
		{"usage.conntrack", f.Usage.Conntrack},
	} {
		if n.v < 0 || n.v > most {
			return fmt.Errorf("%s is %d", n.name, n.v)
		}
	}
	switch {
	case f.CPUs < 1 || f.CPUs > 1<<20:
		return fmt.Errorf("cpus is %d", f.CPUs)
	case f.HZ > 1<<20:
		return fmt.Errorf("hz is %d", f.HZ)
	case f.PageBytes > 1<<30:
		return fmt.Errorf("page_bytes is %d", f.PageBytes)
	case f.CPUQuota < 0:
		return fmt.Errorf("cpu_quota is %v", f.CPUQuota)
	}
	for _, name := range Names() {
		value, has := f.Sysctls[name]
		if !has {
			continue
		}
		if err := checkSysctl(name, value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, field := range strings.Fields(value) {
			if n, err := strconv.ParseInt(field, 10, 64); err == nil && n < 0 && name != "net.ipv4.tcp_ehash_entries" {
				return fmt.Errorf("%s is %q", name, value)
			}
		}
	}
	if _, _, free, ok := f.LocalPorts(); f.Sysctls["net.ipv4.ip_local_port_range"] != "" && (!ok || free < 1) {
		return fmt.Errorf("net.ipv4.ip_local_port_range is %q", f.Sysctls["net.ipv4.ip_local_port_range"])
	}
	for name, n := range f.Slabs {
		if n < 0 || n > maxReport {
			return fmt.Errorf("the slab %.40q takes %d bytes", name, n)
		}
	}
	return nil
}
