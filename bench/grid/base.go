package grid

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"lastack/bench/host"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/sockstate"
)

// Base is where the sysctls of the sandboxes come from.
type Base struct {
	// From is one of the constants below. File is the name of a file of sysctl.d, and Settings what it holds.
	From     string
	File     string
	Settings []Setting
}

// What a sweep starts from.
const (
	// FromHost: this host's values.
	FromHost = "host"
	// FromDefault: the kernel's defaults.
	FromDefault = "default"
	// FromFile: the kernel's defaults, and then a file.
	FromFile = "file"
)

// Setting is a line of a file of sysctl.d.
type Setting struct {
	Key, Value string
	// MayFail is set if the kernel may reject the value.
	MayFail bool
}

// ParseConf reads the format of sysctl.d(5): KEY = VALUE, comments after # or ;, keys with dots or slashes. A leading dash says that the kernel
// may reject the value. Of two lines with one key the last counts.
func ParseConf(r io.Reader) (list []Setting, err error) {
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		dash := strings.HasPrefix(line, "-")
		key, value, ok := strings.Cut(strings.TrimPrefix(line, "-"), "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok && dash {
			continue // excludes a key from a pattern
		}
		if !ok || key == "" || value == "" || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return nil, fmt.Errorf("line %d, %q: want KEY = VALUE, as in sysctl.d(5)", n, line)
		}
		list = slices.DeleteFunc(list, func(s Setting) bool { return s.Key == key })
		list = append(list, Setting{key, value, dash})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	return list, nil
}

// wanted lists the sysctls that the base asks for, and leaves out those that no network namespace can have.
func (b *Base) wanted(r *record.SweepBase) ([]sandbox.Sysctl, error) {
	values := make(map[string]string)
	switch b.From {
	case FromDefault:
	case FromHost:
		values = host.TCPSysctls()
	case FromFile:
		for _, s := range b.Settings {
			c, err := sandbox.ParseSysctl(s.Key + "=" + s.Value)
			switch {
			case strings.ContainsAny(s.Key, "*?["):
				r.Refused[s.Key] = "a pattern of interfaces, of which the sandbox has its own"
			case err != nil:
				r.Refused[s.Key] = "not a sysctl of a network namespace"
			default:
				values[c.Key] = c.Value
			}
		}
	default:
		return nil, sockstate.BadValue("base", b.From, "want host, default, or a file of sysctl.d like /etc/sysctl.d/tcp.conf")
	}
	return ordered(values), nil
}

// try finds out which sysctls of the base a sandbox has, and whether it then accepts each of the others. A value of a file that the kernel
// rejects is an error: runs without it would not be what the file describes.
func (b *Base) try(ctx context.Context, others []sandbox.Sysctl) (record.SweepBase, []error, error) {
	r := record.SweepBase{From: b.From, File: b.File, Sysctls: make(map[string]string), Refused: make(map[string]string)}
	list, err := b.wanted(&r)
	if err != nil {
		return r, nil, err
	}
	tried, err := sandbox.Try(ctx, sandbox.Spec{}, sandbox.Trial{Base: list, Each: others})
	if err != nil {
		return r, nil, err
	}
	for i, c := range list {
		refused, _ := errors.AsType[*sandbox.SysctlError](tried.Base[i])
		switch {
		case tried.Kept[i]:
		case tried.Base[i] == nil:
			r.Sysctls[c.Key] = c.Value
		case b.From == FromHost && refused != nil && (refused.HostWide || refused.Hidden):
			// A sandbox shares it with the host.
		case refused != nil && refused.OfValue() && b.mustHave(c):
			return r, nil, sockstate.BadValue("base", b.File, "%s", strings.TrimPrefix(refused.Error(), "sysctl "))
		default:
			r.Refused[c.Key] = tried.Base[i].Error()
		}
	}
	return r, tried.Each, nil
}

// mustHave reports whether a file has the setting, and not with a dash.
func (b *Base) mustHave(c sandbox.Sysctl) bool {
	return slices.ContainsFunc(b.Settings, func(s Setting) bool {
		of, err := sandbox.ParseSysctl(s.Key + "=" + s.Value)
		return err == nil && of == c && !s.MayFail
	})
}

// ordered lists sysctls in an order in which the kernel accepts them: a range of local ports that begins among the privileged ports needs
// those lowered first (ipv4_local_port_range).
func ordered(sysctls map[string]string) (list []sandbox.Sysctl) {
	for key, value := range sysctls {
		list = append(list, sandbox.Sysctl{Key: key, Value: value})
	}
	slices.SortFunc(list, func(x, y sandbox.Sysctl) int {
		if last := x.Key == portRange; last != (y.Key == portRange) {
			if last {
				return 1
			}
			return -1
		}
		return cmp.Compare(x.Key, y.Key)
	})
	return list
}
