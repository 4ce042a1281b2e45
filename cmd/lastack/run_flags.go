package main

import (
	"fmt"
	"time"

	"lastack/loadgen"
	"lastack/sockstate"
)

// portsFlag adapts sockstate.PortRange to pflag.Value.
type portsFlag struct{ sockstate.PortRange }

// Set implements pflag.Value.
func (p *portsFlag) Set(s string) (err error) {
	if p.PortRange, err = sockstate.ParsePortRange(s); err != nil {
		return fmt.Errorf("%q is not a range of ports: want LO-HI, like 20000-29999, within 1 to 65535", s)
	}
	return nil
}

func (p *portsFlag) String() string {
	if p.IsZero() {
		return ""
	}
	return p.PortRange.String()
}

// Type implements pflag.Value.
func (p *portsFlag) Type() string { return "LO-HI" }

// settleFlag is --settle: a duration, or auto.
type settleFlag struct {
	d    time.Duration
	auto bool
}

// settleAuto is longer than FIN_WAIT_2 and TIME_WAIT together, at the default of 60 s each.
const settleAuto = 135 * time.Second

// Set implements pflag.Value.
func (s *settleFlag) Set(v string) error {
	if v == "auto" {
		*s = settleFlag{settleAuto, true}
		return nil
	}
	d, err := time.ParseDuration(v)
	if err == nil && d > loadgen.MaxTime {
		return fmt.Errorf("%q is too long: want at most %v, or auto", v, loadgen.MaxTime)
	}
	if err != nil || d < 0 {
		return fmt.Errorf("%q is not a settling time: want a duration of 0s or more, like 30s, or auto", v)
	}
	*s = settleFlag{d: d}
	return nil
}

func (s *settleFlag) String() string {
	switch {
	case s.auto:
		return "auto"
	case s.d == 0:
		return ""
	}
	return s.d.String()
}

// Type implements pflag.Value.
func (s *settleFlag) Type() string { return "D|auto" }
