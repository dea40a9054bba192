package roads

import (
	"math"
	"runtime"
	"slices"

	"rasad/geo"
)

// A network is the turn-expanded graph: its nodes, here called states, are the edges of the
// graph, and an arc says that one may be driven after the other. A label on a state is a time
// "at the head of the edge, having driven it", so what a turn costs and whether it is forbidden
// is a matter of one arc. A ban over several streets ("not from a over b into c") needs the
// memory of a longer past: such pasts are states of their own, copies of their last edge, found
// by the automaton of all forbidden sequences (Aho and Corasick 1975).
//
// It has nothing of a profile in it and is shared by all routers of a graph.
type network struct {
	g      *Graph
	copyOf []uint32            // the edges of the states from EdgeCount on
	copies map[uint32][]uint32 // by edge: its copies

	outFirst []uint32 // by state, one more
	outs     []arc    // to where
	inFirst  []uint32
	ins      []arc // from where

	// pool keeps scratch for as many searches as there are processors. The garbage collector would empty a sync.Pool, and
	// the next search would take milliseconds.
	pool chan *scratch
}

// arc is the state at the other end and, in the highest bits, the kind: its turn class, whether
// signs forbid it and whether it passes a gate.
type arc uint32

const (
	arcShift  = 27
	arcKinds  = 1 << (32 - arcShift)
	arcClass  = 1<<3 - 1 // of a kind
	arcBanned = 1 << 3
	arcGate   = 1 << 4
	stateMax  = 1 << arcShift
)

func (a arc) state() uint32 { return uint32(a) & (stateMax - 1) }
func (a arc) kind() uint32  { return uint32(a) >> arcShift }

func (n *network) states() int { return len(n.g.edges) + len(n.copyOf) }

// edge is the edge of a state.
func (n *network) edge(state uint32) uint32 {
	if e := len(n.g.edges); int(state) >= e {
		return n.copyOf[int(state)-e]
	}
	return state
}

// past is a node of the automaton: a beginning of forbidden sequences.
type past struct {
	edges []uint32
	next  map[uint32]int
	state uint32 // whoever drove edges and no longer past is here
	full  bool   // a forbidden sequence ends here
}

func newNetwork(g *Graph) *network {
	n := &network{g: g, copies: map[uint32][]uint32{}, pool: make(chan *scratch, runtime.GOMAXPROCS(0))}
	// pasts[0] is the empty one; at says where a state's past is, for those that have one.
	pasts, at := []past{{next: map[uint32]int{}}}, map[uint32]int{}
	for _, ban := range g.bans {
		p := 0
		for i, id := range ban {
			e := uint32(id)
			q, ok := pasts[p].next[e]
			if !ok {
				q = len(pasts)
				pasts[p].next[e] = q
				pasts = append(pasts, past{edges: append(slices.Clone(pasts[p].edges), e), next: map[uint32]int{}, state: e})
			}
			pasts[q].full = pasts[q].full || i == len(ban)-1
			p = q
		}
	}
	for i := 1; i < len(pasts); i++ {
		p := &pasts[i]
		if p.full {
			continue
		}
		if e := p.state; len(p.edges) > 1 {
			p.state = uint32(n.states())
			n.copyOf = append(n.copyOf, e)
			n.copies[e] = append(n.copies[e], p.state)
		}
		at[p.state] = i
	}
	// step is where e leads from a state, and whether it completes a forbidden sequence: the
	// longest end of the past and e that begins one.
	step := func(s, e uint32) (to uint32, banned bool) {
		to = e
		p, ok := at[s]
		if !ok {
			return to, false
		}
		before := pasts[p].edges
		for i := len(before) - 1; i >= 0; i-- {
			q, ok := 0, true
			for _, x := range before[i:] {
				if q, ok = pasts[q].next[x]; !ok {
					break
				}
			}
			if ok {
				q, ok = pasts[q].next[e]
			}
			if ok && pasts[q].full {
				banned = true
			} else if ok {
				to = pasts[q].state
			}
		}
		return to, banned
	}

	turn := newTurner(g)
	n.outFirst = make([]uint32, n.states()+1)
	n.inFirst = make([]uint32, n.states()+1)
	n.outs = make([]arc, 0, 3*n.states())
	for s := range uint32(n.states()) {
		n.outFirst[s] = uint32(len(n.outs))
		e := n.edge(s)
		via := g.edges[e].to
		for f := g.first[via]; f < g.first[via+1]; f++ {
			to, banned := step(s, f)
			class := turn.class(e, f)
			kind := uint32(class)
			if banned {
				kind |= arcBanned
			}
			if g.flags[e]&Gate != 0 && class != UTurn {
				kind |= arcGate
			}
			n.outs = append(n.outs, arc(to|kind<<arcShift))
			n.inFirst[to+1]++
		}
	}
	n.outFirst[n.states()] = uint32(len(n.outs))
	for s := range n.states() {
		n.inFirst[s+1] += n.inFirst[s]
	}
	n.ins = make([]arc, len(n.outs))
	next := slices.Clone(n.inFirst)
	for s := range uint32(n.states()) {
		for _, a := range n.outs[n.outFirst[s]:n.outFirst[s+1]] {
			n.ins[next[a.state()]] = arc(s | a.kind()<<arcShift)
			next[a.state()]++
		}
	}
	return n
}

