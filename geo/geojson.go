package geo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/rtree"
	"github.com/twpayne/go-geom"
	"github.com/twpayne/go-geom/encoding/geojson"
)

// Geometry is a place as somebody gave it: none, a point, or a shape.
type Geometry struct {
	Placed bool
	At     LngLat // the point; for a shape, a point inside it
	Shape  *Shape // nil for a point
}

// GeoJSONError says what is wrong with a GeoJSON text, and where.
//
// The codes: json utf8 depth duplicate (the text), type collection (what it is),
// id properties, coordinates empty range too-many-points, line-short, ring-short
// ring-open ring-crosses hole-outside (polygons), antimeridian, too-complex.
type GeoJSONError struct {
	Field  string // "geometry.coordinates[0]", empty for the whole text
	Code   string // stable, kebab-case
	Reason string // an English sentence
}

func (e *GeoJSONError) Error() string {
	if e.Field == "" {
		return e.Reason
	}
	return e.Field + ": " + e.Reason
}

// ShapePointsMax is how many points a shape may have.
const ShapePointsMax = 20_000

// ToGeoJSON returns the feature as RFC 7946 has it: the id is the key, the
// properties are Props with "kind", "rev", for a unit that has a place "fix", and
// for each sealed field {"sealed":true}. The error can only be that of a shape
// that [ParseGeoJSON] did not make.
func ToGeoJSON(f *Feature) ([]byte, error) {
	b := make([]byte, 0, 256+len(f.Props))
	b = append(b, `{"type":"Feature","id":`...)
	b = appendText(b, f.Key)
	b = append(b, `,"geometry":`...)
	b, err := appendGeometry(b, f)
	if err != nil {
		return nil, fmt.Errorf("write the geometry of %s %s: %w", f.Kind, f.Key, err)
	}
	b = append(b, `,"properties":{"kind":`...)
	b = appendText(b, string(f.Kind))
	b = append(b, `,"rev":`...)
	b = strconv.AppendUint(b, f.Rev, 10)
	fixed := f.Kind == Unit && f.Fix.Placed()
	if fixed {
		b = append(b, `,"fix":{"time":"`...)
		b = time.UnixMilli(int64(f.Fix.Time)).UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z07:00")
		b = append(b, '"')
		if f.Fix.Accuracy != 0 {
			b = strconv.AppendUint(append(b, `,"accuracy_m":`...), uint64(f.Fix.Accuracy), 10)
		}
		if f.Fix.Heading != HeadingUnknown {
			b = strconv.AppendUint(append(b, `,"heading_deg":`...), uint64(f.Fix.Heading), 10)
		}
		if f.Fix.Speed != SpeedUnknown {
			b = strconv.AppendFloat(append(b, `,"speed_mps":`...), float64(f.Fix.Speed)/10, 'f', -1, 64)
		}
		b = append(b, '}')
	}
	for _, s := range f.Sealed {
		b = append(appendText(append(b, ','), s.Name), `:{"sealed":true}`...)
	}
	for name, raw := range f.Props.members {
		if name == "kind" || name == "rev" || name == "fix" && fixed ||
			slices.ContainsFunc(f.Sealed, func(s Sealed) bool { return s.Name == name }) {
			continue // ours says what is
		}
		b = append(b, `,"`...)
		b = append(b, name...)
		b = append(b, `":`...)
		b = append(b, raw...)
	}
	return append(b, '}', '}'), nil
}

func appendText(b []byte, s string) []byte {
	text, _ := json.Marshal(s) // a string always can
	return append(b, text...)
}

func appendGeometry(b []byte, f *Feature) ([]byte, error) {
	s := f.Shape
	if s == nil && !f.Fix.Placed() {
		return append(b, "null"...), nil
	}
	if s == nil {
		lng, lat := f.Fix.At.Degrees()
		b = strconv.AppendFloat(append(b, `{"type":"Point","coordinates":[`...), lng, 'f', -1, 64)
		b = strconv.AppendFloat(append(b, ','), lat, 'f', -1, 64)
		return append(b, `]}`...), nil
	}
	flat := make([]float64, 0, 2*len(s.Points))
	for _, p := range s.Points {
		lng, lat := p.Degrees()
		flat = append(flat, lng, lat)
	}
	ends := make([]int, 0, len(s.Ends))
	for _, line := range s.lines {
		last := 0
		if len(ends) > 0 {
			last = ends[len(ends)-1]
		}
		ends = append(ends, last+2*len(line))
	}
	var t geom.T
	switch s.Type {
	case MultiPoint:
		t = geom.NewMultiPointFlat(geom.XY, flat)
	case LineString:
		t = geom.NewLineStringFlat(geom.XY, flat)
	case MultiLineString:
		t = geom.NewMultiLineStringFlat(geom.XY, flat, ends)
	case Polygon:
		t = geom.NewPolygonFlat(geom.XY, flat, ends)
	case MultiPolygon:
		var parts [][]int
		from := 0
		for _, p := range s.Parts {
			if int(p) < from || int(p) > len(ends) {
				return b, errors.New("parts beyond the rings")
			}
			parts = append(parts, ends[from:p])
			from = int(p)
		}
		t = geom.NewMultiPolygonFlat(geom.XY, flat, parts)
	default:
		return b, errors.New(s.Type.String())
	}
	g, err := geojson.Marshal(t)
	return append(b, g...), err
}

