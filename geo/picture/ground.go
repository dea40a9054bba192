package picture

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"github.com/paulmach/orb"
	"github.com/paulmach/orb/clip"
	"github.com/paulmach/orb/encoding/mvt"
	"github.com/paulmach/orb/geojson"
	"github.com/paulmach/orb/simplify"
	"google.golang.org/protobuf/encoding/protowire"

	"rasad/geo"
)

// Tiles are the vector tiles of a city; *city.City is one.
type Tiles interface {
	// Tile gives a tile, gzipped, ok when there is one.
	Tile(z uint8, x, y uint32) (body []byte, ok bool, err error)
}

const (
	tileZoomMax  = 14
	tilesMax     = 40 // of one picture; the largest frame needs 30
	tileBytesMax = 16 << 20
	// groundBytesMax bounds the paths of a ground, bytes before compression: some 40 KB
	// after it.
	groundBytesMax = 90_000
	// unit is the number of path units in a pixel: a half is as fine as can be seen.
	unit = 2
	edge = 6 // pixels over the edge of the picture, so that no line ends in sight
)

// Ground is the ground of a frame, ready to be drawn in any theme and language. It must
// not be changed.
type Ground struct {
	frame  Frame
	layers []groundLayer
	places []place
	city   [4]float64 // the covered box: left, top, right, bottom, pixels
}

// groundLayer is one path.
type groundLayer struct {
	token  string // of the colour
	area   bool
	width  float64 // of a line, pixels
	cased  bool
	dashed bool
	d      []byte
}

// place is a name on the map.
type place struct {
	at    orb.Point
	class int // index in placeClasses
	rank  float64
	names map[string]string // by language; "" is the local one
}

// areas are drawn in this order, then water, roads and the mask.
var landTokens = map[string]string{
	"urban": "map-urban", "industrial": "map-industrial", "airport": "map-industrial", "military": "map-industrial", "railway": "map-industrial",
	"education": "map-institution", "hospital": "map-institution", "green": "map-green", "park": "map-park", "wood": "map-wood", "sand": "map-sand",
}

var landOrder = []string{"map-urban", "map-industrial", "map-institution", "map-green", "map-park", "map-wood", "map-sand"}

// roadClass is a class of roads: the zoom from which a picture shows it and how wide it
// is there; it grows from zoom to zoom.
type roadClass struct {
	token string
	from  float64
	width float64
	kinds []string
}

// From the least to the most important: that is the order to draw them, and the
// reverse of the order to leave them out.
var roadClasses = []roadClass{
	{"map-street", 13.2, 1.1, []string{"residential", "unclassified", "living_street"}},
	{"map-tertiary", 11.6, 0.9, []string{"tertiary"}},
	{"map-secondary", 9.6, 0.9, []string{"secondary"}},
	{"map-primary", 8, 1, []string{"primary"}},
	{"map-trunk", 6, 1.2, []string{"trunk"}},
	{"map-motorway", 5, 1.5, []string{"motorway"}},
}

// placeClasses are the kinds of places with names, from the largest, and the zoom from
// which they are named.
var placeClasses = []struct {
	kinds []string
	from  float64
	size  float64 // of the letters, pixels
	token string
}{
	{[]string{"city"}, 4, 17, "map-place"},
	{[]string{"town"}, 8, 13, "map-place-minor"},
	{[]string{"suburb", "village", "island"}, 10.6, 12, "map-place-minor"},
	{[]string{"neighbourhood", "quarter", "hamlet", "locality"}, 12.4, 11, "map-place-minor"},
}

// detail is how much of the ground is kept.
type detail struct {
	tolerance float64 // pixels
	least     float64 // area of what is drawn, square pixels
	without   int     // classes of roads, of those that the zoom shows, but for the largest two
}

// less is the next one. The first step costs little; a city that still does not fit loses
// its small streets before its large ones lose their bends.
func (d detail) less() detail {
	return detail{d.tolerance * 1.5, d.least * 2.5, d.without + 1}
}

