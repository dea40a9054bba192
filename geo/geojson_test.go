package geo

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestParseGeoJSON(t *testing.T) {
	square := Shape{Type: Polygon, Points: []LngLat{{0, 0}, {1e7, 0}, {1e7, 1e7}, {0, 1e7}, {0, 0}}, Ends: []uint32{5}}
	tests := map[string]struct {
		in   string
		want Geometry
	}{
		"no place":                   {`{"type":"Feature","geometry":null,"properties":null}`, Geometry{}},
		"no geometry at all":         {`{"type":"Feature"}`, Geometry{}},
		"a point":                    {`{"type":"Feature","geometry":{"type":"Point","coordinates":[51.389,35.6892]}}`, Geometry{Placed: true, At: LngLat{513_890_000, 356_892_000}}},
		"a bare point with a height": {`{"type":"Point","coordinates":[51.389,35.6892,1200.5]}`, Geometry{Placed: true, At: LngLat{513_890_000, 356_892_000}}},
		"rounding":                   {`{"type":"Point","coordinates":[-0.00000016,1e-7]}`, Geometry{Placed: true, At: LngLat{-2, 1}}},
		"a polygon":                  {`{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,1],[0,0]]]}`, Geometry{true, LngLat{5e6, 5e6}, &square}},
		"a polygon the wrong way":    {`{"type":"Polygon","coordinates":[[[0,0],[0,1],[1,1],[1,0],[0,0]]]}`, Geometry{true, LngLat{5e6, 5e6}, &square}},
		"a point said twice":         {`{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,0],[1,1],[0,1],[0,0]]]}`, Geometry{true, LngLat{5e6, 5e6}, &square}},
		"a hole the wrong way": {`{"type":"Polygon","coordinates":[[[0,0],[4,0],[4,4],[0,4],[0,0]],[[1,1],[2,1],[2,3],[1,3],[1,1]]]}`,
			Geometry{true, LngLat{3e7, 2e7}, &Shape{Type: Polygon, Ends: []uint32{5, 10}, Points: []LngLat{{0, 0}, {4e7, 0}, {4e7, 4e7}, {0, 4e7}, {0, 0},
				{1e7, 1e7}, {1e7, 3e7}, {2e7, 3e7}, {2e7, 1e7}, {1e7, 1e7}}}}},
		"a hole that touches": {`{"type":"Polygon","coordinates":[[[0,0],[4,0],[4,4],[0,4],[0,0]],[[0,2],[1,3],[1,1],[0,2]]]}`,
			Geometry{true, LngLat{25e6, 2e7}, &Shape{Type: Polygon, Ends: []uint32{5, 9}, Points: []LngLat{{0, 0}, {4e7, 0}, {4e7, 4e7}, {0, 4e7}, {0, 0},
				{0, 2e7}, {1e7, 3e7}, {1e7, 1e7}, {0, 2e7}}}}},
		"a line": {`{"type":"LineString","coordinates":[[0,0],[1,0]]}`,
			Geometry{true, LngLat{5e6, 0}, &Shape{Type: LineString, Points: []LngLat{{0, 0}, {1e7, 0}}, Ends: []uint32{2}}}},
		"lines": {`{"type":"MultiLineString","coordinates":[[[0,0],[1,0]],[[0,1],[0,2],[0,5]]]}`,
			Geometry{true, LngLat{0, 3e7}, &Shape{Type: MultiLineString, Points: []LngLat{{0, 0}, {1e7, 0}, {0, 1e7}, {0, 2e7}, {0, 5e7}}, Ends: []uint32{2, 5}}}},
		"points": {`{"type":"MultiPoint","coordinates":[[1,0],[2,0]]}`,
			Geometry{true, LngLat{1e7, 0}, &Shape{Type: MultiPoint, Points: []LngLat{{1e7, 0}, {2e7, 0}}}}},
		"cut at the antimeridian": {`{"type":"MultiPolygon","coordinates":[[[[179,0],[180,0],[180,1],[179,1],[179,0]]],[[[-180,0],[-177,0],[-177,1],[-180,1],[-180,0]]]]}`,
			Geometry{true, LngLat{-1_785_000_000, 5e6}, &Shape{Type: MultiPolygon, Ends: []uint32{5, 10}, Parts: []uint32{1, 2}, Points: []LngLat{
				{179e7, 0}, {180e7, 0}, {180e7, 1e7}, {179e7, 1e7}, {179e7, 0}, {-180e7, 0}, {-177e7, 0}, {-177e7, 1e7}, {-180e7, 1e7}, {-180e7, 0}}}}},
	}
	for name, tt := range tests {
		got, _, _, err := ParseGeoJSON([]byte(tt.in))
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v %+v, %v; want %+v %+v", name, got, got.Shape, err, tt.want, tt.want.Shape)
		}
	}
	_, props, id, err := ParseGeoJSON([]byte(`{"type":"Feature","id":17,"properties":{"b":1,"a":null}}`))
	if err != nil || props != `{"b":1}` || id != "17" {
		t.Errorf("got properties %s, id %q, %v", props, id, err)
	}
}

