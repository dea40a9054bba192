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
// index in Ends after its last ring; only MultiPolygon uses it. The outer ring of
// a polygon is counter-clockwise, holes clockwise (RFC 7946).
type Shape struct {
	Type   ShapeType
	Points []LngLat
	Ends   []uint32
	Parts  []uint32
}

// Box is an area in 1e-7 degree; Min is its south-west corner. A box whose
// Min.Lng is greater than its Max.Lng crosses the antimeridian.
type Box struct{ Min, Max LngLat }
