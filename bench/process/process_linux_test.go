package process

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	if IsInit() {
		os.Exit(RunInit())
	}
	os.Exit(m.Run())
}
