// # Times
//
// A [Router] answers how long it takes, exactly: as a plain Dijkstra over the same graph would, to the millisecond.
//
// The model. What is labelled is not a junction but a directed edge: a time at its head, having driven it. From one
// edge to the next leads an arc that costs the turn and then the edge, so that a turn may cost seconds by its angle, be
// forbidden (over several streets too) or pass a gate. A [Profile] makes these times from a small table; a [Change]
// closes an edge or slows it. A place beside the road is tied to the one or two directions of the road beside it, by a
// share of their length and the way on foot.
//
// Two searches, both exact. Near things are found by a Dijkstra with buckets that ends where the question does:
// [Router.Within], and [Fleet.Nearest] where units are dense. Far things are found over a customizable contraction
// hierarchy: [Router.Time], [Router.ToOne], [Router.Path], and Nearest where few units match. Its order
// comes from the lay of the streets alone and is made when the city is built ([Hierarchy]); the times of a profile are
// put into it in one pass over its triangles, and a closure only follows the arcs that it was a best way for. So
// closures and speeds never rebuild anything.
//
// Sources: Dibbelt, Strasser and Wagner, Customizable Contraction Hierarchies (2016), for order, triangles and the
// elimination tree; Buchhold, Wagner, Zeitz and Zündorf, Customizable Contraction Hierarchies with Turn Costs (2020), for
// cutting edges rather than nodes; Schild and Sommer, On Balanced Separators in Road Networks (2015), inertial
// flow; Delling, Goldberg, Nowatzyk and Werneck, PHAST (2011), with Strasser and Zeitz, A Fast and Tight
// Heuristic for A* in Road Networks (2021), for many-to-one only where it is asked for. Considered and left: a contraction
// hierarchy proper (each closure would build it anew), customizable route planning by cells (more code, and
// slower on graphs of this size).
//
// What it costs, where n is the number of edges. The arcs of the hierarchy are about 8 n and its triangles 44 n on
// Delaware (n = 191,000); they grow a little faster than n, as the widest cuts do. Customizing goes through the triangles;
// the time between two places through some thousand arcs, whatever lies between them. A search costs what it
// visits, whatever n is. Milliseconds of a processor, Delaware and ten of it side by side: time between two places 0.05 and
// 0.09, fifty to one 0.4 and 1.2, what is within 8 minutes 0.8 and 1.0, a bridge that closes 4 and 31 (most of it
// copying 8 bytes an arc). The benchmarks (-tags bench) print them.
package roads

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"rasad/geo"
)

// A Router knows how long it takes to drive on a graph, for some profiles, with the closures and speeds
// of one moment. It never changes, so any number of goroutines may use it at once; [Router.With] makes
// the one of another moment.
type Router struct {
	net      *network
	h        *hierarchy
	profiles []Profile
	free     []metric // by profile: without any change
	now      []metric // by profile
	changes  []Change // merged
}

// metric is what one profile makes of a network.
type metric struct {
	weight   []uint32 // by state: the time to drive its edge
	turn     [arcKinds]uint32
	approach float64 // m/s
	fastest  float64 // metres in a millisecond: on no edge is it faster
	times    *times
}

// hasten sees to it that no edge is faster than the fastest.
func (m *metric) hasten(g *Graph, e EdgeID) {
	if w := m.weight[e]; w < never {
		m.fastest = max(m.fastest, float64(g.segs[g.edges[e].seg&^reversed].metres)/float64(w))
	}
}

// What a [Router] cannot tie to the roads.
var (
	ErrNoRoad = errors.New("no road that this vehicle may drive lies near")
	ErrIsland = errors.New("the nearest road hangs together with no other part of the city")
)

// NewRouter makes the router of a graph without closures. It fails when there is no profile, when two have
// one name, or when one has no speed between road and place.
func NewRouter(g *Graph, profiles []Profile) (*Router, error) {
	if len(profiles) == 0 {
		return nil, errors.New("make router: no profile")
	}
	for i, p := range profiles {
		if slices.ContainsFunc(profiles[:i], func(q Profile) bool { return q.Name == p.Name }) {
			return nil, fmt.Errorf("make router: two profiles are called %q", p.Name)
		}
		if !(p.Approach > 0) {
			return nil, fmt.Errorf("make router: profile %q: approach at %g m/s", p.Name, p.Approach)
		}
	}
	n := newNetwork(g)
	if n.states() > stateMax {
		return nil, fmt.Errorf("make router: %d edges, at most %d", n.states(), stateMax)
	}
	order := n.storedOrder()
	if order == nil {
		order = n.order()
	}
	r := &Router{net: n, h: newHierarchy(n, order), profiles: slices.Clone(profiles), free: make([]metric, len(profiles))}
	r.each(func(p int) {
		r.free[p] = metric{weight: make([]uint32, n.states()), turn: profiles[p].turns(), approach: profiles[p].Approach}
		for s := range r.free[p].weight {
			r.free[p].weight[s] = profiles[p].weight(g, EdgeID(n.edge(uint32(s))))
		}
		for e := range g.edges {
			r.free[p].hasten(g, EdgeID(e))
		}
		r.free[p].times = r.h.customize(n, &r.free[p])
	})
	r.now = r.free
	return r, nil
}