// ParseGeoJSON reads a Feature or a bare geometry. A geometry that is null or
// missing is no place; the id is empty when there is none, and a number becomes its
// digits. Orientation of rings is mended; everything else that RFC 7946 forbids is
// refused, and so are lines that cross the antimeridian without being cut there,
// GeometryCollections, and collections of features. A third coordinate is ignored,
// positions are rounded to 1e-7 degree. Every error is a [*GeoJSONError].
func ParseGeoJSON(b []byte) (Geometry, Props, string, error) {
	fail := func(field, code, reason string) (Geometry, Props, string, error) {
		return Geometry{}, "", "", &GeoJSONError{field, code, reason}
	}
	if err := strictJSON(b); err != nil {
		code := "json"
		switch {
		case errors.Is(err, errUTF8):
			code = "utf8"
		case errors.Is(err, errDeep):
			code = "depth"
		case errors.Is(err, errDuplicate):
			code = "duplicate"
		}
		return fail("", code, err.Error())
	}
	m, kind := object(b)
	if m == nil {
		return fail("", "json", "GeoJSON is an object")
	}
	switch kind {
	case "Feature":
	case "FeatureCollection":
		return fail("type", "collection", "a collection of features is not one feature")
	default:
		g, err := parseGeometry(b, "")
		return g, "", "", err
	}
	var props Props
	if p := m["properties"]; len(p) > 0 && string(p) != "null" {
		var err error
		if props, err = ParseProps(p); err != nil {
			return fail("properties", "properties", err.Error())
		}
	}
	var id string
	switch raw := m["id"]; {
	case len(raw) == 0 || string(raw) == "null":
	case raw[0] == '"':
		_ = json.Unmarshal(raw, &id) // it is valid
	case raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9':
		id = string(raw)
	default:
		return fail("id", "id", "an id is a string or a number")
	}
	raw := m["geometry"]
	if len(raw) == 0 || string(raw) == "null" {
		return Geometry{}, props, id, nil
	}
	g, err := parseGeometry(raw, "geometry")
	if err != nil {
		return Geometry{}, "", "", err
	}
	return g, props, id, nil
}

// object returns the members of an object, by their exact names, and its type.
func object(b []byte) (m map[string]json.RawMessage, kind string) {
	if json.Unmarshal(b, &m) != nil || m == nil {
		return nil, ""
	}
	_ = json.Unmarshal(m["type"], &kind)
	return m, kind
}

