// Package roads is the road graph of a city in memory: where the junctions are, which way
// one may drive between them, how long it takes. It is made at build time by geo/city with a
// [Builder], kept in one checksummed file ([Write], [Load]) and read by whoever drives or routes.
//
// A [Graph] never changes once it is made, so any number of goroutines may use it at once.
package roads

import (
	"iter"
	"math"
	"sync"
)

// LngLat is a place in 1e-7 degree, WGS 84, longitude first.
type LngLat struct{ Lon, Lat int32 }

// Degrees gives the place in degrees.
func (p LngLat) Degrees() (lon, lat float64) { return float64(p.Lon) / 1e7, float64(p.Lat) / 1e7 }

// At is the place at lon, lat in degrees, rounded to 1e-7 degree.
func At(lon, lat float64) LngLat {
	return LngLat{int32(math.Round(lon * 1e7)), int32(math.Round(lat * 1e7))}
}

// NodeID numbers a junction or the end of a road, from 0 to Graph.NodeCount()-1.
type NodeID uint32

// EdgeID numbers a drivable direction of a segment, from 0 to Graph.EdgeCount()-1. The edges of
// a node are consecutive.
type EdgeID uint32

// Class is the kind of road, best first.
type Class uint8

// The classes of roads, by the OpenStreetMap highway they come from. The values are in files:
// they never change.
const (
	Motorway Class = iota
	Trunk
	Primary
	Secondary
	Tertiary
	Unclassified
	Residential
	LivingStreet
	Service
	classCount
)

var classNames = [classCount]string{"motorway", "trunk", "primary", "secondary", "tertiary",
	"unclassified", "residential", "living_street", "service"}

// String gives the OpenStreetMap word for the class.
func (c Class) String() string {
	if c < classCount {
		return classNames[c]
	}
	return "unknown"
}

// Flags are what else is true of a segment. The values are in files: they never change.
type Flags uint8

// Flags of a segment.
const (
	Link    Flags = 1 << iota // a ramp
	Bridge                    // over something
	Tunnel                    // under something
	Private                   // no public access; an emergency vehicle may pass
)

// Names are the names of a street, empty where unknown.
type Names struct {
	Local string // as the signs say
	FA    string // Persian
	ZH    string // Chinese
	EN    string // English
	Ref   string // road number
}

// In gives the name for a language ("fa", "zh", "en"; anything else is the local one), falling
// back to the local name and then to the road number.
func (n Names) In(lang string) string {
	var s string
	switch lang {
	case "fa":
		s = n.FA
	case "zh":
		s = n.ZH
	case "en":
		s = n.EN
	}
	if s == "" {
		s = n.Local
	}
	if s == "" {
		s = n.Ref
	}
	return s
}

// Edge is one drivable direction between two junctions.
type Edge struct {
	ID       EdgeID
	From, To NodeID
	Metres   float64
	Seconds  float64 // free-flow driving time
	Class    Class
	Flags    Flags
	OneWay   bool  // the other direction may not be driven
	Way      int64 // OpenStreetMap way
}

// Graph is a directed road graph, immutable.
type Graph struct {
	nodes []LngLat
	core  []bool // in the largest strongly connected component
	first []uint32
	edges []edge
	segs  []segment

	shapeFirst []uint32 // by segment, one more at the end
	shapes     []LngLat // between the ends of each segment, from a to b
	names      []Names  // 0 is no name

	coreCount int
	grid      grid
	xyz       [][3]float64 // metres from the centre of the Earth, for the routing bound
	maxSpeed  float64      // metres of chord a second on the fastest edge
	scratch   sync.Pool    // *router
}

// edge is what routing touches, kept small: 12 bytes.
type edge struct {
	to      uint32
	seg     uint32 // the highest bit: driven from b to a
	seconds float32
}

const reversed = 1 << 31

type segment struct {
	a, b   uint32
	metres float32
	name   uint32
	way    int64
	class  Class
	flags  Flags
	oneway bool // derived: only one edge uses it
}

// NodeCount is the number of nodes.
func (g *Graph) NodeCount() int { return len(g.nodes) }

// EdgeCount is the number of directed edges.
func (g *Graph) EdgeCount() int { return len(g.edges) }

// CoreCount is the number of nodes in the largest strongly connected component.
func (g *Graph) CoreCount() int { return g.coreCount }

// Nodes goes through every node and its place, in order.
func (g *Graph) Nodes() iter.Seq2[NodeID, LngLat] {
	return func(yield func(NodeID, LngLat) bool) {
		for i, p := range g.nodes {
			if !yield(NodeID(i), p) {
				return
			}
		}
	}
}