// turner tells the class of a turn from the lines of the edges.
type turner struct {
	g       *Graph
	out, in []float32 // by edge: the way it leaves its tail and arrives at its head, degrees from north
	streets []uint8   // by node: the ends of segments there, at most 3
}

// lookMetres is how far along an edge its direction is taken: the first metres of a mapped
// junction say more about the mapper than about the turn.
const lookMetres = 12

func newTurner(g *Graph) *turner {
	t := &turner{g, make([]float32, len(g.edges)), make([]float32, len(g.edges)), make([]uint8, len(g.nodes))}
	type ends struct{ a, b float32 } // the way a segment leaves either end
	leave := make([]ends, len(g.segs))
	for i := range g.segs {
		s := &g.segs[i]
		between := g.shapes[g.shapeFirst[i]:g.shapeFirst[i+1]]
		n := len(between) + 2
		point := func(k int) geo.LngLat {
			switch k {
			case 0:
				return g.nodes[s.a]
			case n - 1:
				return g.nodes[s.b]
			}
			return between[k-1]
		}
		leave[i].a = look(n, point)
		leave[i].b = look(n, func(k int) geo.LngLat { return point(n - 1 - k) })
		for _, v := range [...]uint32{s.a, s.b} {
			t.streets[v] = min(t.streets[v]+1, 3)
		}
	}
	for e := range g.edges {
		l := leave[g.edges[e].seg&^reversed]
		if g.edges[e].seg&reversed != 0 {
			l.a, l.b = l.b, l.a
		}
		t.out[e], t.in[e] = l.a, l.b+180
	}
	return t
}

// look is the direction of a line at its beginning.
func look(n int, point func(int) geo.LngLat) float32 {
	from := point(0)
	east := math.Cos(float64(from.Lat) * radPerE7)
	var x, y float64
	for k := 1; k < n; k++ {
		p := point(k)
		x, y = float64(p.Lng-from.Lng)*east, float64(p.Lat-from.Lat)
		if math.Hypot(x, y)*radPerE7*earthRadiusM >= lookMetres {
			break
		}
	}
	return float32(math.Atan2(x, y) * 180 / math.Pi)
}

func (t *turner) class(from, to uint32) TurnClass {
	if t.g.edges[from].seg^t.g.edges[to].seg == reversed {
		return UTurn
	}
	if t.streets[t.g.edges[from].to] == 2 {
		return Straight // a bend is no turn
	}
	angle := math.Mod(float64(t.out[to]-t.in[from])+900, 360) - 180 // to the right
	switch a := math.Abs(angle); {
	case a < 20:
		return Straight
	case a < 50:
		return Slight
	case a < 130 && angle < 0:
		return Left
	case a < 130:
		return Right
	case angle < 0:
		return SharpLeft
	}
	return SharpRight
}
