package handshake

import (
	"fmt"
	"time"

	"lastack/bench/record"
	"lastack/sockstate"
)

// countdown tells what is left of TIME_WAIT, or of a FIN_WAIT_2 without a process, once a second.
type countdown struct {
	emit func(record.Event)
	next int64
}

// tell tells of the sides in such a state. left is what the kernel says: its timer is late, so that it may be 0 for a while.
func (c *countdown) tell(now int64, states [sockstate.NumSides]sockstate.State, left [sockstate.NumSides]time.Duration) {
	if now < c.next {
		return
	}
	c.next = now + int64(time.Second)
	for side, s := range states {
		if s != sockstate.TimeWait && s != sockstate.FinWait2 {
			continue
		}
		text := fmt.Sprintf("the %v is in %v for another %d s", sockstate.Side(side), s, int(left[side].Round(time.Second)/time.Second))
		if left[side] < time.Second/2 {
			text = fmt.Sprintf("the %v is in %v until its timer, which is coarse, ends", sockstate.Side(side), s)
		}
		c.emit(record.Event{Phase: &record.Phase{Text: text}})
		return
	}
}
