package expose

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The types follow Grafana's schema of dashboards, as far as the dashboard uses it: kinds/dashboard/dashboard_kind.cue, the timeseries panel's
// panelcfg.cue with common/mudball.cue, and the types of Prometheus' queries. omitempty marks what may be missing, and of lists the accepted values.
type (
	dashboard struct {
		UID           string   `json:"uid"`
		Title         string   `json:"title"`
		Description   string   `json:"description,omitempty"`
		Tags          []string `json:"tags,omitempty"`
		SchemaVersion int      `json:"schemaVersion"`
		Version       int      `json:"version,omitempty"`
		Editable      bool     `json:"editable,omitempty"`
		GraphTooltip  int      `json:"graphTooltip,omitempty" of:"0 1 2"`
		Refresh       string   `json:"refresh,omitempty"`
		Timezone      string   `json:"timezone,omitempty"`
		Time          struct {
			From string `json:"from"`
			To   string `json:"to"`
		} `json:"time,omitempty"`
		Templating struct {
			List []variable `json:"list"`
		} `json:"templating,omitempty"`
		Annotations struct {
			List []annotation `json:"list"`
		} `json:"annotations,omitempty"`
		Panels []panel `json:"panels"`
	}
	variable struct {
		Name       string  `json:"name"`
		Type       string  `json:"type" of:"query datasource"`
		Label      string  `json:"label,omitempty"`
		Query      string  `json:"query"`
		Datasource *source `json:"datasource,omitempty"`
		Refresh    int     `json:"refresh,omitempty" of:"0 1 2"`
		IncludeAll bool    `json:"includeAll,omitempty"`
		Multi      bool    `json:"multi,omitempty"`
		Current    *struct {
			Text  string `json:"text"`
			Value string `json:"value"`
		} `json:"current,omitempty"`
	}
	source struct {
		Type string `json:"type" of:"prometheus"`
		UID  string `json:"uid" of:"${datasource}"`
	}
	annotation struct {
		Name        string `json:"name"`
		Datasource  source `json:"datasource"`
		Enable      bool   `json:"enable"`
		IconColor   string `json:"iconColor"`
		Expr        string `json:"expr"`
		Step        string `json:"step,omitempty"`
		TitleFormat string `json:"titleFormat,omitempty"`
	}
	panel struct {
		ID          int     `json:"id"`
		Type        string  `json:"type" of:"row timeseries"`
		Title       string  `json:"title"`
		Description string  `json:"description,omitempty"`
		GridPos     gridPos `json:"gridPos"`
		// Of a row.
		Collapsed bool    `json:"collapsed,omitempty"`
		Panels    []panel `json:"panels,omitempty"`
		// Of a timeseries.
		Datasource  *source      `json:"datasource,omitempty"`
		Targets     []query      `json:"targets,omitempty"`
		FieldConfig *fieldConfig `json:"fieldConfig,omitempty"`
		Options     *options     `json:"options,omitempty"`
	}
	gridPos struct {
		X int `json:"x"`
		Y int `json:"y"`
		W int `json:"w"`
		H int `json:"h"`
	}
	fieldConfig struct {
		Defaults struct {
			Unit   string  `json:"unit" of:"cps s short bytes"`
			Min    float64 `json:"min,omitempty"`
			Custom struct {
				FillOpacity float64 `json:"fillOpacity,omitempty"`
				Stacking    struct {
					Mode string `json:"mode,omitempty" of:"none normal percent"`
				} `json:"stacking,omitempty"`
			} `json:"custom,omitempty"`
		} `json:"defaults"`
		Overrides []struct{} `json:"overrides"`
	}
	options struct {
		Legend struct {
			DisplayMode string   `json:"displayMode" of:"list table hidden"`
			Placement   string   `json:"placement" of:"bottom right"`
			ShowLegend  bool     `json:"showLegend"`
			Calcs       []string `json:"calcs"`
		} `json:"legend"`
		Tooltip struct {
			Mode string `json:"mode" of:"single multi none"`
			Sort string `json:"sort" of:"asc desc none"`
		} `json:"tooltip"`
	}
	query struct {
		RefID        string `json:"refId"`
		Datasource   source `json:"datasource"`
		Expr         string `json:"expr"`
		LegendFormat string `json:"legendFormat,omitempty"`
	}
)

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	b, err := os.ReadFile("grafana.json")
	if err == nil {
		err = json.Unmarshal(b, &d)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// differences lists where a value of JSON is none of a type: fields that it does not have, lacks, or may not have that value.
func differences(at string, v any, as reflect.Type, of string) (list []string) {
	if as.Kind() == reflect.Pointer {
		as = as.Elem()
	}
	switch v := v.(type) {
	case map[string]any:
		if as.Kind() != reflect.Struct {
			return []string{at + " is an object"}
		}
		known := map[string]bool{}
		for i := range as.NumField() {
			f := as.Field(i)
			name, optional, _ := strings.Cut(f.Tag.Get("json"), ",")
			known[name] = true
			if part, ok := v[name]; ok {
				list = append(list, differences(at+"."+name, part, f.Type, f.Tag.Get("of"))...)
			} else if optional == "" {
				list = append(list, at+" lacks "+name)
			}
		}
		for name := range v {
			if !known[name] {
				list = append(list, at+" has a "+name)
			}
		}
	case []any:
		if as.Kind() != reflect.Slice {
			return []string{at + " is a list"}
		}
		for i, part := range v {
			list = append(list, differences(fmt.Sprintf("%s[%d]", at, i), part, as.Elem(), "")...)
		}
	default:
		if of != "" && !slices.Contains(strings.Fields(of), fmt.Sprint(v)) {
			list = append(list, fmt.Sprintf("%s is %v, want one of %s", at, v, of))
		}
	}
	return list
}

// The dashboard is what Grafana's schema describes, no panel covers another, and each variable is there.
func TestDashboardSchema(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var raw any
	if err := json.Unmarshal(b, &raw); err != nil {
		t.Fatal(err)
	}
	for _, d := range differences("dashboard", raw, reflect.TypeFor[dashboard](), "") {
		t.Error(d)
	}
	board := readDashboard(t)
	if n := len(board.UID); n < 1 || n > 40 {
		t.Errorf("the uid has %d characters", n)
	}
	variables := []string{"__rate_interval", "__all"}
	for i := range board.Templating.List {
		variables = append(variables, board.Templating.List[i].Name)
	}
	for _, v := range regexp.MustCompile(`\$\{?(\w+)`).FindAllStringSubmatch(string(b), -1) {
		if !slices.Contains(variables, v[1]) {
			t.Errorf("there is no variable %s", v[0])
		}
	}
	for i := range board.Panels {
		p := &board.Panels[i]
		g := p.GridPos
		if g.W < 1 || g.H < 1 || g.X < 0 || g.Y < 0 || g.X+g.W > 24 {
			t.Errorf("%s is at %+v", p.Title, g)
		}
		if (p.Type == "row") == (p.FieldConfig != nil && p.Options != nil && p.Datasource != nil) {
			t.Errorf("%s is no %s", p.Title, p.Type)
		}
		for _, o := range board.Panels[:i] {
			if h := o.GridPos; g.X < h.X+h.W && h.X < g.X+g.W && g.Y < h.Y+h.H && h.Y < g.Y+g.H {
				t.Errorf("%s covers %s", p.Title, o.Title)
			}
		}
		refs := map[string]bool{}
		for _, q := range p.Targets {
			if refs[q.RefID] {
				t.Errorf("%s has two queries %s", p.Title, q.RefID)
			}
			refs[q.RefID] = true
		}
	}
}
