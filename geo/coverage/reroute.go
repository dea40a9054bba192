package coverage

import (
	"maps"
	"math"
	"slices"

	"rasad/geo/roads"
)

// New makes the grid of a city, without units. The standards are those of the watch: their counts are
// kept as units move. It ties the cells to the roads for each profile when that is first used.
func New(d *Demand, r *roads.Router, standards []Standard) *Grid {
	g := &Grid{}
	ground := newGround(d)
	v := &View{routed: &routed{streets: newStreets(ground, r.Graph()), router: r, posts: map[post]*reach{}}, kept: map[Standard]*tally{}}
	for _, s := range standards {
		s.Seconds = min(max(s.Seconds, 0), MaxSeconds)
		if v.kept[s] == nil {
			v.kept[s] = &tally{counts: make([]uint32, len(d.Cells)), zones: make([]int64, len(d.Zones))}
			g.standards = append(g.standards, s)
		}
	}
	g.view.Store(v)
	return g
}

// Reroute takes the roads with other closures: a router made by With from the one before, or from the
// same one as that. Only units whose reach can have changed are looked at again.
func (g *Grid) Reroute(r *roads.Router) {
	v := g.view.Load()
	if r == v.router {
		return
	}
	next := &View{routed: &routed{streets: v.streets, router: r, posts: map[post]*reach{}}, units: make([]*unit, len(v.units)),
		kept: make(map[Standard]*tally, len(v.kept))}
	changed := v.changed(r)
	look := make([]bool, len(v.units))
	each(len(v.units), func(i int) {
		old := v.units[i]
		u := &unit{id: old.id, Unit: old.Unit}
		u.line.Store(old.line.Load())
		next.units[i] = u
		kept := old.road.Load()
		switch {
		case kept == nil:
		case next.same(&u.Unit, kept, changed):
			u.road.Store(kept)
		default:
			look[i] = true
			g.prepare(next.routed, u)
		}
	})
	var again []int
	for i, looked := range look {
		if looked {
			again = append(again, i)
		}
	}
	for _, s := range g.standards {
		t := v.kept[s]
		if !s.Line && len(again) > 0 {
			t = t.clone()
			for _, i := range again {
				old, u := v.units[i], next.units[i]
				if s.met(&u.Unit) && !u.OffRoad {
					t.add(v.ground, old.reach(v.routed, false, s.depth()).hits, s.depth(), -1)
					t.add(v.ground, u.reach(next.routed, false, s.depth()).hits, s.depth(), 1)
				}
			}
		}
		next.kept[s] = t
	}
	v.routed.mu.Lock()
	posts := maps.Clone(v.posts)
	v.routed.mu.Unlock()
	for p, kept := range posts {
		if next.same(&Unit{At: p.at, Heading: math.NaN(), Profile: p.profile}, kept, changed) {
			next.posts[p] = kept
		}
	}
	g.view.Store(next)
}

// changed returns a bit for each block of ground in which an edge begins that other closures made
// faster or slower. A search that gets to such an edge has come to the block before.
func (v *View) changed(r *roads.Router) []uint64 {
	marks := make([]uint64, v.words)
	for _, e := range r.Differs(v.router) {
		set(marks, v.tails[e])
	}
	return marks
}

// same tells whether a reach is what a search with these closures would find.
func (r *routed) same(u *Unit, kept *reach, changed []uint64) bool {
	stop, _ := r.router.Stop(u.Profile, u.At, u.Heading)
	return slices.Equal(stop.On, kept.stop.On) && !meet(kept.marks, changed)
}
