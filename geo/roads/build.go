package roads

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"rasad/geo"
)

// Segment is a stretch of road between two nodes, as a [Builder] takes it.
type Segment struct {
	From, To NodeID
	Between  []geo.LngLat // the bends from From to To, without the ends
	// Forward and Backward are the seconds it takes to drive it; 0 means that nobody may drive
	// this direction.
	Forward, Backward float64
	Class             Class
	Flags             Flags // of both directions
	// ForwardFlags and BackwardFlags are what is true of one direction only.
	ForwardFlags, BackwardFlags Flags
	Names                       Names
	Way                         int64 // OpenStreetMap way
}

// Drive is one direction of a segment of a [Builder].
type Drive struct {
	Segment  int // in the order of Add, from 0
	Backward bool
}

// Builder collects nodes and segments and makes a [Graph] of them. The zero Builder is empty
// and ready.
type Builder struct {
	nodes []geo.LngLat
	segs  []Segment
	bans  [][]Drive
}

// Node adds a node.
func (b *Builder) Node(p geo.LngLat) NodeID {
	b.nodes = append(b.nodes, p)
	return NodeID(len(b.nodes) - 1)
}

// Add adds a segment. Its ends must have been added, its class be one of ours and its times
// finite; a segment that may be driven in no direction is refused too.
func (b *Builder) Add(s Segment) error {
	switch n := NodeID(len(b.nodes)); {
	case s.From >= n || s.To >= n:
		return fmt.Errorf("add segment of way %d: from %d to %d, but there are %d nodes", s.Way, s.From, s.To, n)
	case s.Class >= classCount:
		return fmt.Errorf("add segment of way %d: unknown class %d", s.Way, s.Class)
	case !(s.Forward >= 0 && s.Backward >= 0 && s.Forward+s.Backward > 0 && s.Forward+s.Backward < math.MaxFloat32):
		return fmt.Errorf("add segment of way %d: driving takes %g s forward and %g s backward", s.Way, s.Forward, s.Backward)
	}
	b.segs = append(b.segs, s)
	return nil
}

// Len is the number of segments that were added.
func (b *Builder) Len() int { return len(b.segs) }

// Ban forbids to drive these directions one right after the other. They must be two or more, have been
// added, and join head to tail.
func (b *Builder) Ban(path ...Drive) error {
	if len(path) < 2 {
		return fmt.Errorf("ban %v: it takes two directions at least", path)
	}
	var at NodeID
	for i, d := range path {
		if d.Segment < 0 || d.Segment >= len(b.segs) {
			return fmt.Errorf("ban %v: there are %d segments", path, len(b.segs))
		}
		from, to := b.segs[d.Segment].From, b.segs[d.Segment].To
		if d.Backward {
			from, to = to, from
		}
		if i > 0 && from != at {
			return fmt.Errorf("ban %v: direction %d does not begin where the one before ends", path, i)
		}
		at = to
	}
	b.bans = append(b.bans, slices.Clone(path))
	return nil
}

