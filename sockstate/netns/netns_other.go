//go:build !linux

package netns

import "lastack/sockstate"

func unshare() error { return sockstate.ErrNeedsLinux }

func setns(int) error { return sockstate.ErrNeedsLinux }

func onMainThread() bool { return false }
