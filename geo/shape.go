package geo

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

// Shape is the geometry of a feature that is more than a point: positions in
// one run, cut into parts. It is immutable.
//
// Ends holds, for each line or ring, the index in Points after its last point
// (rings are closed: last equals first). Parts holds, for each polygon, the
// index in Ends after its last ring; only MultiPolygon uses it. A MultiPoint has
// neither, a LineString and a Polygon have Ends. The outer ring of
// a polygon is counter-clockwise, holes clockwise (RFC 7946).
type Shape struct {
	Type   ShapeType `json:"type"`
	Points []LngLat  `json:"points"`
	Ends   []uint32  `json:"ends,omitempty"`
	Parts  []uint32  `json:"parts,omitempty"`
}

// Box is an area in 1e-7 degree; Min is its south-west corner. A box whose
// Min.Lng is greater than its Max.Lng crosses the antimeridian.
type Box struct{ Min, Max LngLat }

// Inside returns a point of the shape that can stand for it: inside a polygon, on
// a line.
func (s *Shape) Inside() LngLat { return s.Points[0] }

// Bounds returns the smallest box around the shape.
func (s *Shape) Bounds() Box {
	b := Box{s.Points[0], s.Points[0]}
	for _, p := range s.Points {
		b.Min.Lng, b.Min.Lat = min(b.Min.Lng, p.Lng), min(b.Min.Lat, p.Lat)
		b.Max.Lng, b.Max.Lat = max(b.Max.Lng, p.Lng), max(b.Max.Lat, p.Lat)
	}
	return b
}