// GroundOf makes the ground of a frame from the tiles of a city, which covers a box.
// The error is of the tiles; nil tiles make an empty ground.
func GroundOf(tiles Tiles, covered geo.Box, f Frame) (*Ground, error) {
	g := &Ground{frame: f}
	if tiles == nil {
		g.city = [4]float64{0, 0, float64(f.W), float64(f.H)}
		return g, nil
	}
	a, b := f.at(geo.LngLat{Lng: covered.Min.Lng, Lat: covered.Max.Lat}), f.at(geo.LngLat{Lng: covered.Max.Lng, Lat: covered.Min.Lat})
	g.city = [4]float64{a[0], a[1], b[0], b[1]}
	shapes, err := g.read(tiles)
	if err != nil {
		return nil, err
	}
	for d := (detail{tolerance: 0.4, least: 5}); ; d = d.less() {
		if g.layers = f.draw(shapes, d); g.Weight() <= groundBytesMax || d.tolerance > float64(f.W) {
			break
		}
	}
	slices.SortStableFunc(g.places, func(a, b place) int { return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(a.rank, b.rank)) })
	return g, nil
}

// Weight is about how much memory the ground holds.
func (g *Ground) Weight() int64 {
	size := 128 * (len(g.layers) + len(g.places))
	for _, l := range g.layers {
		size += len(l.d)
	}
	return int64(size)
}

// read collects what the tiles hold in the frame, in pixels, by the token of its colour.
func (g *Ground) read(tiles Tiles) (map[string][]orb.Geometry, error) {
	f := g.frame
	z := min(max(int(f.zoom()+0.3), 0), tileZoomMax)
	n := math.Ldexp(1, z)
	index := func(v float64) int { return int(min(max(math.Floor(v*n), 0), n-1)) }
	x0, x1 := index(f.west), index(f.west+float64(f.W)/f.scale)
	y0, y1 := index(f.north), index(f.north+float64(f.H)/f.scale)
	if (x1-x0+1)*(y1-y0+1) > tilesMax {
		return nil, fmt.Errorf("draw the ground: %d tiles are too many", (x1-x0+1)*(y1-y0+1))
	}
	box := f.bound()
	out := map[string][]orb.Geometry{}
	for x := x0; x <= x1; x++ {
		for y := y0; y <= y1; y++ {
			body, ok, err := tiles.Tile(uint8(z), uint32(x), uint32(y))
			if err != nil {
				return nil, fmt.Errorf("draw the ground: %w", err)
			}
			if !ok {
				continue
			}
			layers, err := layersOf(body)
			if err != nil {
				return nil, fmt.Errorf("draw the ground: tile %d/%d/%d: %w", z, x, y, err)
			}
			pixels := func(l *mvt.Layer) func(orb.Point) orb.Point {
				k := f.scale / n / float64(max(l.Extent, 1))
				left, top := (float64(x)/n-f.west)*f.scale, (float64(y)/n-f.north)*f.scale
				return func(p orb.Point) orb.Point { return orb.Point{left + p[0]*k, top + p[1]*k} }
			}
			for _, l := range layers {
				move := pixels(l)
				for _, ft := range l.Features {
					if p, ok := ft.Geometry.(orb.Point); ok {
						g.name(l.Name, move(p), ft.Properties)
						continue
					}
					token := tokenOf(l.Name, ft.Properties)
					if token == "" {
						continue
					}
					if shape := clip.Geometry(box, moved(ft.Geometry, move)); shape != nil {
						out[token] = append(out[token], shape)
					}
				}
			}
		}
	}
	return out, nil
}

// wanted are the layers that a picture needs. Buildings are most of a tile: it is
// not even decoded what is not drawn.
var wanted = []string{"sea", "land", "water", "waterway", "boundary", "road", "place", "mask"}

var errTile = errors.New("damaged tile")

// layersOf decodes the layers of a gzipped tile that are wanted.
func layersOf(body []byte) (mvt.Layers, error) {
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(z, tileBytesMax))
	if err != nil {
		return nil, err
	}
	var kept []byte
	for len(b) > 0 {
		num, typ, head := protowire.ConsumeTag(b)
		if head < 0 {
			return nil, errTile
		}
		n := protowire.ConsumeFieldValue(num, typ, b[head:])
		if n < 0 {
			return nil, errTile
		}
		if num == 3 && typ == protowire.BytesType {
			layer, _ := protowire.ConsumeBytes(b[head:])
			if slices.Contains(wanted, layerName(layer)) {
				kept = append(kept, b[:head+n]...)
			}
		}
		b = b[head+n:]
	}
	return mvt.Unmarshal(kept)
}