func TestParseGeoJSONNamesWhatItRefuses(t *testing.T) {
	polygon := func(rings string) string {
		return `{"type":"Feature","geometry":{"type":"Polygon","coordinates":` + rings + `}}`
	}
	star := "[[" // every edge crosses nearly every other
	for i := range 2001 {
		star += fmt.Sprintf("[%d.%07d,%d],", i%2*10, i*37%10_000_000, i%2)
	}
	star += "[0.0000000,0]]]"
	tests := map[string]struct{ in, field, code string }{
		"not JSON":                {`{"type":`, "", "json"},
		"no object":               {`[1,2]`, "", "json"},
		"null":                    {`null`, "", "json"},
		"two texts":               {`{"type":"Point","coordinates":[1,2]} {}`, "", "json"},
		"bad UTF-8":               {"{\"type\":\"Feature\",\"id\":\"\xff\"}", "", "utf8"},
		"a name twice":            {`{"type":"Feature","type":"Point","coordinates":[1,2]}`, "", "duplicate"},
		"a name twice, escaped":   {`{"type":"Feature","properties":{"a":1,"\u0061":2}}`, "", "duplicate"},
		"very deep":               {`{"type":"Feature","properties":{"a":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}}`, "", "depth"},
		"no type":                 {`{}`, "type", "type"},
		"an unknown type":         {`{"type":"Circle","coordinates":[1,2]}`, "type", "type"},
		"a type in capitals":      {`{"TYPE":"Point","coordinates":[1,2]}`, "type", "type"},
		"several features":        {`{"type":"FeatureCollection","features":[]}`, "type", "collection"},
		"several geometries":      {`{"type":"Feature","geometry":{"type":"GeometryCollection","geometries":[]}}`, "geometry.type", "collection"},
		"geometry is text":        {`{"type":"Feature","geometry":"POINT(1 2)"}`, "geometry.type", "type"},
		"id is an object":         {`{"type":"Feature","id":{}}`, "id", "id"},
		"properties are a list":   {`{"type":"Feature","properties":[]}`, "properties", "properties"},
		"no coordinates":          {`{"type":"Point"}`, "coordinates", "coordinates"},
		"coordinates are null":    {`{"type":"Point","coordinates":null}`, "coordinates", "coordinates"},
		"a coordinate is null":    {`{"type":"Point","coordinates":[null,null]}`, "coordinates", "coordinates"},
		"coordinates are text":    {`{"type":"Point","coordinates":["51","35"]}`, "coordinates", "coordinates"},
		"one number":              {`{"type":"Point","coordinates":[51]}`, "coordinates", "coordinates"},
		"too flat":                {`{"type":"Polygon","coordinates":[[0,0],[1,0],[1,1],[0,0]]}`, "coordinates", "coordinates"},
		"mixed dimensions":        {`{"type":"LineString","coordinates":[[0,0],[1,0,5]]}`, "coordinates", "coordinates"},
		"a number beyond numbers": {`{"type":"Point","coordinates":[1e999,0]}`, "coordinates", "coordinates"},
		"longitude 181":           {`{"type":"Point","coordinates":[181,0]}`, "coordinates", "range"},
		"latitude and longitude":  {`{"type":"Point","coordinates":[35,-91]}`, "coordinates", "range"},
		"empty point":             {`{"type":"Point","coordinates":[]}`, "coordinates", "empty"},
		"empty line":              {`{"type":"LineString","coordinates":[]}`, "coordinates", "empty"},
		"empty polygon":           {polygon(`[]`), "geometry.coordinates", "empty"},
		"empty ring":              {polygon(`[[]]`), "geometry.coordinates", "empty"},
		"empty polygon among":     {`{"type":"MultiPolygon","coordinates":[[[[0,0],[1,0],[1,1],[0,0]]],[]]}`, "coordinates[1]", "empty"},
		"line of one point":       {`{"type":"LineString","coordinates":[[1,2],[1,2.00000001]]}`, "coordinates", "line-short"},
		"ring of three":           {polygon(`[[[0,0],[1,0],[0,0]]]`), "geometry.coordinates[0]", "ring-short"},
		"ring of two, repeated":   {polygon(`[[[0,0],[1,0],[1,0],[0,0]]]`), "geometry.coordinates[0]", "ring-short"},
		"open ring":               {polygon(`[[[0,0],[1,0],[1,1],[0,1]]]`), "geometry.coordinates[0]", "ring-open"},
		"bow tie":                 {polygon(`[[[0,0],[1,1],[1,0],[0,1],[0,0]]]`), "geometry.coordinates[0]", "ring-crosses"},
		"eight, by a corner":      {polygon(`[[[0,0],[1,1],[2,0],[2,2],[1,1],[0,2],[0,0]]]`), "geometry.coordinates[0]", "ring-crosses"},
		"there and back":          {polygon(`[[[0,0],[1,0],[2,0],[1,0],[0,0]]]`), "geometry.coordinates[0]", "ring-crosses"},
		"a spike at the seam":     {polygon(`[[[0,0],[0,1],[1,1],[1,0],[0,0],[0,-1],[0,0]]]`), "geometry.coordinates[0]", "ring-crosses"},
		"a spike of no width":     {polygon(`[[[0,0],[4,0],[4,4],[2,4],[2,9],[2,4],[0,4],[0,0]]]`), "geometry.coordinates[0]", "ring-crosses"},
		"hole outside":            {polygon(`[[[0,0],[1,0],[1,1],[0,1],[0,0]],[[5,5],[6,5],[6,6],[5,5]]]`), "geometry.coordinates[1]", "hole-outside"},
		"hole across":             {polygon(`[[[0,0],[4,0],[4,4],[0,4],[0,0]],[[3,1],[5,1],[5,2],[3,2],[3,1]]]`), "geometry.coordinates[1]", "ring-crosses"},
		"hole along the edge":     {polygon(`[[[0,0],[4,0],[4,4],[0,4],[0,0]],[[0,1],[0,2],[1,2],[0,1]]]`), "geometry.coordinates[1]", "ring-crosses"},
		"hole from edge to edge":  {polygon(`[[[0,0],[4,0],[4,4],[0,4],[0,0]],[[0,2],[2,3],[4,2],[2,1],[0,2]]]`), "geometry.coordinates[1]", "ring-crosses"},
		"hole in a hole":          {polygon(`[[[0,0],[9,0],[9,9],[0,9],[0,0]],[[1,1],[1,8],[8,8],[8,1],[1,1]],[[2,2],[2,3],[3,3],[2,2]]]`), "geometry.coordinates[2]", "hole-outside"},
		"hole around a hole":      {polygon(`[[[0,0],[9,0],[9,9],[0,9],[0,0]],[[2,2],[2,3],[3,3],[2,2]],[[1,1],[1,8],[8,8],[8,1],[1,1]]]`), "geometry.coordinates[2]", "hole-outside"},
		"over the antimeridian":   {polygon(`[[[179,0],[-179,0],[-179,1],[179,1],[179,0]]]`), "geometry.coordinates[0]", "antimeridian"},
		"a line over it":          {`{"type":"MultiLineString","coordinates":[[[0,0],[1,1]],[[179,0],[-179,0]]]}`, "coordinates[1]", "antimeridian"},
		"a star of 2,000":         {polygon(star), "geometry.coordinates[0]", "ring-crosses"},
		"20,001 points":           {`{"type":"MultiPoint","coordinates":[[0,0]` + strings.Repeat(",[0,0]", 20_000) + `]}`, "coordinates", "too-many-points"},
		"150,001 points":          {`{"type":"MultiPoint","coordinates":[[0,0]` + strings.Repeat(",[0,0]", 150_000) + `]}`, "coordinates", "too-many-points"},
	}
	for name, tt := range tests {
		_, _, _, err := ParseGeoJSON([]byte(tt.in))
		var got *GeoJSONError
		if !errors.As(err, &got) {
			t.Errorf("%s: got error %v, want %s of %s", name, err, tt.code, tt.field)
		} else if got.Field != tt.field || got.Code != tt.code || got.Reason == "" {
			t.Errorf("%s: got %s of %q (%s), want %s of %q", name, got.Code, got.Field, got.Reason, tt.code, tt.field)
		}
	}
}

