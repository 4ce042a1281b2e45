package svg

import (
	"html"

	"lastack/report/document"
)

// hatching is how the areas of each colour are hatched, from the first on: drawn in a tile that is 6 wide and high. Areas that are not
// are as dark as no other that is not.
var hatching = [hues]string{
	1: "M0 6L6 0M-3 3L3 -3M3 9L9 3", // rising
	2: "M1 1.5h1M4 4.5h1",           // dots
	3: "M0 0L6 6M-3 3L3 9M3 -3L9 3", // falling
	4: "M0 1.5h6M0 4.5h6",           // level
	5: "M0 3h6M3 0v6",               // squares
	7: "M3 0v6",                     // upright
}

// filled reports whether curves are areas.
func filled(p *document.Picture) bool { return p.Form != document.Lines }

// hatches defines the hatching of each curve, in tiles of a width and a height.
func (d *drawing) hatches(width, height float64) {
	if !filled(d.p) {
		return
	}
	id := html.EscapeString(d.p.ID)
	for i := range d.p.Curves {
		h := hue(d.p, i)
		lines := hatching[h-1]
		if lines == "" || d.p.Curves[i].Goal {
			continue
		}
		d.printf(`<pattern id="%s-f%d" class="h%d" width="%s" height="%s" patternUnits="userSpaceOnUse" viewBox="0 0 6 6" preserveAspectRatio="none"><rect width="6" height="6"/><path d="%s"/></pattern>`,
			id, i, h, num(width), num(height), lines)
	}
}

// fill is the attribute of what is hatched.
func (d *drawing) fill(i int) string {
	if hatching[hue(d.p, i)-1] == "" || d.p.Curves[i].Goal {
		return ""
	}
	return ` style="fill:url(#` + html.EscapeString(d.p.ID) + `-f` + num(float64(i)) + `)"`
}