func layerName(b []byte) string {
	for len(b) > 0 {
		num, typ, head := protowire.ConsumeTag(b)
		if head < 0 {
			return ""
		}
		if num == 1 && typ == protowire.BytesType {
			s, _ := protowire.ConsumeString(b[head:])
			return s
		}
		n := protowire.ConsumeFieldValue(num, typ, b[head:])
		if n < 0 {
			return ""
		}
		b = b[head+n:]
	}
	return ""
}

func tokenOf(layer string, p geojson.Properties) string {
	kind, _ := p["kind"].(string)
	switch layer {
	case "land":
		return landTokens[kind]
	case "sea":
		return "map-sea"
	case "water":
		return "map-water"
	case "waterway":
		if p["tunnel"] == nil && (kind == "river" || kind == "canal") {
			return "river"
		}
	case "boundary":
		if level, ok := p["level"].(float64); ok && level <= 6 && p["maritime"] == nil {
			return "map-boundary"
		}
	case "mask":
		return "map-uncovered"
	case "road":
		if p["tunnel"] != nil && kind == "residential" {
			return ""
		}
		for _, c := range roadClasses {
			if slices.Contains(c.kinds, kind) {
				return c.token
			}
		}
	}
	return ""
}

func (g *Ground) name(layer string, at orb.Point, p geojson.Properties) {
	if layer != "place" || at[0] < 0 || at[1] < 0 || at[0] > float64(g.frame.W) || at[1] > float64(g.frame.H) {
		return
	}
	kind, _ := p["kind"].(string)
	zoom := g.frame.zoom()
	for i, c := range placeClasses {
		if !slices.Contains(c.kinds, kind) || zoom < c.from {
			continue
		}
		names := map[string]string{}
		for key, lang := range map[string]string{"name": "", "name_fa": "fa", "name_zh": "zh", "name_en": "en"} {
			if s, ok := p[key].(string); ok && s != "" {
				names[lang] = s
			}
		}
		rank, ok := p["rank"].(float64)
		if !ok {
			rank = 99
		}
		if len(names) > 0 {
			g.places = append(g.places, place{at, i, rank, names})
		}
	}
}

func moved(g orb.Geometry, move func(orb.Point) orb.Point) orb.Geometry {
	line := func(ps []orb.Point) {
		for i, p := range ps {
			ps[i] = move(p)
		}
	}
	switch g := g.(type) {
	case orb.LineString:
		line(g)
	case orb.MultiLineString:
		for _, l := range g {
			line(l)
		}
	case orb.Polygon:
		for _, r := range g {
			line(r)
		}
	case orb.MultiPolygon:
		for _, p := range g {
			for _, r := range p {
				line(r)
			}
		}
	}
	return g
}

// draw makes the paths, bottom to top.
func (f Frame) draw(shapes map[string][]orb.Geometry, d detail) []groundLayer {
	zoom := f.zoom()
	grow := min(max(math.Pow(1.45, zoom-11), 0.6), 4)
	var layers []groundLayer
	for _, t := range landOrder {
		layers = append(layers, groundLayer{token: t, area: true})
	}
	layers = append(layers, groundLayer{token: "map-sea", area: true}, groundLayer{token: "map-water", area: true},
		groundLayer{token: "river", width: 0.8 * grow})
	shown := 0
	for i, c := range roadClasses {
		if zoom < c.from {
			continue
		}
		if shown++; shown <= d.without && i < len(roadClasses)-2 {
			continue
		}
		layers = append(layers, groundLayer{token: c.token, width: max(c.width*grow, 0.5), cased: zoom >= c.from+1})
	}
	layers = append(layers, groundLayer{token: "map-boundary", width: 1, dashed: true}, groundLayer{token: "map-uncovered", area: true})

	simple := simplify.DouglasPeucker(d.tolerance)
	for i := range layers {
		l := &layers[i]
		p := path{}
		var lines orb.MultiLineString
		for _, g := range shapes[l.token] {
			switch g := g.(type) {
			case orb.LineString:
				lines = append(lines, g)
			case orb.MultiLineString:
				lines = append(lines, g...)
			case orb.Polygon:
				p.polygon(g, simple, d.least)
			case orb.MultiPolygon:
				for _, q := range g {
					p.polygon(q, simple, d.least)
				}
			}
		}
		if !l.area {
			for _, line := range join(lines) {
				p.line(simple.LineString(line))
			}
		}
		l.d = p.d
		if l.token == "river" {
			l.token = "map-water"
		}
	}
	return slices.DeleteFunc(layers, func(l groundLayer) bool { return len(l.d) == 0 })
}

