package geo

import (
	"cmp"
	"iter"
	"math"
	"slices"
)

// ShapeType names a geometry as GeoJSON does.
type ShapeType uint8

// The shapes; a plain point needs none.
const (
	MultiPoint ShapeType = iota + 1
	LineString
	MultiLineString
	Polygon
	MultiPolygon
)

func (t ShapeType) String() string {
	switch t {
	case MultiPoint:
		return "MultiPoint"
	case LineString:
		return "LineString"
	case MultiLineString:
		return "MultiLineString"
	case Polygon:
		return "Polygon"
	case MultiPolygon:
		return "MultiPolygon"
	}
	return "unknown shape"
}

// Shape is the geometry of a feature that is more than a point: positions in
// one run, cut into parts. It is immutable.
//
// Ends holds, for each line or ring, the index in Points after its last point
// (rings are closed: last equals first). Parts holds, for each polygon, the
// index in Ends after its last ring; only MultiPolygon uses it. A MultiPoint has
// neither, a LineString and a Polygon have Ends. The outer ring of a polygon is
// counter-clockwise, holes clockwise (RFC 7946). No line crosses the antimeridian:
// a shape that does is cut there.
type Shape struct {
	Type   ShapeType `json:"type"`
	Points []LngLat  `json:"points"`
	Ends   []uint32  `json:"ends,omitempty"`
	Parts  []uint32  `json:"parts,omitempty"`
}

// Box is an area in 1e-7 degree; Min is its south-west corner. A box whose
// Min.Lng is greater than its Max.Lng crosses the antimeridian.
type Box struct{ Min, Max LngLat }

// Bounds returns the smallest box around the shape; of no points, the zero box.
func (s *Shape) Bounds() Box {
	if len(s.Points) == 0 {
		return Box{}
	}
	b := Box{s.Points[0], s.Points[0]}
	for _, p := range s.Points[1:] {
		b.Min.Lng, b.Min.Lat = min(b.Min.Lng, p.Lng), min(b.Min.Lat, p.Lat)
		b.Max.Lng, b.Max.Lat = max(b.Max.Lng, p.Lng), max(b.Max.Lat, p.Lat)
	}
	return b
}

// area tells whether the shape has an inside.
func (s *Shape) area() bool { return s.Type == Polygon || s.Type == MultiPolygon }

// lines yields the lines, or the rings, in order. Ends that make no sense yield
// nothing rather than panic: they can only come from a damaged file.
func (s *Shape) lines(yield func(int, []LngLat) bool) {
	from := uint32(0)
	for i, end := range s.Ends {
		if end < from || int(end) > len(s.Points) || !yield(i, s.Points[from:end]) {
			return
		}
		from = end
	}
}

// polygons yields the rings of each polygon, the outer one first.
func (s *Shape) polygons() iter.Seq[[][]LngLat] {
	return func(yield func([][]LngLat) bool) {
		var rings [][]LngLat
		part := 0
		for i, ring := range s.lines {
			rings = append(rings, ring)
			last := i == len(s.Ends)-1
			if s.Type == MultiPolygon {
				last = part < len(s.Parts) && int(s.Parts[part]) == i+1
			}
			if last {
				part++
				if !yield(rings) {
					return
				}
				rings = nil
			}
		}
	}
}

// turn is which way the path a, b, p turns: 1 left, -1 right, 0 straight on. It is
// exact: differences of valid coordinates have 32 and 31 bits, their product 63.
func turn(a, b, p LngLat) int {
	abx, aby := int64(b.Lng)-int64(a.Lng), int64(b.Lat)-int64(a.Lat)
	apx, apy := int64(p.Lng)-int64(a.Lng), int64(p.Lat)-int64(a.Lat)
	return cmp.Compare(abx*apy, aby*apx)
}

// on tells whether p lies on the segment a-b.
func on(a, b, p LngLat) bool {
	return p.Lng >= min(a.Lng, b.Lng) && p.Lng <= max(a.Lng, b.Lng) &&
		p.Lat >= min(a.Lat, b.Lat) && p.Lat <= max(a.Lat, b.Lat) && turn(a, b, p) == 0
}

// Meet tells whether the segments a-b and c-d have a point in common. It is exact.
func Meet(a, b, c, d LngLat) bool {
	if turn(a, b, c)*turn(a, b, d) < 0 && turn(c, d, a)*turn(c, d, b) < 0 {
		return true
	}
	return on(a, b, c) || on(a, b, d) || on(c, d, a) || on(c, d, b)
}

// ringSide tells where p lies: 1 inside the ring, 0 on it, -1 outside.
func ringSide(ring []LngLat, p LngLat) int {
	in := -1
	for i := 1; i < len(ring); i++ {
		a, b := ring[i-1], ring[i]
		if on(a, b, p) {
			return 0
		}
		if (a.Lat > p.Lat) != (b.Lat > p.Lat) {
			if a.Lat > b.Lat {
				a, b = b, a
			}
			if turn(a, b, p) > 0 { // p is left of the upward edge: the ray to the east crosses it
				in = -in
			}
		}
	}
	return in
}

func inPolygon(rings [][]LngLat, p LngLat) bool {
	for i, ring := range rings {
		switch side := ringSide(ring, p); {
		case side == 0:
			return true
		case i == 0 && side < 0, i > 0 && side > 0:
			return false
		}
	}
	return len(rings) > 0
}