func parseGeometry(b []byte, field string) (Geometry, error) {
	at := func(member string) string {
		if field == "" {
			return member
		}
		return field + "." + member
	}
	fail := func(field, code, reason string) (Geometry, error) {
		return Geometry{}, &GeoJSONError{field, code, reason}
	}
	m, kind := object(b)
	switch kind {
	case "Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon":
	case "GeometryCollection":
		return fail(at("type"), "collection", "a GeometryCollection is not supported, use the Multi… types or several features")
	default:
		return fail(at("type"), "type", fmt.Sprintf("%.40q is not a type of GeoJSON geometry", kind))
	}
	coordinates := m["coordinates"]
	// The library reads null as 0, which is a place in the Gulf of Guinea.
	if len(coordinates) == 0 || strings.Trim(string(coordinates), "[]0123456789+-.eE, \t\r\n") != "" {
		return fail(at("coordinates"), "coordinates", "coordinates are arrays of numbers")
	}
	if n := bytes.Count(coordinates, []byte(",")); n > 4*ShapePointsMax {
		return fail(at("coordinates"), "too-many-points", fmt.Sprintf("a geometry has at most %d points", ShapePointsMax))
	}
	t, err := (&geojson.Geometry{Type: kind, Coordinates: &coordinates}).Decode()
	if err != nil {
		return fail(at("coordinates"), "coordinates", fmt.Sprintf("coordinates do not fit a %s: each position is an array of longitude and latitude, all with as many numbers", kind))
	}
	flat, stride := t.FlatCoords(), t.Stride()
	if len(flat) == 0 || stride < 2 {
		return fail(at("coordinates"), "empty", "the geometry is empty")
	}
	r := reader{field: at("coordinates"), shape: &Shape{}}
	if len(flat)/stride > ShapePointsMax {
		return fail(r.field, "too-many-points", fmt.Sprintf("a geometry has at most %d points, this has %d", ShapePointsMax, len(flat)/stride))
	}
	points := make([]LngLat, len(flat)/stride)
	for i := range points {
		lng, lat := flat[i*stride], flat[i*stride+1]
		if points[i], err = At(lng, lat); err != nil {
			return fail(r.field, "range", fmt.Sprintf("%v, %v: %v", lng, lat, err))
		}
	}
	cut := func(ends []int) [][]LngLat {
		var parts [][]LngLat
		from := 0
		for _, end := range ends {
			parts = append(parts, points[from/stride:end/stride])
			from = end
		}
		if len(parts) > 0 {
			points, flat = points[from/stride:], flat[from:]
		}
		return parts
	}
	switch t := t.(type) {
	case *geom.Point:
		return Geometry{Placed: true, At: points[0]}, nil
	case *geom.MultiPoint:
		if t.NumPoints() != len(points) {
			return fail(r.field, "empty", "one of the points is empty")
		}
		r.shape.Type, r.shape.Points = MultiPoint, points
	case *geom.LineString:
		r.shape.Type = LineString
		r.line(points, "")
	case *geom.MultiLineString:
		r.shape.Type = MultiLineString
		for i, line := range cut(t.Ends()) {
			r.line(line, fmt.Sprintf("[%d]", i))
		}
	case *geom.Polygon:
		r.shape.Type = Polygon
		r.polygon(cut(t.Ends()), "")
	case *geom.MultiPolygon:
		r.shape.Type = MultiPolygon
		from := 0
		for i, ends := range t.Endss() {
			local := make([]int, len(ends))
			for j, end := range ends {
				local[j] = end - from
			}
			if len(ends) > 0 {
				from = ends[len(ends)-1]
			}
			r.polygon(cut(local), fmt.Sprintf("[%d]", i))
			r.shape.Parts = append(r.shape.Parts, uint32(len(r.shape.Ends)))
		}
	}
	if r.err != nil {
		return Geometry{}, r.err
	}
	return Geometry{Placed: true, At: r.shape.Inside(), Shape: r.shape}, nil
}

// reader builds a shape of lines and polygons and keeps the first fault.
type reader struct {
	field string
	shape *Shape
	work  int
	err   error
}

func (r *reader) fail(where, code, reason string) {
	if r.err == nil {
		r.err = &GeoJSONError{r.field + where, code, reason}
	}
}

func (r *reader) line(line []LngLat, where string) {
	line = slices.Compact(line)
	if len(line) < 2 {
		r.fail(where, "line-short", "a line has at least two different points")
	}
	r.add(line, where)
}

func (r *reader) add(line []LngLat, where string) {
	for i := 1; i < len(line); i++ {
		if abs(int64(line[i].Lng)-int64(line[i-1].Lng)) > LngMax {
			r.fail(where, "antimeridian", "the line crosses the antimeridian: cut it there, into a Multi… type (RFC 7946, 3.1.9)")
		}
	}
	r.shape.Points = append(r.shape.Points, line...)
	r.shape.Ends = append(r.shape.Ends, uint32(len(r.shape.Points)))
}

func (r *reader) polygon(rings [][]LngLat, where string) {
	if len(rings) == 0 {
		r.fail(where, "empty", "the polygon is empty")
	}
	for i, ring := range rings {
		at := fmt.Sprintf("%s[%d]", where, i)
		switch {
		case len(ring) < 4:
			r.fail(at, "ring-short", "a ring has at least four points, the last being the first")
		case ring[0] != ring[len(ring)-1]:
			r.fail(at, "ring-open", "the ring is not closed: its last point must be its first")
		}
		ring = slices.Compact(ring)
		if len(ring) < 4 {
			r.fail(at, "ring-short", "a ring has at least three different points")
		}
		rings[i] = ring
		r.add(ring, at)
	}
	if r.err != nil {
		return
	}
	if r.cross(rings, where); r.err != nil {
		return
	}
	for i, ring := range rings {
		if counterClockwise(ring) != (i == 0) {
			slices.Reverse(ring)
			end := int(r.shape.Ends[len(r.shape.Ends)-len(rings)+i])
			copy(r.shape.Points[end-len(ring):end], ring)
		}
		if i > 0 {
			r.hole(rings, i, where)
		}
	}
}

