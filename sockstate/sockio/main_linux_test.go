package sockio_test

import (
	"os"
	"testing"

	"lastack/sockstate/socktest"
)

func TestMain(m *testing.M) {
	socktest.Parallel(6)
	os.Exit(m.Run())
}
