// Package roads is the road graph of a city in memory: where the junctions are, which way
// one may drive between them, how long it takes. It is made at build time by geo/city with a
// [Builder], kept in one checksummed file ([Write], [Load]) and read by whoever drives or routes.
//
// The graph says what is on the ground, not who may use it: a direction against a one-way street is an
// edge that is marked [Against], a gate marks the edges that run into it ([Gate]), a turn that signs
// forbid is a ban ([Graph.Bans]). Whether a fire engine minds is for the [Profile] of a [Router]. A place
// beside the road is tied to it by [Graph.Snap], a closure by [Graph.Touching]; both use one index of the
// straight pieces of all roads, made at load.
//
// A [Graph] never changes once it is made, so any number of goroutines may use it at once.
package roads

import (
	"iter"
	"math"
	"slices"

	"rasad/geo"
)

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

// Flags are what else is true of an edge. The values are in files: they never change.
type Flags uint8

// Flags of an edge.
const (
	Link    Flags = 1 << iota // a ramp
	Bridge                    // over something
	Tunnel                    // under something
	Private                   // no public access; an emergency vehicle may pass
	Gate                      // at its head stands a gate: who drives on past the head passes it
	Against                   // against a one-way street
	Unpaved                   // its surface is loose; its seconds know that
	flagsEnd
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
	OneWay   bool  // of a street that the public may drive in one direction only
	Way      int64 // OpenStreetMap way
}

// Graph is a directed road graph, immutable.
type Graph struct {
	nodes []geo.LngLat
	core  []bool // in the largest strongly connected component
	first []uint32
	edges []edge
	flags []Flags // by edge
	segs  []segment
	bans  [][]EdgeID // sorted; each has two edges at least, head to tail

	shapeFirst []uint32     // by segment, one more at the end
	shapes     []geo.LngLat // between the ends of each segment, from a to b
	names      []Names      // 0 is no name
	sections   []Section    // of the file, that this file knows nothing of; by name

	of        [][2]uint32 // derived: by segment, its edge from a to b and the one from b to a, or noEdge
	coreCount int
	pieces    pieceIndex
}

// edge is what routing touches, kept small: 12 bytes.
type edge struct {
	to      uint32
	seg     uint32 // the highest bit: driven from b to a
	seconds float32
}

const (
	reversed = 1 << 31
	noEdge   = math.MaxUint32
)

type segment struct {
	a, b   uint32
	metres float32
	name   uint32
	way    int64
	class  Class
}

// NodeCount is the number of nodes.
func (g *Graph) NodeCount() int { return len(g.nodes) }

// EdgeCount is the number of directed edges.
func (g *Graph) EdgeCount() int { return len(g.edges) }

// CoreCount is the number of nodes in the largest strongly connected component, as [Graph.Core].
func (g *Graph) CoreCount() int { return g.coreCount }

// Nodes goes through every node and its place, in order.
func (g *Graph) Nodes() iter.Seq2[NodeID, geo.LngLat] {
	return func(yield func(NodeID, geo.LngLat) bool) {
		for i, p := range g.nodes {
			if !yield(NodeID(i), p) {
				return
			}
		}
	}
}

// Node is the place of a node. It panics when there is no such node.
func (g *Graph) Node(n NodeID) geo.LngLat { return g.nodes[n] }

// Core says whether a node lies in the largest strongly connected component: from each such
// node every other one can be reached, without driving against a one-way street.
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
		Seconds: float64(e.seconds), Class: s.class, Flags: g.flags[id], OneWay: g.oneWay(e.seg &^ reversed), Way: s.way}
}

// oneWay says whether the public may drive a segment in one direction only.
func (g *Graph) oneWay(seg uint32) bool {
	return slices.ContainsFunc(g.of[seg][:], func(e uint32) bool { return e == noEdge || g.flags[e]&Against != 0 })
}

// Reverse is the edge of the same road in the other direction, if it is one.
func (g *Graph) Reverse(id EdgeID) (EdgeID, bool) {
	e := g.edges[id]
	r := g.of[e.seg&^reversed][1-e.seg>>31]
	return EdgeID(r), r != noEdge
}

// Bans goes through the ways that signs forbid to go on, in order: whoever has driven all edges of one but
// the last may not go on to the last. Each has two edges or more; the answer is not to be changed.
func (g *Graph) Bans() iter.Seq[[]EdgeID] { return slices.Values(g.bans) }

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
func (g *Graph) Shape(id EdgeID) []geo.LngLat {
	e := g.edges[id]
	i := e.seg &^ reversed
	s := &g.segs[i]
	between := g.shapes[g.shapeFirst[i]:g.shapeFirst[i+1]]
	line := make([]geo.LngLat, 0, len(between)+2)
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

// index makes what is not in the file: the edges of segments, counts, the index.
func (g *Graph) index() {
	g.coreCount = 0
	for _, c := range g.core {
		if c {
			g.coreCount++
		}
	}
	g.of = make([][2]uint32, len(g.segs))
	for i := range g.of {
		g.of[i] = [2]uint32{noEdge, noEdge}
	}
	for i, e := range g.edges {
		g.of[e.seg&^reversed][e.seg>>31] = uint32(i)
	}
	g.pieces = newPieceIndex(g)
}
