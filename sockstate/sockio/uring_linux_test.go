package sockio

import "testing"

func TestUring(t *testing.T) {
	t.Run("on time", func(t *testing.T) { testLoop(t, NewUring) })
	t.Run("gives way", func(t *testing.T) { testLoop(t, givesWay(NewUring)) })
}
