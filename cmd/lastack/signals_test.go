package main

import (
	"context"
	"os"
	"runtime"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"lastack/bench/process"
)

// TestTakeOver takes over twice, as a command may that measures twice, and leaves no goroutine.
func TestTakeOver(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	endBySignal("ended")
	takeOver()
	takeOver()
}

// TestHeed sends signals at set times, in the time of a synctest bubble.
func TestHeed(t *testing.T) {
	for _, tt := range []struct {
		name         string
		at           []time.Duration
		first, again int
	}{
		{"none", nil, 0, 0},
		{"one", []time.Duration{time.Second}, 1, 0},
		{"doubled at once", []time.Duration{0, 0}, 1, 0},
		{"doubled", []time.Duration{time.Second, time.Second + sameSignal}, 1, 0},
		{"asked twice", []time.Duration{time.Second, time.Second + sameSignal + time.Millisecond}, 1, 1},
		{"both doubled", []time.Duration{0, 1, time.Second, time.Second + 1}, 1, 2},
		{"a minute later", []time.Duration{0, time.Minute}, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, over := make(chan os.Signal), make(chan struct{})
				first, again := 0, 0
				go heed(c, over, func() { first++ }, func() { again++ })
				start := time.Now()
				for _, at := range tt.at {
					time.Sleep(time.Until(start.Add(at)))
					c <- syscall.SIGINT
					synctest.Wait()
				}
				close(over)
				synctest.Wait()
				if first != tt.first || again != tt.again {
					t.Errorf("called first %d times and again %d times, want %d and %d", first, again, tt.first, tt.again)
				}
			})
		})
	}
}

func TestInterruptible(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot signal itself here")
	}
	for _, sig := range process.Endings() {
		t.Run(sig.String(), func(t *testing.T) {
			ctx, stop := interruptible(t.Context(), func() { t.Error("one signal counted as two") })
			defer stop()
			if err := ctx.Err(); err != nil {
				t.Fatalf("interrupted from the start: %v", err)
			}
			self, err := os.FindProcess(os.Getpid())
			if err != nil {
				t.Fatal(err)
			}
			if err := self.Signal(sig); err != nil {
				t.Fatal(err)
			}
			<-ctx.Done()
			if err := ctx.Err(); err != context.Canceled {
				t.Errorf("ctx.Err() = %v", err)
			}
		})
	}
	ctx, stop := interruptible(t.Context(), func() {})
	stop()
	if ctx.Err() == nil {
		t.Error("stop leaves the context's goroutines waiting")
	}
}
