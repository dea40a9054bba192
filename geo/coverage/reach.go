package coverage

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"rasad/geo"
	"rasad/geo/roads"
)

// hit is a cell that a unit reaches, and when.
type hit struct {
	cell int32
	at   roads.Cost
}

// reach is what one unit covers: each cell once, in no order.
type reach struct {
	depth roads.Cost // cells later than this are not in hits
	hits  []hit
	stop  roads.Stop // by road: where the search began
	marks []uint64   // by road: a bit for each block of ground in which the search came to a junction
}

func set(marks []uint64, block uint32) { marks[block/64] |= 1 << (block % 64) }

func meet(a, b []uint64) bool {
	for i := range a {
		if a[i]&b[i] != 0 {
			return true
		}
	}
	return false
}

// blockLevels is how much coarser than cells the blocks are by which a reach remembers which ground it
// saw: some 500 m. A closure recomputes the units that saw its block.
const blockLevels = 1

// streets ties the cells to the roads. All of it but the router stays when roads close: a cell is
// tied to the streets that are there, closed or not, and is reached when its street is.
type streets struct {
	ground       *ground
	tails, heads []uint32 // by edge: the blocks in which it begins and ends
	words        int      // of 64 blocks

	mu      sync.Mutex
	ties    map[roads.ProfileID]*ties
	scratch sync.Pool // *scratch
}

// ties say on which edges the cells lie, for one profile: a cell is on both directions of its street.
type ties struct {
	edges []edge // by edge, one more
	list  []tie
}

// edge is what a search asks of each edge it drives, side by side.
type edge struct {
	first uint32 // of its ties in list
	head  uint32 // the block in which it ends
}

type tie struct {
	cell  int32
	along float64    // 0 at the tail of the edge, 1 at its head
	walk  roads.Cost // from the road to the cell
}

// scratch is what a search writes on. A stamp says which search wrote an entry.
type scratch struct {
	stamp  uint32
	stamps []uint32
	at     []roads.Cost
	seen   []int32
}

// routed is the streets with the closures of one moment.
type routed struct {
	*streets
	router *roads.Router

	mu    sync.Mutex
	posts map[post]*reach // by road, of places that units may be sent to
}

// post is a place and how a unit drives from it.
type post struct {
	at      geo.LngLat
	profile roads.ProfileID
}

// mover is how a unit moves: all that its reach depends on besides its place and heading.
type mover struct {
	profile roads.ProfileID
	line    float64
	off     bool // knows no roads
}

// newStreets sorts the junctions into blocks.
func newStreets(g *ground, graph *roads.Graph) *streets {
	s := &streets{ground: g, tails: make([]uint32, graph.EdgeCount()), heads: make([]uint32, graph.EdgeCount()), ties: map[roads.ProfileID]*ties{}}
	s.scratch.New = func() any {
		return &scratch{stamps: make([]uint32, len(g.weight)), at: make([]roads.Cost, len(g.weight))}
	}
	numbers := map[[2]uint32]uint32{}
	blocks := make([]uint32, graph.NodeCount())
	for n, at := range graph.Nodes() {
		x, y := Square(at, g.demand.Level-blockLevels)
		b, ok := numbers[[2]uint32{x, y}]
		if !ok {
			b = uint32(len(numbers))
			numbers[[2]uint32{x, y}] = b
		}
		blocks[n] = b
	}
	for i := range s.heads {
		e := graph.Edge(roads.EdgeID(i))
		s.tails[i], s.heads[i] = blocks[e.From], blocks[e.To]
	}
	s.words = (len(numbers) + 63) / 64
	return s
}