func TestToGeoJSON(t *testing.T) {
	tests := map[string]struct {
		f    Feature
		want string
	}{
		"a unit": {
			Feature{Key: "E7", Kind: Unit, Rev: 1040, Props: `{"a<b":"\"سلام\"","kind":"engine","rev":3}`, Sealed: []Sealed{{Name: "caller"}},
				Fix: Fix{LngLat{-755_466_000, 397_447_000}, 1_795_340_460_120, 182, 114, 8, 0}},
			`{"type":"Feature","id":"E7","geometry":{"type":"Point","coordinates":[-75.5466,39.7447]},"properties":{"kind":"unit","rev":1040,
			"fix":{"time":"2026-11-22T09:41:00.120Z","accuracy_m":8,"heading_deg":182,"speed_mps":11.4},"caller":{"sealed":true},"a<b":"\"سلام\""}}`,
		},
		"what is not known is left out": {
			Feature{Key: "E7", Kind: Unit, Rev: 1, Fix: Fix{LngLat{1, 0}, 1000, HeadingUnknown, SpeedUnknown, 0, 0}},
			`{"type":"Feature","id":"E7","geometry":{"type":"Point","coordinates":[0.0000001,0]},"properties":{"kind":"unit","rev":1,"fix":{"time":"1970-01-01T00:00:01.000Z"}}}`,
		},
		"no place": {
			Feature{Key: "C1", Kind: Call, Rev: 2, Props: `{"fix":"mended"}`},
			`{"type":"Feature","id":"C1","geometry":null,"properties":{"kind":"call","rev":2,"fix":"mended"}}`,
		},
	}
	for name, tt := range tests {
		got, err := ToGeoJSON(&tt.f)
		var g, w any
		if err != nil || json.Unmarshal(got, &g) != nil || json.Unmarshal([]byte(tt.want), &w) != nil || !reflect.DeepEqual(g, w) {
			t.Errorf("%s: got %s, %v; want %s", name, got, err, tt.want)
		}
	}
	for name, s := range map[string]*Shape{
		"parts beyond the rings": {Type: MultiPolygon, Points: []LngLat{{}}, Ends: []uint32{1}, Parts: []uint32{7}},
		"an unknown type":        {Type: 9},
	} {
		if b, err := ToGeoJSON(&Feature{Shape: s}); err == nil {
			t.Errorf("%s: got %s, want an error", name, b)
		}
	}
}

