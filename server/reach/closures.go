package reach

import (
	"cmp"
	"math"
	"slices"
	"time"

	"rasad/geo"
	"rasad/geo/roads"
)

// hazard is what the driver keeps of one that lies on roads.
type hazard struct {
	shape  *geo.Shape
	factor float64 // of the speed; 0 closed, 1 none of its business
	edges  []roads.EdgeID
}

// factorOf says what a hazard does to the roads in it now: 0 closes them, 1 leaves
// them alone.
func factorOf(f *geo.Feature) float64 {
	if !f.Props.Bool("active") || f.Shape == nil {
		return 1
	}
	if f.Props.Bool("impassable") {
		return 0
	}
	if v, ok := f.Props.Number("speed_factor"); ok && v > 0 && v < 1 {
		return v
	}
	return 1
}

// hazard works in a hazard as it is now. It reports whether that changes the roads.
func (w *wheel) hazard(f *geo.Feature) bool {
	old := w.hazards[f.ID]
	factor := factorOf(f)
	if old == nil && factor == 1 {
		return false
	}
	now := &hazard{shape: f.Shape, factor: factor}
	switch {
	case factor == 1: // it may come back with the same shape, but that is rare
	case old != nil && sameShape(old.shape, f.Shape) && old.edges != nil:
		now.edges = old.edges
	default:
		now.edges = w.Router.Graph().Touching(f.Shape)
	}
	if factor == 1 {
		delete(w.hazards, f.ID)
	} else {
		w.hazards[f.ID] = now
	}
	was := old != nil && len(old.edges) > 0
	is := len(now.edges) > 0
	return was != is || was && (old.factor != factor || !slices.Equal(old.edges, now.edges))
}

func sameShape(a, b *geo.Shape) bool {
	return a == b || a.Type == b.Type && slices.Equal(a.Points, b.Points) && slices.Equal(a.Ends, b.Ends) && slices.Equal(a.Parts, b.Parts)
}

// reroute makes a router of all hazards together: of several on a road, the least
// factor counts. Units near what opened or closed are tied to the roads again.
func (w *wheel) reroute(changed map[geo.ID]placed) {
	start := time.Now()
	least := map[roads.EdgeID]float64{}
	for _, h := range w.hazards {
		for _, e := range h.edges {
			if f, ok := least[e]; !ok || h.factor < f {
				least[e] = h.factor
			}
		}
	}
	before := w.changes
	w.changes = make([]roads.Change, 0, len(least))
	closed := 0
	for e, f := range least {
		w.changes = append(w.changes, roads.Change{Edge: e, Factor: f})
		if f == 0 {
			closed++
		}
	}
	slices.SortFunc(w.changes, func(a, b roads.Change) int { return cmp.Compare(a.Edge, b.Edge) })
	w.router = w.router.With(w.changes)
	near := w.near(before, w.changes)
	for id, u := range w.units {
		if was := u.standing; was >= aside && near(u.fix.At) {
			w.tie(id, u)
			w.lists = w.lists || u.standing != was
			changed[id] = u.placed()
		}
	}
	w.metrics.edges.WithLabelValues("closed").Set(float64(closed))
	w.metrics.edges.WithLabelValues("slowed").Set(float64(len(least) - closed))
	w.metrics.closures.Set(float64(len(w.hazards)))
	w.metrics.step.WithLabelValues("closures").Observe(time.Since(start).Seconds())
}

// nearE7 is more than a stop can lie from its road, in 1e-7 degrees of latitude: a
// kilometre is 90,000.
const nearE7 = 100_000

// near returns a test for places whose stop may be another one, because a road near
// them was closed or opened.
func (w *wheel) near(before, now []roads.Change) func(geo.LngLat) bool {
	shut := func(list []roads.Change) map[roads.EdgeID]bool {
		m := map[roads.EdgeID]bool{}
		for _, c := range list {
			if c.Factor == 0 {
				m[c.Edge] = true
			}
		}
		return m
	}
	// Boxes of a hundredth of a degree or two: a closure is small, or everywhere.
	cells := map[[2]int32]bool{}
	graph := w.Router.Graph()
	cell := func(p geo.LngLat) [2]int32 { return [2]int32{p.Lng / nearE7, p.Lat / nearE7} }
	mark := func(a, b map[roads.EdgeID]bool) {
		for e := range a {
			if b[e] {
				continue
			}
			line := graph.Shape(e)
			for i, p := range line[1:] {
				q := line[i]
				n := max(1, (max(abs(p.Lng-q.Lng), abs(p.Lat-q.Lat))+nearE7-1)/nearE7)
				for k := range n + 1 {
					cells[cell(geo.LngLat{Lng: q.Lng + (p.Lng-q.Lng)/n*k, Lat: q.Lat + (p.Lat-q.Lat)/n*k})] = true
				}
			}
		}
	}
	x, y := shut(before), shut(now)
	mark(x, y)
	mark(y, x)
	return func(p geo.LngLat) bool {
		c := cell(p)
		_, lat := p.Degrees()
		wide := int32(min(8, math.Ceil(1/max(math.Cos(lat*math.Pi/180), 0.1)))) // a degree of longitude is shorter
		for dy := int32(-1); dy <= 1; dy++ {
			for dx := -wide; dx <= wide; dx++ {
				if cells[[2]int32{c[0] + dx, c[1] + dy}] {
					return true
				}
			}
		}
		return false
	}
}

func abs(x int32) int32 { return max(x, -x) }