// Node is the place of a node. It panics when there is no such node.
func (g *Graph) Node(n NodeID) LngLat { return g.nodes[n] }

// Core says whether a node lies in the largest strongly connected component: from each such
// node every other one can be reached.
func (g *Graph) Core(n NodeID) bool { return g.core[n] }

// Edge gives an edge by its number. It panics when there is no such edge.
func (g *Graph) Edge(id EdgeID) Edge {
	e := g.edges[id]
	s := &g.segs[e.seg&^reversed]
	from := s.a
	if e.seg&reversed != 0 {
		from = s.b
	}
	return Edge{ID: id, From: NodeID(from), To: NodeID(e.to), Metres: float64(s.metres),
		Seconds: float64(e.seconds), Class: s.class, Flags: s.flags, OneWay: s.oneway, Way: s.way}
}

// Out goes through the edges that leave a node.
func (g *Graph) Out(n NodeID) iter.Seq[Edge] {
	return func(yield func(Edge) bool) {
		for i := g.first[n]; i < g.first[n+1]; i++ {
			if !yield(g.Edge(EdgeID(i))) {
				return
			}
		}
	}
}

// Shape is the line of an edge in its driving direction, both ends included.
func (g *Graph) Shape(id EdgeID) []LngLat {
	e := g.edges[id]
	i := e.seg &^ reversed
	s := &g.segs[i]
	between := g.shapes[g.shapeFirst[i]:g.shapeFirst[i+1]]
	line := make([]LngLat, 0, len(between)+2)
	if e.seg&reversed == 0 {
		line = append(line, g.nodes[s.a])
		line = append(line, between...)
		return append(line, g.nodes[s.b])
	}
	line = append(line, g.nodes[s.b])
	for j := len(between) - 1; j >= 0; j-- {
		line = append(line, between[j])
	}
	return append(line, g.nodes[s.a])
}

// Name is the name of the street of an edge for a language, as [Names.In]; empty when it has none.
func (g *Graph) Name(id EdgeID, lang string) string {
	return g.names[g.segs[g.edges[id].seg&^reversed].name].In(lang)
}

const (
	earthRadiusM = 6371008.8 // mean
	radPerE7     = math.Pi / 180 / 1e7
)

// Metres is the great-circle distance.
func Metres(a, b LngLat) float64 {
	φ1, φ2 := float64(a.Lat)*radPerE7, float64(b.Lat)*radPerE7
	dφ, dλ := φ2-φ1, (float64(b.Lon)-float64(a.Lon))*radPerE7
	h := math.Pow(math.Sin(dφ/2), 2) + math.Cos(φ1)*math.Cos(φ2)*math.Pow(math.Sin(dλ/2), 2)
	return 2 * earthRadiusM * math.Asin(math.Min(1, math.Sqrt(h)))
}

func chord(a, b [3]float64) float64 {
	return math.Sqrt((a[0]-b[0])*(a[0]-b[0]) + (a[1]-b[1])*(a[1]-b[1]) + (a[2]-b[2])*(a[2]-b[2]))
}

// index makes what is not in the file: counts, the grid, the bound for routing.
func (g *Graph) index() {
	g.coreCount = 0
	for _, c := range g.core {
		if c {
			g.coreCount++
		}
	}
	uses := make([]uint8, len(g.segs))
	for _, e := range g.edges {
		uses[e.seg&^reversed] |= 1 + uint8(e.seg>>31)
	}
	for i := range g.segs {
		g.segs[i].oneway = uses[i] != 3
	}
	g.xyz = make([][3]float64, len(g.nodes))
	for i, p := range g.nodes {
		λ, φ := float64(p.Lon)*radPerE7, float64(p.Lat)*radPerE7
		g.xyz[i] = [3]float64{earthRadiusM * math.Cos(φ) * math.Cos(λ), earthRadiusM * math.Cos(φ) * math.Sin(λ), earthRadiusM * math.Sin(φ)}
	}
	g.maxSpeed = 1
	for n := range g.nodes {
		for i := g.first[n]; i < g.first[n+1]; i++ {
			e := g.edges[i]
			if d := chord(g.xyz[n], g.xyz[e.to]); d > 0 {
				g.maxSpeed = math.Max(g.maxSpeed, d/float64(e.seconds))
			}
		}
	}
	g.grid = newGrid(g)
	g.scratch.New = func() any { return newRouter(len(g.nodes)) }
}