// What goes out comes in again the same.
func FuzzGeoJSON(f *testing.F) {
	for _, s := range []string{
		`{"type":"Feature","id":"E7","geometry":{"type":"Point","coordinates":[-75.5466,39.7447]},"properties":{"name":"x","capabilities":["a"]}}`,
		`{"type":"Polygon","coordinates":[[[0,0],[4,0],[4,4],[0,4],[0,0]],[[1,1],[1,3],[2,3],[2,1],[1,1]]]}`,
		`{"type":"MultiPolygon","coordinates":[[[[0,0],[1,0],[1,1],[0,0]]],[[[5,5],[6,5],[6,6],[5,5]]]]}`,
		`{"type":"MultiLineString","coordinates":[[[0,0],[1,0]],[[0,1],[0,2],[0,5]]]}`,
		`{"type":"MultiPoint","coordinates":[[1,0,3],[2,0,3]]}`,
		`{"type":"MultiPoint","coordinates":[[1,0],[]]}`,
		`{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[1,2]}]}`,
		`{"type":"Polygon","coordinates":[[[180,-90],[-180,90],[0,0],[180,-90]]]}`,
		`{"type":"Feature","geometry":null,"properties":{"a":{"b":[1,{"c":null}]}}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		g, props, id, err := ParseGeoJSON(b)
		if err != nil {
			var named *GeoJSONError
			if !errors.As(err, &named) || named.Code == "" || named.Reason == "" {
				t.Fatalf("error without a name: %v", err)
			}
			return
		}
		if !g.Placed {
			return
		}
		if g.Shape != nil {
			if !g.Shape.Contains(g.At) && g.Shape.area() {
				t.Fatalf("%v is not inside %v", g.At, g.Shape)
			}
			if !g.Shape.Touches(g.Shape.Bounds()) {
				t.Fatalf("%v does not touch its bounds", g.Shape)
			}
		}
		feature := &Feature{ID: 1, Key: id, Kind: Site, Rev: 1, Fix: Fix{At: g.At, Time: 1}, Shape: g.Shape, Props: props}
		out, err := ToGeoJSON(feature)
		if err != nil {
			t.Fatalf("write %s: %v", b, err)
		}
		again, _, id2, err := ParseGeoJSON(out)
		if err != nil || !reflect.DeepEqual(again, g) || id2 != id {
			t.Fatalf("%s became %s, which is %+v, %v; want %+v", b, out, again, err, g)
		}
	})
}

// wild makes a ring around a centre that does not cross itself.
func wild(r *rand.Rand, at LngLat, reach int32) []LngLat {
	n := 3 + r.IntN(12)
	box := []LngLat{}
	for i := range n { // a comb: up along the west, down along the east, never crossing
		box = append(box, LngLat{at.Lng - 1 - int32(r.IntN(int(reach))), at.Lat + int32(i)*reach/int32(n)})
	}
	for i := n - 1; i >= 0; i-- {
		box = append(box, LngLat{at.Lng + 1 + int32(r.IntN(int(reach))), at.Lat + int32(i)*reach/int32(n)})
	}
	box = append(box, box[0])
	slices.Reverse(box)
	return box
}

func TestShapesTouchBoxesAsTheirPointsDo(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 9))
		s := &Shape{Type: Polygon}
		s.Points = wild(r, LngLat{100, 100}, 60)
		s.Ends = []uint32{uint32(len(s.Points))}
		if seed%4 == 0 {
			s.Type = LineString
		}
		if seed%4 == 1 {
			s.Type, s.Parts = MultiPolygon, []uint32{1}
		}
		if p := s.Inside(); !s.Contains(p) && s.area() {
			t.Fatalf("seed %d: %v is not inside of %v", seed, p, s)
		}
		for range 200 {
			a := LngLat{30 + int32(r.IntN(140)), 90 + int32(r.IntN(80))}
			b := Box{a, LngLat{a.Lng + int32(r.IntN(20)), a.Lat + int32(r.IntN(20))}}
			// By brute force: a point of the box in the shape, by another method of
			// counting (winding angle by turns), or an edge that crosses one of its sides.
			want := false
			for lng := b.Min.Lng; lng <= b.Max.Lng && !want; lng++ {
				for lat := b.Min.Lat; lat <= b.Max.Lat && !want; lat++ {
					want = winds(s, LngLat{lng, lat})
				}
			}
			corners := []LngLat{b.Min, {b.Max.Lng, b.Min.Lat}, b.Max, {b.Min.Lng, b.Max.Lat}, b.Min}
			for i := 1; i < len(s.Points); i++ {
				for j := 1; j < 5; j++ {
					want = want || Meet(s.Points[i-1], s.Points[i], corners[j-1], corners[j])
				}
			}
			if got := s.Touches(b); got != want {
				t.Fatalf("seed %d: %v touches %v: got %t, want %t", seed, s, b, got, want)
			}
		}
	}
}

// winds tells whether the shape winds around p or passes through it.
func winds(s *Shape, p LngLat) bool {
	n := 0
	for i := 1; i < len(s.Points); i++ {
		a, b := s.Points[i-1], s.Points[i]
		if on(a, b, p) {
			return true
		}
		if a.Lat <= p.Lat && b.Lat > p.Lat && turn(a, b, p) > 0 {
			n++
		}
		if a.Lat > p.Lat && b.Lat <= p.Lat && turn(a, b, p) < 0 {
			n--
		}
	}
	return s.area() && n != 0
}

func TestDamagedShapesDoNotPanic(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 10))
	for range 20_000 {
		s := &Shape{Type: ShapeType(r.IntN(8))}
		for range r.IntN(6) {
			s.Points = append(s.Points, LngLat{int32(r.Uint32()), int32(r.Uint32())})
		}
		for range r.IntN(4) {
			s.Ends = append(s.Ends, r.Uint32N(8))
		}
		for range r.IntN(3) {
			s.Parts = append(s.Parts, r.Uint32N(5))
		}
		s.Bounds()
		s.Inside()
		s.Contains(LngLat{1, 1})
		s.Touches(Box{LngLat{-5, -5}, LngLat{5, 5}})
		_, _ = ToGeoJSON(&Feature{Shape: s})
	}
}
