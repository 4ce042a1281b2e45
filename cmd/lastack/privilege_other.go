//go:build !linux

package main

// There are no capabilities elsewhere.
var runCapabilities, sandboxCapabilities, serveCapabilities, pidCapabilities []int

func checkPrivileges() error { return nil }

func keepCapabilities(...[]int) {}

func (*destination) capabilities() []int { return nil }
