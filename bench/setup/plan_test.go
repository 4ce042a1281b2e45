package setup

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/teardown"
)

// A plan with every field set comes into the record with every one of its keys.
func TestRecordPlanLosesNothing(t *testing.T) {
	p := loadgen.Plan{
		Groups: []loadgen.Group{{
			Name: "run", Targets: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.5:80"), netip.MustParseAddrPort("[fd00::1]:443")},
			Connections: 1, RateFrom: 2.5, RateTo: 3.5, Poisson: true, Seed: 18, Phase: 0.25, Hold: 4, Plateau: 5, CloseRate: 6.5,
			Keep: loadgen.KeepAsking, Reconnect: 17, Gated: true,
			Close: teardown.Policy{Who: teardown.ServerFirst, How: teardown.Linger, Linger: 2 * time.Second},
			OnEOF: teardown.Reaction{Kind: teardown.ReactDelay, Delay: 200 * time.Millisecond}, Exchange: exchange.Spec{Kind: exchange.HTTP, Path: "/x"},
			Requests: 7, Think: 8, Host: "example.org", Headers: []string{"A: b"},
			ConnectTimeout: 9, RequestTimeout: 10, CloseTimeout: 11,
			Sources: []netip.Addr{netip.MustParseAddr("10.0.0.1")}, SourcePorts: sockstate.PortRange{Lo: 1000, Hi: 2000},
		}},
		Duration: 12, Count: 13, Warmup: 14, Ramp: 15, Workers: 16,
	}
	mustBeFull(t, reflect.ValueOf(p), "plan")
	r, err := recordPlan(&p)
	if err != nil {
		t.Fatal(err)
	}
	want, got := keysOf(t, p), keysOf(t, r)
	delete(got, "engine") // known when the run is over
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the plan in the record (-want +got):\n%s", diff)
	}
}

// mustBeFull makes sure that the test keeps up with the plan's fields.
func mustBeFull(t *testing.T, v reflect.Value, path string) {
	t.Helper()
	switch v.Kind() {
	case reflect.Struct:
		if _, ok := v.Interface().(json.Marshaler); ok || v.Type().PkgPath() != reflect.TypeFor[loadgen.Plan]().PkgPath() {
			break
		}
		for i := range v.NumField() {
			mustBeFull(t, v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	case reflect.Slice:
		if v.Len() > 0 {
			mustBeFull(t, v.Index(0), path+"[0]")
		}
	}
	if v.IsZero() {
		t.Errorf("%s is not set by this test", path)
	}
}

func keysOf(t *testing.T, v any) (m map[string]any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}