// each does something for every profile, at the same time.
func (r *Router) each(do func(p int)) {
	var wg sync.WaitGroup
	for p := range r.profiles {
		wg.Go(func() { do(p) })
	}
	wg.Wait()
}

// followOneIn is the share of states that may change and still be followed arc by arc; from there on all arcs anew
// cost less. Delaware, processor time: 191 edges closed by a flood 4 ms, 1,900 25 ms, 9,600 190 ms; all anew 100 ms.
const followOneIn = 40

// With is the router under changes, all of them: they are relative to the graph, not to r. Of two changes
// of an edge the one with the smaller factor counts.
func (r *Router) With(changes []Change) *Router {
	to := &Router{net: r.net, h: r.h, profiles: r.profiles, free: r.free, now: r.free, changes: merge(changes, len(r.net.g.edges))}
	if len(to.changes) == 0 {
		return to
	}
	edges := differing(r.changes, to.changes)
	if len(edges) == 0 {
		to.now = r.now
		return to
	}
	var states []uint32
	for _, e := range edges {
		states = append(append(states, uint32(e)), r.net.copies[uint32(e)]...)
	}
	to.now = make([]metric, len(r.now))
	to.each(func(p int) {
		m := r.now[p]
		m.weight = slices.Clone(r.now[p].weight)
		for _, s := range states {
			m.weight[s] = r.free[p].weight[s]
		}
		for _, c := range to.changes {
			w := scaled(r.free[p].weight[c.Edge], c.Factor)
			m.weight[c.Edge] = w
			m.hasten(r.net.g, c.Edge)
			for _, s := range r.net.copies[uint32(c.Edge)] {
				m.weight[s] = w
			}
		}
		if len(states) < r.net.states()/followOneIn {
			m.times = r.h.recustomize(r.net, &m, r.now[p].times, states)
		} else {
			m.times = r.h.customize(r.net, &m)
		}
		to.now[p] = m
	})
	return to
}

// Graph is the graph of the router.
func (r *Router) Graph() *Graph { return r.net.g }

// Profile is the number of a profile, if there is one of that name.
func (r *Router) Profile(name string) (ProfileID, bool) {
	i := slices.IndexFunc(r.profiles, func(p Profile) bool { return p.Name == name })
	return ProfileID(i), i >= 0
}

// Stop is a place tied to the roads.
type Stop struct {
	At geo.LngLat
	On []OnEdge // by which edges it is left, or reached
}

// stopMetres is how far from a road a place may lie and still be one to drive to.
const stopMetres = 1000

// Stop ties a place to the open roads of a profile. Heading, in degrees, is which way a vehicle faces there, NaN
// when that is unknown or nothing. The error is [ErrNoRoad] when there is no road within a kilometre, and
// [ErrIsland] when the nearest one is an island; then the stop is good for others on the same island.
func (r *Router) Stop(p ProfileID, at geo.LngLat, heading float64) (Stop, error) {
	weight := r.now[p].weight
	s := Stop{at, r.net.g.Snap(at, heading, stopMetres, func(e EdgeID) bool { return weight[e] < never })}
	switch {
	case len(s.On) == 0:
		return s, ErrNoRoad
	case r.net.g.Island(s.On[0].Edge):
		return s, ErrIsland
	}
	return s, nil
}

// part is the time to drive the first share of an edge.
func part(weight uint32, along float64) uint32 {
	if weight >= never {
		return never
	}
	return uint32(float64(weight)*min(max(along, 0), 1) + 0.5)
}

// exits goes through the ways to leave a stop: where it lies on an edge, and the time to the head of that.
func (m *metric) exits(s Stop, exit func(on OnEdge, cost uint32)) {
	for _, on := range s.On {
		if w := m.weight[on.Edge]; w < never {
			exit(on, min(never, m.aside(on)+w-part(w, on.Along)))
		}
	}
}

// aside is the time between the road and a place beside it.
func (m *metric) aside(on OnEdge) uint32 {
	if !(on.Metres > 0) {
		return 0
	}
	return millis(on.Metres / m.approach)
}

