package roads

import "rasad/geo"

// Path is a fastest way between two stops.
type Path struct {
	Edges  []EdgeID     // in driving order; the first and the last are driven in part
	Line   []geo.LngLat // on the road, from beside the one stop to beside the other
	Metres float64      // of Line
	Cost   Cost         // with the way between road and place at either end

	legs []leg // by edge
}

// leg is what an edge adds to a path.
type leg struct{ metres, seconds float64 }

// Step is a stretch of a path along one street.
type Step struct {
	Name            string // empty where the street has none
	Metres, Seconds float64
}

// Path finds the fastest way between two stops; of several as fast as each other, always the same one. It is false
// when there is none.
//
// No shortcut is unpacked. It goes from edge to edge and asks each next one how long it is from there: the
// fastest way leads on where turn, edge and rest make up the time that is left. The neighbours of
// an edge share nearly all that has to be worked out for that.
func (r *Router) Path(p ProfileID, from, to Stop) (Path, bool) {
	t := r.toward(p, to)
	defer t.done()
	m, g := t.m, r.net.g
	first, last, best := m.straight(from, to)
	direct := true
	m.exits(from, func(on OnEdge, cost uint32) {
		if c := cost + t.head(uint32(on.Edge)); c < best {
			first, best, direct = on, c, false
		}
	})
	if best >= never {
		return Path{}, false
	}
	path := Path{Cost: Cost(best)}
	weight := m.weight[first.Edge]
	if direct {
		path.drive(g, first.Edge, first.Along, last.Along, part(weight, last.Along)-part(weight, first.Along))
		return path, true
	}
	path.drive(g, first.Edge, first.Along, 1, weight-part(weight, first.Along))
	state := uint32(first.Edge)
drive:
	for {
		left := t.head(state)
		for _, e := range t.s.entries {
			if e.from == state && e.cost == left {
				last = to.On[e.on]
				path.drive(g, last.Edge, 0, last.Along, left-m.aside(last))
				return path, true
			}
		}
		for _, a := range r.net.outs[r.net.outFirst[state]:r.net.outFirst[state+1]] {
			next := a.state()
			if c := min(never, m.turn[a.kind()]+m.weight[next]); c < never && c+t.head(next) == left {
				path.drive(g, EdgeID(r.net.edge(next)), 0, 1, c)
				state = next
				continue drive
			}
		}
		panic("roads: no edge leads on along a fastest way")
	}
}

// drive adds an edge, from one share of its length to another, and what that takes.
func (p *Path) drive(g *Graph, id EdgeID, from, to float64, cost uint32) {
	line := g.Shape(id)
	length := 0.0
	for i := range line[1:] {
		length += geo.Distance(line[i], line[i+1])
	}
	begin, end, at := from*length, to*length, 0.0
	add := func(q geo.LngLat) {
		if len(p.Line) == 0 || p.Line[len(p.Line)-1] != q {
			p.Line = append(p.Line, q)
		}
	}
	if begin <= 0 {
		add(line[0])
	}
	for i, a := range line[:len(line)-1] {
		b := line[i+1]
		d := geo.Distance(a, b)
		for _, cut := range [...]float64{begin, end} {
			if cut > at && cut < at+d {
				t := (cut - at) / d
				add(geo.LngLat{Lng: between(a.Lng, b.Lng, t), Lat: between(a.Lat, b.Lat, t)})
			}
		}
		if at += d; at >= begin && at <= end {
			add(b)
		}
	}
	metres := max(0, to-from) * float64(g.segs[g.edges[id].seg&^reversed].metres)
	p.Metres += metres
	p.Edges = append(p.Edges, id)
	p.legs = append(p.legs, leg{metres, float64(cost) / 1000})
}

// Steps gives the path street by street, with names for a language as [Graph.Name]. Their seconds are those of
// driving and turning; the rest of the cost is on foot.
func (p *Path) Steps(g *Graph, lang string) []Step {
	var steps []Step
	for i, e := range p.Edges {
		name := g.Name(e, lang)
		if len(steps) == 0 || steps[len(steps)-1].Name != name {
			steps = append(steps, Step{Name: name})
		}
		s := &steps[len(steps)-1]
		s.Metres += p.legs[i].metres
		s.Seconds += p.legs[i].seconds
	}
	return steps
}