// join joins lines that meet end to end, whatever their direction: half of a path is
// where its pieces begin.
func join(lines orb.MultiLineString) orb.MultiLineString {
	type key [2]int32
	of := func(p orb.Point) key { return key{int32(math.Round(p[0] * unit)), int32(math.Round(p[1] * unit))} }
	ends := map[key][]int{}
	lines = slices.DeleteFunc(lines, func(l orb.LineString) bool { return len(l) < 2 })
	for i, l := range lines {
		ends[of(l[0])] = append(ends[of(l[0])], i)
		ends[of(l[len(l)-1])] = append(ends[of(l[len(l)-1])], i)
	}
	used := make([]bool, len(lines))
	grow := func(l orb.LineString) orb.LineString {
		for {
			end, next := l[len(l)-1], -1
			for _, i := range ends[of(end)] {
				if !used[i] {
					next = i
					break
				}
			}
			if next < 0 {
				return l
			}
			used[next] = true
			n := lines[next]
			if of(n[0]) != of(end) {
				n = slices.Clone(n)
				slices.Reverse(n)
			}
			l = append(l, n[1:]...)
		}
	}
	var out orb.MultiLineString
	for i, l := range lines {
		if used[i] {
			continue
		}
		used[i] = true
		l = grow(slices.Clone(l))
		slices.Reverse(l)
		out = append(out, grow(l))
	}
	return out
}

// path writes the data of an SVG path in units, each step from where the last ended.
type path struct {
	d    []byte
	x, y int // where the pen is
}

// polygon adds what is not too small of a polygon.
func (p *path) polygon(g orb.Polygon, simple orb.Simplifier, least float64) {
	for i, ring := range g {
		b := ring.Bound()
		if (b.Max[0]-b.Min[0])*(b.Max[1]-b.Min[1]) < least {
			if i == 0 {
				return
			}
			continue
		}
		// A copy: the simplifier works in its input.
		if ring = simple.Ring(slices.Clone(ring)); len(ring) >= 4 {
			p.ring(ring)
		}
	}
}

func (p *path) ring(r orb.Ring) {
	sx, sy, n := p.x, p.y, len(p.d)
	if p.run(r[:len(r)-1]) < 3 {
		p.d, p.x, p.y = p.d[:n], sx, sy
		return
	}
	p.d = append(p.d, 'z')
	p.x, p.y = units(r[0]) // where closing leaves the pen
}

func (p *path) line(l orb.LineString) {
	x, y, n := p.x, p.y, len(p.d)
	if p.run(l) < 2 {
		p.d, p.x, p.y = p.d[:n], x, y
	}
}

func units(q orb.Point) (x, y int) {
	return int(math.Round(q[0] * unit)), int(math.Round(q[1] * unit))
}

// run adds points and returns how many of them differ from the one before.
func (p *path) run(points []orb.Point) int {
	count := 0
	for _, q := range points {
		x, y := units(q)
		dx, dy := x-p.x, y-p.y
		switch {
		case count == 0:
			p.d = append(p.d, 'm')
		case dx == 0 && dy == 0:
			continue
		case count == 1:
			p.d = append(p.d, 'l')
		case dx >= 0:
			p.d = append(p.d, ' ')
		}
		p.d = strconv.AppendInt(p.d, int64(dx), 10)
		if dy >= 0 {
			p.d = append(p.d, ' ')
		}
		p.d = strconv.AppendInt(p.d, int64(dy), 10)
		p.x, p.y = x, y
		count++
	}
	return count
}
