package geo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

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
type GeoJSONError struct {
	Field  string // "geometry.coordinates[0]"
	Code   string // stable, kebab-case: "ring-open"
	Reason string // an English sentence
}

func (e *GeoJSONError) Error() string { return e.Field + ": " + e.Reason }

// ToGeoJSON returns the feature as RFC 7946 has it: the id is the key, the
// properties are Props with "kind", "rev", for what has a fix "fix", and each
// sealed field as {"sealed":true}.
func ToGeoJSON(f *Feature) ([]byte, error) {
	m := f.Props.Map()
	put := func(name string, v any) { m[name], _ = json.Marshal(v) }
	put("kind", f.Kind)
	put("rev", f.Rev)
	for _, s := range f.Sealed {
		put(s.Name, map[string]bool{"sealed": true})
	}
	if f.Kind == Unit && f.Fix.Placed() {
		fix := map[string]any{"time": time.UnixMilli(int64(f.Fix.Time)).UTC().Format("2006-01-02T15:04:05.000Z")}
		if f.Fix.Accuracy != 0 {
			fix["accuracy_m"] = f.Fix.Accuracy
		}
		if f.Fix.Heading != HeadingUnknown {
			fix["heading_deg"] = f.Fix.Heading
		}
		if f.Fix.Speed != SpeedUnknown {
			fix["speed_mps"] = float64(f.Fix.Speed) / 10
		}
		put("fix", fix)
	}
	g, err := geometry(f)
	if err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Type       string                     `json:"type"`
		ID         string                     `json:"id"`
		Geometry   json.RawMessage            `json:"geometry"`
		Properties map[string]json.RawMessage `json:"properties"`
	}{"Feature", f.Key, g, m})
}

func geometry(f *Feature) (json.RawMessage, error) {
	flat := func(ps []LngLat) []float64 {
		var out []float64
		for _, p := range ps {
			x, y := p.Degrees()
			out = append(out, x, y)
		}
		return out
	}
	ends := func(es []uint32) (out []int) {
		for _, e := range es {
			out = append(out, int(e)*2)
		}
		return out
	}
	var t geom.T
	switch s := f.Shape; {
	case s == nil && !f.Fix.Placed():
		return json.RawMessage("null"), nil
	case s == nil:
		t = geom.NewPointFlat(geom.XY, flat([]LngLat{f.Fix.At}))
	case s.Type == MultiPoint:
		t = geom.NewMultiPointFlat(geom.XY, flat(s.Points))
	case s.Type == LineString:
		t = geom.NewLineStringFlat(geom.XY, flat(s.Points))
	case s.Type == MultiLineString:
		t = geom.NewMultiLineStringFlat(geom.XY, flat(s.Points), ends(s.Ends))
	case s.Type == Polygon:
		t = geom.NewPolygonFlat(geom.XY, flat(s.Points), ends(s.Ends))
	case s.Type == MultiPolygon:
		var endss [][]int
		from := uint32(0)
		for _, p := range s.Parts {
			endss = append(endss, ends(s.Ends[from:p]))
			from = p
		}
		t = geom.NewMultiPolygonFlat(geom.XY, flat(s.Points), endss)
	default:
		return nil, fmt.Errorf("geometry of %s: shape type %d", f.Key, s.Type)
	}
	b, err := geojson.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("geometry of %s: %w", f.Key, err)
	}
	return b, nil
}

// ParseGeoJSON reads a Feature or a bare geometry. The id is empty when there is
// none. Every error is a [*GeoJSONError].
func ParseGeoJSON(b []byte) (Geometry, Props, string, error) {
	var in struct {
		Type       string          `json:"type"`
		ID         json.RawMessage `json:"id"`
		Geometry   json.RawMessage `json:"geometry"`
		Properties json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return Geometry{}, "", "", &GeoJSONError{"", "json", err.Error()}
	}
	if in.Type != "Feature" {
		g, err := parseGeometry(b, "")
		return g, "", "", err
	}
	var props Props
	if p := bytes.TrimSpace(in.Properties); len(p) > 0 && string(p) != "null" {
		var err error
		if props, err = ParseProps(p); err != nil {
			return Geometry{}, "", "", &GeoJSONError{"properties", "properties", err.Error()}
		}
	}
	var id string
	if len(in.ID) > 0 && string(in.ID) != "null" {
		if err := json.Unmarshal(in.ID, &id); err != nil {
			return Geometry{}, "", "", &GeoJSONError{"id", "id", "the id must be a string"}
		}
	}
	g, err := parseGeometry(in.Geometry, "geometry")
	return g, props, id, err
}

func parseGeometry(b []byte, field string) (Geometry, error) {
	if b = bytes.TrimSpace(b); len(b) == 0 || string(b) == "null" {
		return Geometry{}, nil
	}
	fail := func(code, reason string) (Geometry, error) { return Geometry{}, &GeoJSONError{field, code, reason} }
	var t geom.T
	if err := geojson.Unmarshal(b, &t); err != nil {
		return fail("geometry", err.Error())
	}
	if t == nil || t.Empty() {
		return fail("empty", "the geometry is empty")
	}
	flat, stride := t.FlatCoords(), t.Stride()
	points := make([]LngLat, 0, len(flat)/stride)
	for i := 0; i+1 < len(flat); i += stride {
		p, err := At(flat[i], flat[i+1])
		if err != nil {
			return fail("range", err.Error())
		}
		points = append(points, p)
	}
	ends := func(es []int) (out []uint32) {
		for _, e := range es {
			out = append(out, uint32(e/stride))
		}
		return out
	}
	s := &Shape{Points: points}
	switch t := t.(type) {
	case *geom.Point:
		return Geometry{Placed: true, At: points[0]}, nil
	case *geom.MultiPoint:
		s.Type = MultiPoint
	case *geom.LineString:
		s.Type, s.Ends = LineString, []uint32{uint32(len(points))}
	case *geom.MultiLineString:
		s.Type, s.Ends = MultiLineString, ends(t.Ends())
	case *geom.Polygon:
		s.Type, s.Ends = Polygon, ends(t.Ends())
	case *geom.MultiPolygon:
		s.Type = MultiPolygon
		for _, es := range t.Endss() {
			s.Ends = append(s.Ends, ends(es)...)
			s.Parts = append(s.Parts, uint32(len(s.Ends)))
		}
	default:
		return fail("type", "this type of geometry is not supported")
	}
	return Geometry{Placed: true, At: s.Inside(), Shape: s}, nil
}
