package main

import "lastack/bench/sandbox"

// parseSysctls reads --sysctl.
func parseSysctls(texts []string) ([]sandbox.Sysctl, error) {
	var list []sandbox.Sysctl
	for _, s := range texts {
		c, err := sandbox.ParseSysctl(s)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}
