package picture

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/paulmach/orb"
	"github.com/paulmach/orb/clip"
	"github.com/paulmach/orb/simplify"

	"rasad/geo"
)

// Sign is the symbol of a mark. Each has a shape of its own: colour alone says nothing.
type Sign int

// The signs.
const (
	Danger   Sign = iota // a diamond with a mark of exclamation
	Event                // a circle with one
	Refuge               // a house; what is in it says whether there is room
	Facility             // a square
)

// Tone is what a mark says beside its sign.
type Tone int

// The tones. Room and Full and Shut are of a [Refuge].
const (
	Plain Tone = iota
	Grave      // act now
	Past       // over
	Room
	Full
	Shut
)

// Mark is something on the map.
type Mark struct {
	Sign  Sign
	Tone  Tone
	Title string
	// At is where the sign stands.
	At geo.LngLat
	// RadiusM is how far from At the thing can be, metres; zero: it is there.
	RadiusM int
	// Area is what the mark is about; nil: a point.
	Area *geo.Shape
}

// Banner says what the world is not: real, or recorded as it happens.
type Banner struct {
	Text     string
	Exercise bool // else: simulated
}

// Words are the texts of a picture, in its language.
type Words struct {
	Language string // a code of BCP 47; empty: names of places are the local ones
	RTL      bool
	Title    string   // what the picture is
	AsOf     string   // when it was so
	Banners  []Banner // over everything
	Credit   string   // of the ground
	Approval string
	// Distance writes a length in metres, Number a count. Nil: no scale bar; plain digits.
	Distance func(metres float64) string
	Number   func(n int) string
}

const (
	signSize   = 24
	marksMax   = 300 // signs; what is beyond them is in the list
	labelsMax  = 24  // titles of marks
	placesMax  = 14  // names of places
	labelSize  = 12.5
	smallSize  = 11
	titleRunes = 34
	lineHeight = 1.25
)

