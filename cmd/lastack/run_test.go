package main

import (
	"errors"
	"syscall"
	"testing"

	"lastack/bench/record"
)

func TestCodeOfRun(t *testing.T) {
	met, missed := record.ThresholdResult{OK: true}, record.ThresholdResult{}
	for _, tt := range []struct {
		name        string
		valid       bool
		interrupted bool
		thresholds  []record.ThresholdResult
		want        int
	}{
		{"valid", true, false, nil, exitOK},
		{"met", true, false, []record.ThresholdResult{met, met}, exitOK},
		{"missed", true, false, []record.ThresholdResult{met, missed, met}, exitThreshold},
		{"invalid", false, false, nil, exitInvalid},
		{"invalid and missed", false, false, []record.ThresholdResult{missed}, exitInvalid},
		{"interrupted", true, true, nil, exitInterrupted},
		{"all", false, true, []record.ThresholdResult{missed}, exitInterrupted},
	} {
		r := &record.Run{Interrupted: tt.interrupted, Thresholds: tt.thresholds}
		r.Verdict.Valid = tt.valid
		if got := codeOfRun(r); got != tt.want {
			t.Errorf("%s: exit code %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestOfChild(t *testing.T) {
	for _, tt := range []struct {
		code  int
		want  int
		quiet bool // the child has said everything
	}{
		{exitOK, exitOK, true},
		{exitError, exitError, true},
		{exitUsage, exitUsage, true},
		{exitInvalid, exitInvalid, true},
		{exitThreshold, exitThreshold, true},
		{exitInterrupted, exitInterrupted, true},
		{128 + int(syscall.SIGTERM), exitInterrupted, false},
		{128 + int(syscall.SIGHUP), exitInterrupted, false},
		{128 + int(syscall.SIGQUIT), exitInterrupted, false},
		{128 + int(syscall.SIGABRT), exitInterrupted, false},
		{128 + int(syscall.SIGKILL), exitError, false},
		{128 + int(syscall.SIGSEGV), exitError, false},
	} {
		err := ofChild(tt.code)
		got, text := exitOK, ""
		if err != nil {
			got, text = codeOf(err, true), err.Error()
		}
		if got != tt.want || (text == "") != tt.quiet {
			t.Errorf("ofChild(%d) = exit code %d, %q, want %d", tt.code, got, text, tt.want)
		}
	}
}

func TestRefusal(t *testing.T) {
	for text, want := range map[string]string{
		"no sandbox: could not start inside (as user): x": "could not start inside (as user): x",
		"could not start inside":                          "could not start inside",
	} {
		if got := refusal(errors.New(text)); got != want {
			t.Errorf("refusal(%q) = %q, want %q", text, got, want)
		}
	}
}