// Contains tells whether a point belongs to the shape: inside a polygon or on its
// edge, on a line, or one of the points. Between two positions a line is
// straight in longitude and latitude, as RFC 7946 has it.
func (s *Shape) Contains(p LngLat) bool {
	if s.Type == MultiPoint {
		return slices.Contains(s.Points, p)
	}
	if s.area() {
		for rings := range s.polygons() {
			if inPolygon(rings, p) {
				return true
			}
		}
		return false
	}
	for _, line := range s.lines {
		for i := 1; i < len(line); i++ {
			if on(line[i-1], line[i], p) {
				return true
			}
		}
	}
	return false
}

// Touches tells whether the shape and the box, which must not cross the
// antimeridian, have a point in common.
func (s *Shape) Touches(b Box) bool {
	if len(s.Points) == 0 {
		return false
	}
	if o := s.Bounds(); o.Min.Lng > b.Max.Lng || o.Max.Lng < b.Min.Lng || o.Min.Lat > b.Max.Lat || o.Max.Lat < b.Min.Lat {
		return false
	}
	if slices.ContainsFunc(s.Points, b.Contains) {
		return true
	}
	for _, line := range s.lines {
		for i := 1; i < len(line); i++ {
			if b.crossedBy(line[i-1], line[i]) {
				return true
			}
		}
	}
	// No edge in the box: it lies wholly in a polygon, or wholly outside of all.
	return s.area() && s.Contains(b.Min)
}

// crossedBy tells whether a segment has a point in the box, which must not cross
// the antimeridian.
func (b Box) crossedBy(p, q LngLat) bool {
	if max(p.Lng, q.Lng) < b.Min.Lng || min(p.Lng, q.Lng) > b.Max.Lng ||
		max(p.Lat, q.Lat) < b.Min.Lat || min(p.Lat, q.Lat) > b.Max.Lat {
		return false
	}
	// The bounds overlap, so they are apart only if all corners lie on one side.
	side := turn(p, q, b.Min) + turn(p, q, b.Max) +
		turn(p, q, LngLat{b.Min.Lng, b.Max.Lat}) + turn(p, q, LngLat{b.Max.Lng, b.Min.Lat})
	return side != 4 && side != -4
}

// Inside returns a point of the shape that can stand for it on a map: well inside
// its largest polygon, half way along its longest line, or the first of its points.
func (s *Shape) Inside() LngLat {
	if len(s.Points) == 0 {
		return LngLat{}
	}
	if s.area() {
		var best [][]LngLat
		for rings := range s.polygons() {
			if best == nil || math.Abs(twiceArea(rings[0])) > math.Abs(twiceArea(best[0])) {
				best = rings
			}
		}
		if p, ok := insidePolygon(best); ok {
			return p
		}
		return s.Points[0]
	}
	var best []LngLat
	for _, line := range s.lines {
		if best == nil || length(line) > length(best) {
			best = line
		}
	}
	return half(best, s.Points[0])
}

// twiceArea is positive for a ring that runs counter-clockwise. Degrees, so only
// good for comparing.
func twiceArea(ring []LngLat) float64 {
	var sum float64
	for i := 1; i < len(ring); i++ {
		a, b := ring[i-1], ring[i]
		// Relative to the first point, or small rings far from 0/0 lose their digits.
		ax, ay := float64(int64(a.Lng)-int64(ring[0].Lng)), float64(int64(a.Lat)-int64(ring[0].Lat))
		bx, by := float64(int64(b.Lng)-int64(ring[0].Lng)), float64(int64(b.Lat)-int64(ring[0].Lat))
		sum += ax*by - bx*ay
	}
	return sum
}

// insidePolygon returns the middle of the widest stretch inside the polygon, on
// one of a few parallels through it.
func insidePolygon(rings [][]LngLat) (LngLat, bool) {
	if len(rings) == 0 {
		return LngLat{}, false
	}
	bounds := (&Shape{Points: rings[0]}).Bounds()
	south, high := int64(bounds.Min.Lat), int64(bounds.Max.Lat)-int64(bounds.Min.Lat)
	var best LngLat
	widest := -1.
	for _, at := range []float64{.5, .35, .65, .2, .8, .05, .95} {
		lat := south + int64(float64(high)*at)
		var cross []float64
		for _, ring := range rings {
			for i := 1; i < len(ring); i++ {
				a, b := ring[i-1], ring[i]
				if (int64(a.Lat) > lat) != (int64(b.Lat) > lat) {
					t := float64(lat-int64(a.Lat)) / float64(int64(b.Lat)-int64(a.Lat))
					cross = append(cross, float64(a.Lng)+t*(float64(b.Lng)-float64(a.Lng)))
				}
			}
		}
		slices.Sort(cross)
		for i := 0; i+1 < len(cross); i += 2 {
			p := LngLat{int32((cross[i] + cross[i+1]) / 2), int32(lat)}
			if w := cross[i+1] - cross[i]; w > widest && inPolygon(rings, p) {
				widest, best = w, p
			}
		}
		if widest > 0 && at == .5 {
			break
		}
	}
	return best, widest >= 0
}

func length(line []LngLat) float64 {
	var sum float64
	for i := 1; i < len(line); i++ {
		sum += Distance(line[i-1], line[i])
	}
	return sum
}

// half returns the point half way along a line.
func half(line []LngLat, otherwise LngLat) LngLat {
	left := length(line) / 2
	for i := 1; i < len(line); i++ {
		a, b := line[i-1], line[i]
		d := Distance(a, b)
		if d >= left && d > 0 {
			t := left / d
			return LngLat{
				a.Lng + int32(math.Round(t*(float64(b.Lng)-float64(a.Lng)))),
				a.Lat + int32(math.Round(t*(float64(b.Lat)-float64(a.Lat)))),
			}
		}
		left -= d
	}
	return otherwise
}
