package coverage

import (
	"errors"
	"math"

	"rasad/geo"
	"rasad/geo/roads"
)

// naive is a router of the simplest kind, for tests.
type naive struct {
	g      *roads.Graph
	closed []RoadChange
	factor map[EdgeID]float64
}

func newNaive(g *roads.Graph, closed []RoadChange) *naive {
	n := &naive{g, closed, map[EdgeID]float64{}}
	for _, c := range closed {
		n.factor[c.Edge] = c.Factor
	}
	return n
}

func (n *naive) Graph() *roads.Graph        { return n.g }
func (n *naive) Changes() []RoadChange      { return n.closed }
func (n *naive) Approach(ProfileID) float64 { return 2 }

func (n *naive) Stop(p ProfileID, at geo.LngLat, heading float64) (Stop, error) {
	on := n.g.Snap(at, heading, 300, nil)
	if len(on) == 0 {
		return Stop{}, errors.New("no road")
	}
	return Stop{at, on}, nil
}

func (n *naive) cost(p ProfileID, e EdgeID) float64 {
	c := math.Round(n.g.Edge(e).Seconds * 1000 * (1 + float64(p)/2))
	if f, ok := n.factor[e]; ok {
		if f == 0 {
			return math.Inf(1)
		}
		c = math.Round(c / f)
	}
	return c
}

// heads gives the time at the head of each edge, driven to its end.
func (n *naive) heads(p ProfileID, from Stop) (enter, leave []float64) {
	enter, leave = make([]float64, n.g.EdgeCount()), make([]float64, n.g.EdgeCount())
	at := make([]float64, n.g.NodeCount())
	for i := range at {
		at[i] = math.Inf(1)
	}
	for _, on := range from.On {
		e := n.g.Edge(on.Edge)
		at[e.To] = min(at[e.To], math.Round(on.Metres/2*1000)+n.cost(p, on.Edge)-math.Round(n.cost(p, on.Edge)*on.Along))
	}
	for again := true; again; {
		again = false
		for i := range enter {
			e := n.g.Edge(EdgeID(i))
			if t := at[e.From] + n.cost(p, e.ID); t < at[e.To] {
				at[e.To], again = t, true
			}
		}
	}
	for i := range enter {
		e := n.g.Edge(EdgeID(i))
		enter[i] = at[e.From]
		leave[i] = enter[i] + n.cost(p, e.ID)
	}
	return enter, leave
}

func (n *naive) Time(p ProfileID, from, to Stop) (Cost, bool) {
	enter, leave := n.heads(p, from)
	best := math.Inf(1)
	for _, b := range to.On {
		walk := math.Round(b.Metres / 2 * 1000)
		if !math.IsInf(leave[b.Edge], 1) {
			best = min(best, enter[b.Edge]+math.Round((leave[b.Edge]-enter[b.Edge])*b.Along)+walk)
		}
		for _, a := range from.On {
			if a.Edge == b.Edge && b.Along >= a.Along && !math.IsInf(n.cost(p, a.Edge), 1) {
				best = min(best, math.Round(a.Metres/2*1000)+math.Round(n.cost(p, a.Edge)*(b.Along-a.Along))+walk)
			}
		}
	}
	return Cost(min(best, math.MaxUint32)), !math.IsInf(best, 1)
}

func (n *naive) Within(p ProfileID, from Stop, budget Cost, visit func(e EdgeID, enter, leave Cost)) {
	for _, on := range from.On {
		walk, w := math.Round(on.Metres/2*1000), n.cost(p, on.Edge)
		if walk <= float64(budget) && !math.IsInf(w, 1) {
			visit(on.Edge, Cost(walk), Cost(walk+w-math.Round(w*on.Along)))
		}
	}
	enter, leave := n.heads(p, from)
	for e := range enter {
		if enter[e] <= float64(budget) && !math.IsInf(leave[e], 1) {
			visit(EdgeID(e), Cost(enter[e]), Cost(leave[e]))
		}
	}
}
