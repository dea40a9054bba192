package city

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"rasad/geo"
	"rasad/geo/roads"
)

// delawareRoads makes the road graph of the whole of Delaware and leaves it in a file.
func delawareRoads(b *testing.B) string {
	b.Helper()
	g, _, err := Roads(b.Context(), Options{In: testdata(b, "delaware-latest.osm.pbf")})
	if err != nil {
		b.Fatal(err)
	}
	var out bytes.Buffer
	if err := roads.Write(&out, g); err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), FileRoads)
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

// BenchmarkRoads measures the graph of Delaware: loading it, what it weighs, tying places to it, closing streets.
func BenchmarkRoads(b *testing.B) {
	path := delawareRoads(b)
	load := func(b *testing.B) *roads.Graph {
		g, err := roads.Load(path)
		if err != nil {
			b.Fatal(err)
		}
		return g
	}
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			load(b)
		}
	})
	b.Run("weight", func(b *testing.B) {
		var before, after runtime.MemStats
		for b.Loop() {
			runtime.GC()
			runtime.ReadMemStats(&before)
			g := load(b)
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(g.EdgeCount()), "B/edge")
		}
	})
	g := load(b)
	r := rand.New(rand.NewPCG(1, 0))
	places := make([]geo.LngLat, 4096) // within some 100 m of a junction, as units and incidents are
	for i := range places {
		p := g.Node(roads.NodeID(r.IntN(g.NodeCount())))
		places[i] = geo.LngLat{Lng: p.Lng + int32(r.IntN(20_000)-10_000), Lat: p.Lat + int32(r.IntN(20_000)-10_000)}
	}
	legal := make([]bool, g.EdgeCount())
	for e := range legal {
		legal[e] = g.Edge(roads.EdgeID(e)).Flags&roads.Against == 0
	}
	for name, heading := range map[string]float64{"snap": math.NaN(), "snap with heading": 60} {
		b.Run(name, func(b *testing.B) {
			i := 0
			for b.Loop() {
				g.Snap(places[i%len(places)], heading, 500, func(e roads.EdgeID) bool { return legal[e] })
				i++
			}
		})
	}
	polygon := func(metres float64) *geo.Shape { // round downtown Wilmington
		s := &geo.Shape{Type: geo.Polygon}
		for i := range 33 {
			a := 2 * math.Pi * float64(i%32) / 32
			s.Points = append(s.Points, geo.LngLat{Lng: -755_466_000 + int32(metres*117*math.Cos(a)), Lat: 397_459_000 + int32(metres*90*math.Sin(a))})
		}
		s.Ends = []uint32{33}
		return s
	}
	for name, s := range map[string]*geo.Shape{
		"close a block": polygon(100), "close 20 km²": polygon(2500),
		"close a street": {Type: geo.LineString, Points: []geo.LngLat{{Lng: -755_500_000, Lat: 397_400_000}, {Lng: -755_400_000, Lat: 397_500_000}}, Ends: []uint32{2}},
	} {
		b.Run(name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				n = len(g.Touching(s))
			}
			b.ReportMetric(float64(n), "edges")
		})
	}
}