// shapeWork is how many comparisons of edges and points a shape is worth: a
// thousand times what an honest outline needs, and a few tenths of a second.
const shapeWork = 30_000_000

// cross refuses rings that cross or touch themselves, and rings that cross or
// overlap each other. Two rings may touch in one point; touching in two, they would
// cut the polygon in pieces.
func (r *reader) cross(rings [][]LngLat, where string) {
	type edge struct{ ring, i int }
	var tree rtree.RTreeGN[float32, edge]
	touch := map[[2]int]LngLat{}
	for k, ring := range rings {
		n := len(ring) - 1
		for i := range n {
			a, b := ring[i], ring[i+1]
			box := outward((&Shape{Points: ring[i : i+2]}).Bounds())
			bad := false
			tree.Search(box.min, box.max, func(_, _ [2]float32, e edge) bool {
				r.work++
				c, d := rings[e.ring][e.i], rings[e.ring][e.i+1]
				switch {
				case e.ring != k:
					p, n := contact(a, b, c, d)
					old, before := touch[[2]int{e.ring, k}]
					if bad = n > 1 || n == 1 && before && p != old; n == 1 {
						touch[[2]int{e.ring, k}] = p
					}
				case e.i == i-1:
					bad = on(a, b, c) || on(c, d, b) // back along the same line
				case i == n-1 && e.i == 0:
					bad = on(a, b, d) || on(c, d, a)
				default:
					bad = Meet(a, b, c, d)
				}
				return !bad && r.work < shapeWork
			})
			if bad {
				lng, lat := a.Degrees()
				r.fail(fmt.Sprintf("%s[%d]", where, k), "ring-crosses", fmt.Sprintf("the ring crosses or touches itself or another ring near %v, %v", lng, lat))
				return
			}
			if r.work >= shapeWork {
				r.fail(where, "too-complex", "the polygon is too complex to check")
				return
			}
			tree.Insert(box.min, box.max, edge{k, i})
		}
	}
}

// contact returns how many points two edges have in common, counting two for a
// crossing and for many, and which it is when it is one.
func contact(a, b, c, d LngLat) (p LngLat, n int) {
	if turn(a, b, c)*turn(a, b, d) < 0 && turn(c, d, a)*turn(c, d, b) < 0 {
		return p, 2
	}
	for i, q := range [4]LngLat{a, b, c, d} {
		if i < 2 && on(c, d, q) || i >= 2 && on(a, b, q) {
			if n == 0 || q != p {
				n++
			}
			p = q
		}
	}
	return p, n
}

// counterClockwise looks at the southernmost corner of a ring that does not cross
// itself: there it turns the way that the ring runs.
func counterClockwise(ring []LngLat) bool {
	n := len(ring) - 1
	low := 0
	for i, p := range ring[:n] {
		if q := ring[low]; p.Lat < q.Lat || p.Lat == q.Lat && p.Lng < q.Lng {
			low = i
		}
	}
	return turn(ring[(low+n-1)%n], ring[low], ring[low+1]) > 0
}

// hole refuses a hole that is not inside of the outer ring, or that holds another
// hole or lies in one. The rings are known not to cross, so one point decides.
func (r *reader) hole(rings [][]LngLat, i int, where string) {
	side := func(ring, of []LngLat) int {
		for _, p := range ring {
			r.work += len(of)
			if s := ringSide(of, p); s != 0 {
				return s
			}
		}
		return 0
	}
	at := fmt.Sprintf("%s[%d]", where, i)
	if side(rings[i], rings[0]) < 0 {
		r.fail(at, "hole-outside", "the hole is not inside of its polygon")
	}
	for _, other := range rings[1:i] {
		if side(rings[i], other) > 0 || side(other, rings[i]) > 0 {
			r.fail(at, "hole-outside", "one hole is inside of another")
		}
		if r.work > shapeWork {
			r.fail(where, "too-complex", "the polygon is too complex to check")
		}
		if r.err != nil {
			return
		}
	}
}
