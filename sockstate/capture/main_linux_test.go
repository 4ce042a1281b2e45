package capture

import (
	"os"
	"testing"

	"lastack/sockstate/socktest"
)

func TestMain(m *testing.M) {
	socktest.InUserNamespace()
	os.Exit(m.Run())
}
