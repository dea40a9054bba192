package coverage

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"rasad/geo"
	"rasad/geo/roads"
)

// MaxSeconds is the largest Seconds of a [Standard]; a larger one is cut to it.
const MaxSeconds = 900

// Standard is a promise of a city: a unit of a capability is there in so many seconds.
type Standard struct {
	Capability string // empty: any unit
	Seconds    int    // of travel, at most MaxSeconds
	// Line asks by the straight line, for every unit at its own Line speed. False asks by road; units
	// that know no roads go by line then too.
	Line bool
}

func (s Standard) depth() roads.Cost { return roads.Cost(min(max(s.Seconds, 0), MaxSeconds)) * 1000 }

func (s Standard) met(u *Unit) bool {
	return s.Capability == "" || slices.Contains(u.Capabilities, s.Capability)
}

// Unit is a unit that could be sent.
type Unit struct {
	At      geo.LngLat
	Heading float64         // degrees clockwise from north; NaN unknown
	Profile roads.ProfileID // how it drives
	// Line is its speed over the straight line, in metres a second: of a road vehicle its emergency speed
	// divided by how much longer than the line the road is.
	Line         float64
	OffRoad      bool // it flies or swims: it always goes by line
	Capabilities []string
}

// Change is a change of one unit.
type Change struct {
	ID   uint32
	Unit *Unit // nil: it can no longer be sent
}

// Share is how much of the demand a standard is met for. Weights are in the unit of the demand's basis.
type Share struct {
	Covered, Total float64
	Units          int         // that have the capability
	Zones          []ZoneShare // by zone, as in Demand.Zones
}

// ZoneShare is a [Share] of one zone.
type ZoneShare struct{ Covered, Total float64 }

// Part returns the covered part, 0 to 1; 0 where there is no demand.
func (s Share) Part() float64 { return part(s.Covered, s.Total) }

// Part returns the covered part of the zone, 0 to 1; 0 where there is no demand.
func (s ZoneShare) Part() float64 { return part(s.Covered, s.Total) }

func part(covered, total float64) float64 {
	if total > 0 {
		return covered / total
	}
	return 0
}

// Grid keeps the coverage of a city while its units move. Update, Set, Remove and Reroute belong to one
// writer; everything else may be called by any goroutine at any time.
type Grid struct {
	standards []Standard
	view      atomic.Pointer[View]
}

// View is the coverage of one moment. It never changes.
type View struct {
	*routed
	units []*unit // by id
	kept  map[Standard]*tally

	mu    sync.Mutex
	asked map[Standard]*answer // standards that are not kept, counted when asked
}

type answer struct {
	once  sync.Once
	tally *tally
}

// askedMax bounds what a view remembers of unusual questions; more are counted anew each time.
const askedMax = 32

// tally counts for one standard how many units reach each cell.
type tally struct {
	counts  []uint32
	covered int64
	zones   []int64
	units   int
}

func (t *tally) clone() *tally {
	return &tally{slices.Clone(t.counts), t.covered, slices.Clone(t.zones), t.units}
}

// add lets a unit's reach count (or no longer, by = -1).
func (t *tally) add(g *ground, hits []hit, depth roads.Cost, by int32) {
	for _, h := range hits {
		if h.at > depth {
			continue
		}
		before := t.counts[h.cell]
		after := before + uint32(by)
		t.counts[h.cell] = after
		if (before == 0) == (after == 0) {
			continue
		}
		w := g.weight[h.cell]
		if after == 0 {
			w = -w
		}
		t.covered += w
		if z := g.demand.Cells[h.cell].Zone; z >= 0 {
			t.zones[z] += w
		}
	}
}

func (t *tally) share(g *ground) Share {
	s := Share{Covered: float64(t.covered) / weightScale, Total: float64(g.total) / weightScale, Units: t.units,
		Zones: make([]ZoneShare, len(t.zones))}
	for z := range s.Zones {
		s.Zones[z] = ZoneShare{float64(t.zones[z]) / weightScale, float64(g.zoneWeight[z]) / weightScale}
	}
	return s
}

// View returns the coverage as it is now: answers that must agree with one another come from one view.
func (g *Grid) View() *View { return g.view.Load() }

// Set says where a dispatchable unit is. Several at once are cheaper by [Grid.Update].
func (g *Grid) Set(id uint32, u Unit) { g.Update([]Change{{id, &u}}) }

// Remove says that a unit can no longer be sent; one that is not there is none already.
func (g *Grid) Remove(id uint32) { g.Update([]Change{{ID: id}}) }

