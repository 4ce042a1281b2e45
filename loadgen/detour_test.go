package loadgen

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/sockstate"
	"lastack/sockstate/sockio"
)

// The ways around the targets' ports take all others, each as often as it has ports.
func TestDetour(t *testing.T) {
	for _, tc := range []struct {
		avoid    []uint16
		lo, hi   uint16
		reserved string
		want     [][2]uint16
		ports    []int
	}{
		{[]uint16{40001}, 40000, 40003, "", [][2]uint16{{40000, 40000}, {40002, 40003}}, []int{1, 2}},
		{[]uint16{40000}, 40000, 40003, "", [][2]uint16{{40001, 40003}}, []int{3}},
		{[]uint16{40003}, 40000, 40003, "", [][2]uint16{{40000, 40002}}, []int{3}},
		{[]uint16{40007, 40002, 40007}, 40000, 40009, "", [][2]uint16{{40000, 40001}, {40003, 40006}, {40008, 40009}}, []int{2, 4, 2}},
		{[]uint16{40001, 40002}, 40000, 40003, "", [][2]uint16{{40000, 40000}, {40003, 40003}}, []int{1, 1}},
		{[]uint16{40005}, 40000, 40009, "40000-40004", [][2]uint16{{40006, 40009}}, []int{4}},
		{[]uint16{40005}, 40000, 40009, "40001-40003,40006", [][2]uint16{{40000, 40004}, {40006, 40009}}, []int{2, 3}},
		{[]uint16{65535}, 65000, 65535, "", [][2]uint16{{65000, 65534}}, []int{535}},
		{[]uint16{40000}, 40000, 40000, "", nil, nil},
		{[]uint16{1, 3, 5, 7, 9, 11, 13, 15, 17}, 1, 100, "", nil, nil}, // too many
	} {
		t.Run(fmt.Sprintf("%v of %d-%d less %q", tc.avoid, tc.lo, tc.hi, tc.reserved), func(t *testing.T) {
			usable, err := sockio.ParsePorts(tc.reserved)
			if err != nil {
				t.Fatal(err)
			}
			for p := range usable {
				usable[p] = !usable[p] && p >= int(tc.lo) && p <= int(tc.hi)
			}
			first := sockio.NewBindNoPort()
			d := newDetour(tc.avoid, usable, tc.lo, tc.hi, []sockio.Opt{first})
			if tc.want == nil {
				if d != nil {
					t.Errorf("went around by %d ways", len(d.ways))
				}
				return
			}
			if d == nil {
				t.Fatal("no way around")
			}
			taken := make([]int, len(d.ways))
			for range 10 * d.ports {
				opts := d.next()
				for i, r := range tc.want {
					if opts[0] == first && opts[1] == sockio.NewPortRange(sockstate.PortRange{Lo: r[0], Hi: r[1]}) {
						taken[i]++
					}
				}
			}
			for i := range taken {
				taken[i] /= 10
			}
			if diff := cmp.Diff(tc.ports, taken); diff != "" {
				t.Errorf("connections by way (-want +got):\n%s", diff)
			}
		})
	}
}