// Graph makes the graph and marks its largest strongly connected component. It fails when there
// is more than the file format can number. Bans that nobody could break are left out, double ones kept once.
func (b *Builder) Graph() (*Graph, error) {
	if len(b.nodes) >= math.MaxUint32 || len(b.segs) >= reversed {
		return nil, errors.New("make road graph: too many nodes or segments")
	}
	g := &Graph{nodes: b.nodes, names: []Names{{}}}
	index := map[Names]uint32{{}: 0}
	g.first = make([]uint32, len(b.nodes)+1)
	for i := range b.segs {
		s := &b.segs[i]
		name, ok := index[s.Names]
		if !ok {
			name = uint32(len(g.names))
			index[s.Names] = name
			g.names = append(g.names, s.Names)
		}
		metres, at := 0., b.nodes[s.From]
		for _, p := range s.Between {
			metres += geo.Distance(at, p)
			at = p
		}
		metres += geo.Distance(at, b.nodes[s.To])
		g.segs = append(g.segs, segment{a: uint32(s.From), b: uint32(s.To), metres: float32(metres),
			name: name, way: s.Way, class: s.Class})
		g.shapeFirst = append(g.shapeFirst, uint32(len(g.shapes)))
		g.shapes = append(g.shapes, s.Between...)
		if s.Forward > 0 {
			g.first[s.From+1]++
		}
		if s.Backward > 0 {
			g.first[s.To+1]++
		}
	}
	if len(g.shapes) >= math.MaxUint32 {
		return nil, errors.New("make road graph: too many bends")
	}
	g.shapeFirst = append(g.shapeFirst, uint32(len(g.shapes)))
	for i := range b.nodes {
		g.first[i+1] += g.first[i]
	}
	g.edges = make([]edge, g.first[len(b.nodes)])
	g.flags = make([]Flags, len(g.edges))
	next := append([]uint32(nil), g.first...)
	put := func(from, to NodeID, seg uint32, seconds float64, flags Flags) {
		if seconds <= 0 {
			return
		}
		// A positive time stays positive: routing divides by it.
		g.edges[next[from]] = edge{uint32(to), seg, float32(math.Max(seconds, 1e-3))}
		g.flags[next[from]] = flags
		next[from]++
	}
	for i := range b.segs {
		s := &b.segs[i]
		put(s.From, s.To, uint32(i), s.Forward, s.Flags|s.ForwardFlags)
		put(s.To, s.From, uint32(i)|reversed, s.Backward, s.Flags|s.BackwardFlags)
	}
	g.core = largestComponent(g)
	g.index()
	g.bans = g.edgesOf(b.bans)
	return g, nil
}

// edgesOf says bans in edges, sorted.
func (g *Graph) edgesOf(bans [][]Drive) [][]EdgeID {
	var out [][]EdgeID
next:
	for _, path := range bans {
		ban := make([]EdgeID, len(path))
		for i, d := range path {
			side := 0
			if d.Backward {
				side = 1
			}
			if ban[i] = EdgeID(g.of[d.Segment][side]); ban[i] == noEdge {
				continue next
			}
		}
		out = append(out, ban)
	}
	slices.SortFunc(out, slices.Compare)
	return slices.CompactFunc(out, slices.Equal)
}

// largestComponent marks the nodes of the largest strongly connected component of what may be driven
// without going against a one-way street (Tarjan, with a stack of its own: a chain of a million
// junctions must not grow the goroutine's).
func largestComponent(g *Graph) []bool {
	n := len(g.nodes)
	const unseen = math.MaxUint32
	order, low, next := make([]uint32, n), make([]uint32, n), make([]uint32, n)
	component := make([]uint32, n)
	for i := range order {
		order[i], component[i] = unseen, unseen
	}
	var stack, path []uint32
	var sizes []int
	seen := uint32(0)
	for root := range n {
		if order[root] != unseen {
			continue
		}
		path = append(path[:0], uint32(root))
		for len(path) > 0 {
			u := path[len(path)-1]
			if order[u] == unseen {
				order[u], low[u], next[u] = seen, seen, g.first[u]
				seen++
				stack = append(stack, u)
			}
			descended := false
			for next[u] < g.first[u+1] {
				i := next[u]
				v := g.edges[i].to
				next[u]++
				if g.flags[i]&Against != 0 {
					continue
				}
				if order[v] == unseen {
					path = append(path, v)
					descended = true
					break
				}
				if component[v] == unseen {
					low[u] = min(low[u], order[v])
				}
			}
			if descended {
				continue
			}
			path = path[:len(path)-1]
			if len(path) > 0 {
				p := path[len(path)-1]
				low[p] = min(low[p], low[u])
			}
			if low[u] == order[u] {
				size := 0
				for {
					v := stack[len(stack)-1]
					stack = stack[:len(stack)-1]
					component[v] = uint32(len(sizes))
					size++
					if v == u {
						break
					}
				}
				sizes = append(sizes, size)
			}
		}
	}
	best := 0
	for i, s := range sizes {
		if s > sizes[best] {
			best = i
		}
	}
	core := make([]bool, n)
	for i := range core {
		core[i] = component[i] == uint32(best)
	}
	return core
}