// straight is the time between two stops that lie on one edge, one after the other, and where they lie.
func (m *metric) straight(from, to Stop) (first, last OnEdge, cost uint32) {
	cost = never
	for _, a := range from.On {
		for _, b := range to.On {
			if w := m.weight[a.Edge]; a.Edge == b.Edge && a.Along <= b.Along && w < never {
				c := min(never, m.aside(a)+m.aside(b)) + part(w, b.Along) - part(w, a.Along)
				if c < cost {
					first, last, cost = a, b, c
				}
			}
		}
	}
	return first, last, cost
}

// entry is a way to reach a stop: from the head of a state, by an arc.
type entry struct {
	from uint32
	on   uint32 // index in Stop.On
	cost uint32 // from there, with the turn
}

// entries goes through the ways to reach a stop. The edge it lies on is not labelled itself: whoever
// is at its head, or began behind the stop, has to come round to its tail.
func (n *network) entries(m *metric, to Stop, entries []entry) []entry {
	entries = entries[:0]
	for i, on := range to.On {
		e := uint32(on.Edge)
		if m.weight[e] >= never {
			continue
		}
		last := min(never, part(m.weight[e], on.Along)+m.aside(on))
		into := func(state uint32) {
			for _, a := range n.ins[n.inFirst[state]:n.inFirst[state+1]] {
				if c := last + m.turn[a.kind()]; c < never {
					entries = append(entries, entry{a.state(), uint32(i), c})
				}
			}
		}
		into(e)
		for _, c := range n.copies[e] {
			into(c)
		}
	}
	return entries
}

// toward is how long it takes from everywhere to one stop: worked out over the hierarchy as it is asked for.
type toward struct {
	r  *Router
	m  *metric
	s  *scratch
	to Stop
}

func (r *Router) toward(p ProfileID, to Stop) toward {
	t := toward{r, &r.now[p], r.net.scratch(), to}
	t.s.entries = r.net.entries(t.m, to, t.s.entries)
	r.h.target(t.s, t.m.times, t.s.entries)
	return t
}

func (t *toward) done() { t.r.net.release(t.s) }

// head is the time from the head of a state.
func (t *toward) head(state uint32) uint32 { return t.r.h.to(t.s, t.m.times, state) }

// from is the time from a stop.
func (t *toward) from(from Stop) uint32 {
	_, _, best := t.m.straight(from, t.to)
	t.m.exits(from, func(on OnEdge, cost uint32) { best = min(best, cost+t.head(uint32(on.Edge))) })
	return best
}

// Time is how long the fastest way takes. It is false when there is none.
func (r *Router) Time(p ProfileID, from, to Stop) (Cost, bool) {
	t := r.toward(p, to)
	defer t.done()
	c := out(t.from(from))
	return c, c != Unreached
}

// ToOne sets each of costs to what the fastest way from the stop of the same index takes, [Unreached] when there is
// none. It panics when there are fewer costs than stops.
func (r *Router) ToOne(p ProfileID, to Stop, from []Stop, costs []Cost) {
	costs = costs[:len(from)]
	t := r.toward(p, to)
	defer t.done()
	for i := range from {
		costs[i] = out(t.from(from[i]))
	}
}

// Within visits every edge that can be entered within budget, with the times at which one is at its tail and at its
// head, the least there are. The edges that the stop lies on come first: of these only the part ahead of the stop is
// driven, and enter is when the vehicle is on the road; one that can be entered at its tail as well comes
// again. The others come in no certain order, each once. What it costs grows with what it visits.
func (r *Router) Within(p ProfileID, from Stop, budget Cost, visit func(e EdgeID, enter, leave Cost)) {
	n, m, most := r.net, &r.now[p], uint32(min(budget, never-1))
	s := n.scratch()
	defer n.release(s)
	for _, on := range from.On {
		w, enter := m.weight[on.Edge], m.aside(on)
		if w >= never || enter > most {
			continue
		}
		leave := min(never, enter+w-part(w, on.Along))
		visit(on.Edge, Cost(enter), out(leave))
		n.leave(s, m, uint32(on.Edge), leave, most)
	}
	n.forward(s, m, most)
	for _, state := range s.reach {
		cost, e := s.labels[state].cost, n.edge(state)
		if copies := n.copies[e]; len(copies) > 0 {
			first := state // of those that were reached the first stands for all
			if c := s.cost(e); c < never {
				first, cost = e, min(cost, c)
			}
			for _, c := range copies {
				if s.cost(c) < never {
					first, cost = min(first, c), min(cost, s.cost(c))
				}
			}
			if first != state {
				continue
			}
		}
		visit(EdgeID(e), Cost(cost-m.weight[e]), Cost(cost))
	}
}