// Update changes many units at once: readers see all of it or none. Of two changes of one unit the later counts.
func (g *Grid) Update(changes []Change) {
	v := g.view.Load()
	changes = slices.Clone(changes)
	slices.SortStableFunc(changes, func(a, b Change) int { return cmp.Compare(a.ID, b.ID) })
	type pair struct{ old, new *unit }
	var pairs []pair
	var missing []*unit // whose reach must be computed
	units := make([]*unit, 0, len(v.units)+len(changes))
	rest := v.units
	for i, c := range changes {
		if i+1 < len(changes) && changes[i+1].ID == c.ID {
			continue
		}
		n, found := slices.BinarySearchFunc(rest, c.ID, func(u *unit, id uint32) int { return cmp.Compare(u.id, id) })
		units = append(units, rest[:n]...)
		rest = rest[n:]
		var p pair
		if found {
			p.old, rest = rest[0], rest[1:]
		}
		if c.Unit != nil {
			p.new = &unit{id: c.ID, Unit: *c.Unit}
			p.new.Capabilities = slices.Clone(c.Unit.Capabilities)
			if p.old != nil && p.new.mover() == p.old.mover() && still(&p.old.Unit, &p.new.Unit) {
				if slices.Equal(p.old.Capabilities, p.new.Capabilities) {
					units = append(units, p.old)
					continue
				}
				p.new.road.Store(p.old.road.Load())
				p.new.line.Store(p.old.line.Load())
			}
			units = append(units, p.new)
			missing = append(missing, p.new)
		}
		if p.old != nil || p.new != nil {
			pairs = append(pairs, p)
		}
	}
	if len(pairs) == 0 {
		return
	}
	units = append(units, rest...)
	each(len(missing), func(i int) { g.prepare(v.routed, missing[i]) })

	next := &View{routed: v.routed, units: units, kept: make(map[Standard]*tally, len(v.kept))}
	for _, s := range g.standards {
		t := v.kept[s]
		cloned := false
		change := func(u *unit, by int32) {
			if u == nil || !s.met(&u.Unit) {
				return
			}
			if !cloned {
				t, cloned = t.clone(), true
			}
			t.add(v.ground, u.reach(v.routed, s.Line, s.depth()).hits, s.depth(), by)
			t.units += int(by)
		}
		for _, p := range pairs {
			change(p.old, -1)
			change(p.new, 1)
		}
		next.kept[s] = t
	}
	g.view.Store(next)
}

// still tells whether a unit stands where it stood and looks where it looked.
func still(old, now *Unit) bool {
	return old.At == now.At && (old.Heading == now.Heading || math.IsNaN(old.Heading) && math.IsNaN(now.Heading))
}

// prepare computes what the standards will ask of a unit, as deep as the deepest of them.
func (g *Grid) prepare(r *routed, u *unit) {
	var road, line roads.Cost
	for _, s := range g.standards {
		switch {
		case !s.met(&u.Unit):
		case s.Line || u.OffRoad:
			line = max(line, s.depth())
		default:
			road = max(road, s.depth())
		}
	}
	if road > 0 {
		u.reach(r, false, road)
	}
	if line > 0 {
		u.reach(r, true, line)
	}
}

// tally returns the counts of any standard: those of the watch are there, others are counted now.
func (v *View) tally(s Standard) *tally {
	if s.Seconds = min(max(s.Seconds, 0), MaxSeconds); v.kept[s] != nil {
		return v.kept[s]
	}
	v.mu.Lock()
	a := v.asked[s]
	if a == nil {
		a = new(answer)
		if len(v.asked) < askedMax {
			if v.asked == nil {
				v.asked = map[Standard]*answer{}
			}
			v.asked[s] = a
		}
	}
	v.mu.Unlock()
	a.once.Do(func() { a.tally = v.count(s) })
	return a.tally
}

// count counts from nothing.
func (v *View) count(s Standard) *tally {
	t := &tally{counts: make([]uint32, len(v.ground.weight)), zones: make([]int64, len(v.ground.zoneWeight))}
	units := v.who(s)
	each(len(units), func(i int) { v.reachOf(units[i], s) })
	for _, u := range units {
		t.add(v.ground, v.reachOf(u, s).hits, s.depth(), 1)
	}
	t.units = len(units)
	return t
}

// who lists the units that have the capability.
func (v *View) who(s Standard) []*unit {
	var out []*unit
	for _, u := range v.units {
		if s.met(&u.Unit) {
			out = append(out, u)
		}
	}
	return out
}

// reachOf returns a unit's reach for a standard. What is asked beyond the standards of the watch is
// computed as deep as any question goes, so that the next one finds it.
func (v *View) reachOf(u *unit, s Standard) *reach {
	depth := s.depth()
	kept := u.road.Load()
	if s.Line || u.OffRoad {
		kept = u.line.Load()
	}
	if kept != nil && kept.depth < depth {
		depth = MaxSeconds * 1000
	}
	return u.reach(v.routed, s.Line, depth)
}

// Share returns how much of the demand the standard is met for. Standards of the watch (those given to
// [New]) are kept; any other is counted when asked.
func (v *View) Share(s Standard) Share { return v.tally(s).share(v.ground) }

// Demand returns the demand that the view is about.
func (v *View) Demand() *Demand { return v.ground.demand }

// Router returns the roads, with their closures, that the view knows.
func (v *View) Router() *roads.Router { return v.router }