// Draw draws marks, the first the most important, on a ground. A sign that would cover
// one of its like is counted there and not drawn.
func Draw(g *Ground, p Palette, marks []Mark, w Words) []byte {
	d := drawing{Ground: g, palette: p, words: w}
	f := g.frame
	d.printf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="Vazirmatn,'Noto Sans SC',system-ui,sans-serif" role="img"`, f.W, f.H, f.W, f.H)
	if w.Language != "" {
		d.printf(` xml:lang="%s"`, escape(w.Language))
	}
	d.printf(`><title>%s</title>`, escape(w.Title))
	d.ground()
	d.areas(marks)
	d.furniture()
	signs := d.place(marks)
	d.labels(signs)
	for i := len(signs) - 1; i >= 0; i-- { // the most important on top
		d.sign(&signs[i])
	}
	d.Write(d.text.Bytes())
	d.WriteString("</svg>\n")
	return d.Bytes()
}

// drawing is a picture while it is made.
type drawing struct {
	bytes.Buffer
	*Ground
	palette Palette
	words   Words
	taken   []rect
	text    bytes.Buffer // what lies over everything
}

type rect struct{ x0, y0, x1, y1 float64 }

func (r rect) meets(o rect) bool { return r.x0 < o.x1 && o.x0 < r.x1 && r.y0 < o.y1 && o.y0 < r.y1 }

func (d *drawing) printf(format string, a ...any) { fmt.Fprintf(&d.Buffer, format, a...) }

func (d *drawing) colour(token string) string { return d.palette[token] }

// free takes a place if nobody has it.
func (d *drawing) free(r rect) bool {
	if r.x0 < 2 || r.y0 < 2 || r.x1 > float64(d.frame.W)-2 || r.y1 > float64(d.frame.H)-2 {
		return false
	}
	if d.covered(r) {
		return false
	}
	d.taken = append(d.taken, r)
	return true
}

// covered tells whether something that was taken reaches into r.
func (d *drawing) covered(r rect) bool {
	return slices.ContainsFunc(d.taken, r.meets)
}

func (d *drawing) ground() {
	f := d.frame
	d.printf(`<path fill="%s" d="M0 0H%dV%dH0z"/>`, d.colour("map-uncovered"), f.W, f.H)
	clamp := func(v float64, most int) string { return num(min(max(v, 0), float64(most))) }
	left, top, right, bottom := clamp(d.city[0], f.W), clamp(d.city[1], f.H), clamp(d.city[2], f.W), clamp(d.city[3], f.H)
	d.printf(`<path fill="%s" d="M%s %sH%sV%sH%sz"/>`, d.colour("map-ground"), left, top, right, bottom, left)
	d.printf(`<g transform="scale(%s)" fill="none" stroke-linecap="round" stroke-linejoin="round">`, num(1./unit))
	// All casings lie under all roads, or a crossing would be cut through. A path that is
	// drawn twice stands there once.
	d.WriteString("<defs>")
	for i, l := range d.layers {
		if l.cased {
			d.printf(`<path id="r%d" d="%s"/>`, i, l.d)
		}
	}
	d.WriteString("</defs>")
	casings := true
	for i, l := range d.layers {
		if l.cased && casings {
			casings = false
			for j, l := range d.layers {
				if l.cased {
					d.printf(`<use href="#r%d" stroke="%s" stroke-width="%s"/>`, j, d.colour("map-casing"), num((l.width+1.4)*unit))
				}
			}
		}
		switch {
		case l.area:
			d.printf(`<path fill="%s" d="%s"/>`, d.colour(l.token), l.d)
		case l.cased:
			d.printf(`<use href="#r%d" stroke="%s" stroke-width="%s"/>`, i, d.colour(l.token), num(l.width*unit))
		default:
			dash := ""
			if l.dashed {
				dash = fmt.Sprintf(` stroke-dasharray="%d %d" stroke-opacity=".6"`, 4*unit, 3*unit)
			}
			d.printf(`<path stroke="%s" stroke-width="%s"%s d="%s"/>`, d.colour(l.token), num(l.width*unit), dash, l.d)
		}
	}
	d.WriteString("</g>")
}

// toneOf is the colour of a mark.
func toneOf(m *Mark) string {
	switch {
	case m.Tone == Past:
		return "status-out-of-service"
	case m.Sign == Refuge && m.Tone == Full:
		return "shelter-full"
	case m.Sign == Refuge && m.Tone == Shut:
		return "shelter-closed"
	case m.Sign == Refuge:
		return "shelter-open"
	case m.Tone == Grave:
		return "act-now"
	case m.Sign == Danger:
		return "hazard"
	case m.Sign == Event:
		return "attention"
	}
	return "site"
}

// areas draws what marks cover: with a firm edge where it is so, with a broken one
// where the thing is somewhere within.
func (d *drawing) areas(marks []Mark) {
	f := d.frame
	box := f.bound()
	for i := len(marks) - 1; i >= 0; i-- {
		m := &marks[i]
		tone := d.colour(toneOf(m))
		if m.Area != nil {
			p := path{}
			g := clip.Geometry(box, f.shape(m.Area))
			simple := simplify.DouglasPeucker(0.4)
			fill := tone
			switch g := g.(type) {
			case orb.MultiPolygon:
				for _, q := range g {
					p.polygon(q, simple, 0)
				}
			case orb.Polygon:
				p.polygon(g, simple, 0)
			case orb.MultiLineString:
				fill = "none"
				for _, l := range g {
					p.line(simple.LineString(l))
				}
			case orb.LineString:
				fill = "none"
				p.line(simple.LineString(g))
			}
			if len(p.d) > 0 {
				d.printf(`<path transform="scale(%s)" fill="%s" fill-opacity=".22" stroke="%s" stroke-width="%d" stroke-linejoin="round" d="%s"/>`, num(1./unit), fill, tone, 2*unit, p.d)
			}
			continue
		}
		at := f.at(m.At)
		r := float64(m.RadiusM) / f.metres(m.At)
		if m.RadiusM > 0 && r >= 3 && r < 8*SideMax && at[0]+r > 0 && at[1]+r > 0 && at[0]-r < float64(f.W) && at[1]-r < float64(f.H) {
			d.printf(`<circle cx="%s" cy="%s" r="%s" fill="%s" fill-opacity=".14" stroke="%s" stroke-width="1.5" stroke-dasharray="5 4"/>`, num(at[0]), num(at[1]), num(r), tone, tone)
		}
	}
}

// shape is a shape in pixels, as lines or polygons.
func (f Frame) shape(s *geo.Shape) orb.Geometry {
	var lines [][]orb.Point
	from := uint32(0)
	for _, end := range s.Ends {
		line := make([]orb.Point, 0, end-from)
		for _, p := range s.Points[from:end] {
			line = append(line, f.at(p))
		}
		lines, from = append(lines, line), end
	}
	switch s.Type {
	case geo.Polygon, geo.MultiPolygon:
		parts := s.Parts
		if s.Type == geo.Polygon {
			parts = []uint32{uint32(len(lines))}
		}
		var out orb.MultiPolygon
		from = 0
		for _, end := range parts {
			var p orb.Polygon
			for _, l := range lines[from:end] {
				p = append(p, orb.Ring(l))
			}
			out, from = append(out, p), end
		}
		return out
	case geo.LineString, geo.MultiLineString:
		var out orb.MultiLineString
		for _, l := range lines {
			out = append(out, orb.LineString(l))
		}
		return out
	}
	return orb.MultiLineString{}
}

// sign is a mark where it is drawn.
type sign struct {
	*Mark
	at    orb.Point
	count int // of marks of its like that it stands for, beside itself
}

// place finds where signs stand.
func (d *drawing) place(marks []Mark) []sign {
	var out []sign
	for i := range marks {
		m := &marks[i]
		at, ok := d.frame.sees(m)
		if !ok {
			continue
		}
		half := signSize/2 + 1.
		if own := d.frame.at(m.At); at != own && d.covered(rect{at[0] - half, at[1] - half, at[0] + half, at[1] + half}) {
			continue // it is only near here, and its edge shows: not under the time or the scale
		}
		near := slices.IndexFunc(out, func(s sign) bool {
			return s.Sign == m.Sign && s.Tone == m.Tone && math.Hypot(s.at[0]-at[0], s.at[1]-at[1]) < signSize*0.8
		})
		switch {
		case near >= 0:
			out[near].count++
		case len(out) < marksMax:
			out = append(out, sign{m, at, 0})
		}
	}
	for _, s := range out {
		half := signSize/2 + 1.
		d.taken = append(d.taken, rect{s.at[0] - half, s.at[1] - half, s.at[0] + half, s.at[1] + half})
	}
	return out
}

// sees finds where in the picture the sign of a mark stands: at its place, or within
// that part of it which the picture shows.
func (f Frame) sees(m *Mark) (orb.Point, bool) {
	const margin = signSize / 2
	at := f.at(m.At)
	in := orb.Bound{Min: orb.Point{margin, margin}, Max: orb.Point{float64(f.W) - margin, float64(f.H) - margin}}
	if in.Contains(at) {
		return at, true
	}
	if m.Area == nil {
		nearest := orb.Point{min(max(at[0], in.Min[0]), in.Max[0]), min(max(at[1], in.Min[1]), in.Max[1])}
		r := float64(m.RadiusM)/f.metres(m.At) + margin
		return nearest, math.Hypot(nearest[0]-at[0], nearest[1]-at[1]) <= r
	}
	var run []orb.Point
	switch g := clip.Geometry(in, f.shape(m.Area)).(type) {
	case orb.MultiPolygon:
		if len(g) > 0 {
			run = g[0][0]
		}
	case orb.MultiLineString:
		if len(g) > 0 {
			run = g[0]
		}
	}
	if len(run) == 0 {
		return at, false
	}
	sum := orb.Point{}
	for _, p := range run {
		sum[0], sum[1] = sum[0]+p[0], sum[1]+p[1]
	}
	n := float64(len(run))
	return orb.Point{sum[0] / n, sum[1] / n}, true
}

// The signs in a box of 24 by 24, those of the screens (frontend/src/shapes.ts) and of
// the embed's own map (its signs.ts), and what is drawn into them.
const (
	diamond = "M12 1.4 22.6 12 12 22.6 1.4 12z"
	circle  = "M12 3a9 9 0 1 1 0 18 9 9 0 1 1 0-18z"
	house   = "M12 2.2 22.4 11.2H19.4V21H4.6V11.2H1.6z"
	mark    = "M12 7.2v5.6M12 16.6v.2" // of exclamation
	square  = "M7.5 3.5h9a4 4 0 0 1 4 4v9a4 4 0 0 1-4 4h-9a4 4 0 0 1-4-4v-9a4 4 0 0 1 4-4z"
)

func (d *drawing) sign(s *sign) {
	outline, ink := square, "M12 8v8M8 12h8"
	switch s.Sign {
	case Danger:
		outline, ink = diamond, mark
	case Event:
		outline, ink = circle, mark
	case Refuge:
		outline = house
		switch s.Tone {
		case Full:
			ink = "M8 14h8"
		case Shut:
			ink = "M9 11l6 6M15 11l-6 6"
		default:
			ink = "M8.2 14l2.8 3 4.8-6"
		}
	}
	d.printf(`<g transform="translate(%s %s)" stroke-linejoin="round" stroke-linecap="round"><path fill="%s" stroke="%s" stroke-width="2.5" paint-order="stroke" d="%s"/><path fill="none" stroke="%s" stroke-width="2.4" d="%s"/></g>`,
		num(s.at[0]-12), num(s.at[1]-12), d.colour(toneOf(s.Mark)), d.colour("symbol-casing"), outline, d.colour("symbol-ink"), ink)
}

// labels writes titles beside signs and names of places, where there is room, the most
// important first.
func (d *drawing) labels(signs []sign) {
	left := labelsMax
	for _, s := range signs {
		text := clipped(s.Title)
		if s.count > 0 {
			text += " +" + d.words.number(s.count)
		}
		if text == "" || left == 0 {
			continue
		}
		w, h := widthOf(text)*labelSize, labelSize*lineHeight
		gap := signSize/2 + 3.
		x, y := s.at[0], s.at[1]
		for i, r := range [...]rect{
			{x + gap, y - h/2, x + gap + w, y + h/2}, {x - gap - w, y - h/2, x - gap, y + h/2},
			{x - w/2, y + gap - 2, x + w/2, y + gap - 2 + h}, {x - w/2, y - gap - h + 2, x + w/2, y - gap + 2},
		} {
			if !d.free(r) {
				continue
			}
			l := letters{size: labelSize, weight: 600, token: "label", halo: "label-halo"}
			at := (r.x0 + r.x1) / 2
			switch i {
			case 0:
				l.side, at = onRight, r.x0
			case 1:
				l.side, at = onLeft, r.x1
			}
			d.write(at, (r.y0+r.y1)/2, text, l)
			left--
			break
		}
	}
	left = placesMax
	for _, p := range d.places {
		text := cmp.Or(p.names[d.words.Language], p.names[""], p.names["en"])
		c := placeClasses[p.class]
		w, h := widthOf(text)*c.size, c.size*lineHeight
		if left > 0 && text != "" && d.free(rect{p.at[0] - w/2 - 4, p.at[1] - h/2 - 2, p.at[0] + w/2 + 4, p.at[1] + h/2 + 2}) {
			left--
			weight := 500
			if p.class == 0 {
				weight = 700
			}
			d.write(p.at[0], p.at[1], text, letters{size: c.size, weight: weight, token: c.token, halo: "map-halo"})
		}
	}
}

// letters say how a text is written.
type letters struct {
	size   float64
	weight int
	token  string
	halo   string // token; empty: none
	side   side
}

// side is on which side of its point a text stands, so that an estimate of its width
// that was wrong does not push it over the thing that it belongs to.
type side int

const (
	middle side = iota
	onRight
	onLeft
)

// write writes a text at a point.
func (d *drawing) write(x, y float64, text string, l letters) {
	from := rtl(text)
	anchor := "middle"
	switch { // the start of what is written from the right is its right end
	case l.side == onRight && !from, l.side == onLeft && from:
		anchor = "start"
	case l.side != middle:
		anchor = "end"
	}
	fmt.Fprintf(&d.text, `<text x="%s" y="%s" font-size="%s" text-anchor="%s" fill="%s"`, num(x), num(y+l.size*0.35), num(l.size), anchor, d.colour(l.token))
	if l.weight != 400 {
		fmt.Fprintf(&d.text, ` font-weight="%d"`, l.weight)
	}
	if l.halo != "" {
		fmt.Fprintf(&d.text, ` stroke="%s" stroke-width="3" stroke-linejoin="round" paint-order="stroke"`, d.colour(l.halo))
	}
	if from {
		d.text.WriteString(` direction="rtl"`)
	}
	fmt.Fprintf(&d.text, ">%s</text>", escape(text))
}

// plate writes a text on a plate whose corner lies at x and y; end: its right one. A
// text that the picture is too narrow for is smaller.
func (d *drawing) plate(x, y float64, end bool, text string, size float64, weight int) {
	size = min(size, (float64(d.frame.W)-30)/max(widthOf(text), 1))
	w, h := widthOf(text)*size+12, size*1.7
	at, l := x+6, letters{size: size, weight: weight, token: "text", side: onRight}
	if end {
		x, at, l.side = x-w, x-6, onLeft
	}
	d.taken = append(d.taken, rect{x, y, x + w, y + h})
	fmt.Fprintf(&d.text, `<rect x="%s" y="%s" width="%s" height="%s" rx="4" fill="%s" fill-opacity=".88"/>`, num(x), num(y), num(w), num(h), d.colour("surface"))
	d.write(at, y+h/2, text, l)
}

// furniture draws what every map must say: when it was so, how long a kilometre is, who
// made the ground, and what the world is not.
func (d *drawing) furniture() {
	f, w := d.frame, d.words
	const pad = 8.
	width, height := float64(f.W), float64(f.H)
	top := pad
	for i, banner := range w.Banners {
		token := "state-exercise"
		if !banner.Exercise {
			token = "state-simulated"
		}
		h := 30.
		y := float64(i) * h
		d.taken = append(d.taken, rect{0, y, width, y + h})
		fmt.Fprintf(&d.text, `<rect x="0" y="%s" width="%s" height="%s" fill="%s"/>`, num(y), num(width), num(h), d.colour(token))
		d.write(width/2, y+h/2, banner.Text, letters{size: 17, weight: 700, token: "text-inverse"})
		top = y + h + pad
	}
	start, end := pad, width-pad
	if w.RTL {
		start, end = end, start
	}
	if w.AsOf != "" {
		d.plate(start, top, w.RTL, w.AsOf, 13, 600)
	}
	bottom := height - pad - smallSize*1.7
	if w.Credit != "" {
		d.plate(end, bottom, !w.RTL, w.Credit, smallSize, 400)
	}
	if w.Approval != "" {
		d.plate(end, bottom-smallSize*1.7-3, !w.RTL, w.Approval, smallSize, 400)
	}
	if w.Distance == nil {
		return
	}
	per := f.metres(f.centre())
	metres := round(per * min(width/4, 120))
	length := metres / per
	x0 := start
	if w.RTL {
		x0 -= length
	}
	y := height - pad - 2
	for range 2 { // above what is written there, where the picture is narrow
		if d.covered(rect{x0 - 2, y - 24, x0 + length + 2, y + 4}) {
			y -= smallSize*1.7 + 3
		}
	}
	d.taken = append(d.taken, rect{x0 - 2, y - 24, x0 + length + 2, y + 4})
	line := fmt.Sprintf("M%s %sv5h%sv-5", num(x0), num(y-5), num(length))
	fmt.Fprintf(&d.text, `<path fill="none" stroke="%s" stroke-width="4" stroke-opacity=".8" d="%s"/><path fill="none" stroke="%s" stroke-width="1.5" d="%s"/>`, d.colour("label-halo"), line, d.colour("text"), line)
	d.write(x0+length/2, y-12, w.Distance(metres), letters{size: smallSize, weight: 600, token: "text", halo: "label-halo"})
}

// round is the largest of 1, 2, 5, 10, 20 … that is not more.
func round(metres float64) float64 {
	ten := math.Pow(10, math.Floor(math.Log10(metres)))
	for _, k := range []float64{5, 2} {
		if k*ten <= metres {
			return k * ten
		}
	}
	return ten
}

func (w Words) number(n int) string {
	if w.Number == nil {
		return strconv.Itoa(n)
	}
	return w.Number(n)
}

// clipped is a title no longer than a map has room for.
func clipped(s string) string {
	r := []rune(strings.TrimSpace(s))
	if len(r) <= titleRunes {
		return string(r)
	}
	return strings.TrimSpace(string(r[:titleRunes-1])) + "…"
}

// widthOf estimates the width of a text in units of its size, rather too wide: who
// shows the picture has fonts that we do not know.
func widthOf(s string) float64 {
	sum := 0.
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Mn, r), unicode.Is(unicode.Cf, r):
		case r >= 0x2e80 && r <= 0x9fff, r >= 0xac00 && r <= 0xd7af, r >= 0xf900 && r <= 0xfaff, r >= 0xff00 && r <= 0xff60, r >= 0x20000:
			sum++
		case r == ' ':
			sum += 0.35
		case unicode.Is(unicode.Arabic, r):
			sum += 0.6
		case unicode.IsUpper(r):
			sum += 0.75
		default:
			sum += 0.64
		}
	}
	return sum
}

// rtl tells whether the first letter of a text is of a script written from right to left.
func rtl(s string) bool {
	for _, r := range s {
		if unicode.IsLetter(r) {
			return unicode.In(r, unicode.Arabic, unicode.Hebrew)
		}
	}
	return false
}

// num writes a number of pixels to a tenth.
func num(v float64) string {
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a builder takes all
	return b.String()
}