// tied returns the ties of a profile; they are made when it is first asked about.
func (r *routed) tied(p roads.ProfileID) *ties {
	r.streets.mu.Lock()
	defer r.streets.mu.Unlock()
	if t, ok := r.ties[p]; ok {
		return t
	}
	cells := r.ground.demand.Cells
	stops := make([][]roads.OnEdge, len(cells))
	open := r.router.With(nil)
	each(len(cells), func(i int) {
		stop, _ := open.Stop(p, cells[i].At, math.NaN()) // on an island it is reached from there, without a road never
		stops[i] = stop.On
	})
	next := make([]uint32, len(r.heads)+1)
	for _, on := range stops {
		for _, o := range on {
			next[o.Edge+1]++
		}
	}
	t := &ties{edges: make([]edge, len(next))}
	for e, head := range r.heads {
		next[e+1] += next[e]
		t.edges[e] = edge{next[e], head}
	}
	t.edges[len(r.heads)].first = next[len(r.heads)]
	t.list = make([]tie, next[len(r.heads)])
	for i, on := range stops {
		for _, o := range on {
			t.list[next[o.Edge]] = tie{int32(i), o.Along, open.Aside(p, o.Metres)}
			next[o.Edge]++
		}
	}
	r.ties[p] = t
	return t
}

// search finds what is reached by road within depth.
func (r *routed) search(p roads.ProfileID, from roads.Stop, depth roads.Cost) *reach {
	t := r.tied(p)
	s := r.scratch.Get().(*scratch)
	defer r.scratch.Put(s)
	if s.stamp++; s.stamp == 0 { // wrapped: old stamps could look new
		clear(s.stamps)
		s.stamp = 1
	}
	s.seen = s.seen[:0]
	out := &reach{depth: depth, stop: from, marks: make([]uint64, r.words)}
	for _, on := range from.On {
		set(out.marks, r.tails[on.Edge])
	}
	var begun uint64 // which of from.On
	r.router.Within(p, from, depth, func(e roads.EdgeID, enter, leave roads.Cost) {
		set(out.marks, t.edges[e].head)
		first, end := t.edges[e].first, t.edges[e+1].first
		if first == end {
			return
		}
		// It begins on the way along an edge: what lies behind is reached by driving round, if at all.
		begin := -1
		for i, on := range from.On {
			if on.Edge == e && begun&(1<<i) == 0 {
				begun |= 1 << i
				begin = i
			}
		}
		for _, tie := range t.list[first:end] {
			at := enter + tie.walk
			if begin < 0 {
				at += roads.Cost(float64(leave-enter)*tie.along + 0.5)
			} else if here := from.On[begin].Along; tie.along >= here {
				at += r.router.Drive(p, e, tie.along) - r.router.Drive(p, e, here)
			} else {
				continue
			}
			switch {
			case at > depth:
			case s.stamps[tie.cell] != s.stamp:
				s.stamps[tie.cell], s.at[tie.cell] = s.stamp, at
				s.seen = append(s.seen, tie.cell)
			case at < s.at[tie.cell]:
				s.at[tie.cell] = at
			}
		}
	})
	out.hits = make([]hit, len(s.seen))
	for i, c := range s.seen {
		out.hits[i] = hit{c, s.at[c]}
	}
	return out
}

// unit is a dispatchable unit as a view holds it. What it reaches is computed when someone asks, and
// kept: it belongs to the closures of its view.
type unit struct {
	id uint32
	Unit
	road, line atomic.Pointer[reach]
}

func (u *unit) mover() mover { return mover{u.Profile, u.Line, u.OffRoad} }

// reach returns what the unit reaches by road (or line, or if it knows no roads) in at least depth.
func (u *unit) reach(r *routed, line bool, depth roads.Cost) *reach {
	kept := &u.road
	if line || u.OffRoad {
		kept, line = &u.line, true
	}
	if k := kept.Load(); k != nil && k.depth >= depth {
		return k
	}
	found := r.reach(&u.Unit, line, depth)
	kept.Store(found)
	return found
}

func (r *routed) reach(u *Unit, line bool, depth roads.Cost) *reach {
	if line || u.OffRoad {
		return &reach{depth: depth, hits: r.ground.byLine(u.At, u.Line, depth)}
	}
	stop, _ := r.router.Stop(u.Profile, u.At, u.Heading) // on an island it reaches the island, without a road nothing
	return r.search(u.Profile, stop, depth)
}

// each runs f for 0..n-1 on all processors and waits.
func each(n int, f func(i int)) {
	if n == 1 {
		f(0)
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; int(i) < n; i = next.Add(1) - 1 {
				f(int(i))
			}
		})
	}
	wg.Wait()
}
