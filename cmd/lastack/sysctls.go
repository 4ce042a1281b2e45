package main

import (
	"lastack/bench/sandbox"
	"lastack/sockstate"
)

// parseSysctls reads --sysctl.
func parseSysctls(texts []string) ([]sandbox.Sysctl, error) {
	var list []sandbox.Sysctl
	values := map[string]string{}
	for _, s := range texts {
		c, err := sandbox.ParseSysctl(s)
		if err != nil {
			return nil, err
		}
		if before, ok := values[c.Key]; ok && before != c.Value {
			return nil, sockstate.BadValue("sysctl", s, "it was set to %q before: want one value", before)
		}
		values[c.Key] = c.Value
		list = append(list, c)
	}
	return list, nil
}
