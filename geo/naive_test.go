package geo

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"
)

// naive is the world done the plain way: maps, and every question answered by
// looking at everything. It is the oracle of this package's tests.
type naive struct {
	seq, live uint64
	time      Millis
	nextID    ID
	byID      map[ID]*Feature
	changed   map[ID]uint64
	tombs     map[ID]Tomb
	recorded  map[ID]Fix
}

func newNaive() *naive {
	return &naive{nextID: 1, byID: map[ID]*Feature{}, changed: map[ID]uint64{}, tombs: map[ID]Tomb{}, recorded: map[ID]Fix{}}
}

func (n *naive) clone() *naive {
	c := *n
	c.byID, c.changed, c.tombs, c.recorded = maps.Clone(n.byID), maps.Clone(n.changed), maps.Clone(n.tombs), maps.Clone(n.recorded)
	return &c
}

func (n *naive) apply(at Moment, d Delta) {
	n.seq, n.time, n.live = at.Seq, at.Time, 0
	for id, x := range n.recorded {
		n.move(id, x)
	}
	clear(n.recorded)
	for _, id := range d.Drop {
		tomb := Tomb{ID: id, Key: n.tombs[id].Key, Seq: at.Seq}
		if f, ok := n.byID[id]; ok {
			tomb.Key = f.Key
		}
		delete(n.byID, id)
		delete(n.changed, id)
		n.tombs[id] = tomb
		n.nextID = max(n.nextID, id+1)
	}
	for _, f := range d.Put {
		n.byID[f.ID], n.changed[f.ID] = f, at.Seq
		n.nextID = max(n.nextID, f.ID+1)
	}
	for _, m := range d.Move {
		if n.move(m.ID, m.Fix) {
			n.changed[m.ID] = at.Seq
		}
	}
}

func (n *naive) move(id ID, x Fix) bool {
	f, ok := n.byID[id]
	if ok {
		moved := *f
		moved.Fix = x
		n.byID[id] = &moved
	}
	return ok
}

func (n *naive) overlay(live uint64, at Millis, moves []Move) {
	n.live, n.time = live, at
	for _, m := range moves {
		f, ok := n.byID[m.ID]
		if !ok {
			continue
		}
		if _, ok := n.recorded[m.ID]; !ok {
			n.recorded[m.ID] = f.Fix
		}
		n.move(m.ID, m.Fix)
	}
}

func (n *naive) hash() (sum uint64) {
	for id, f := range n.byID {
		x := f.Fix
		if r, ok := n.recorded[id]; ok {
			x = r
		}
		sum += Mix(f.ID, f.Rev, x)
	}
	return sum
}

func (n *naive) all(kind Kind) []*Feature {
	var out []*Feature
	for _, id := range slices.Sorted(maps.Keys(n.byID)) {
		if f := n.byID[id]; kind == "" || f.Kind == kind {
			out = append(out, f)
		}
	}
	return out
}

func (n *naive) due(now Millis) []*Feature {
	var out []*Feature
	for _, f := range n.all("") {
		if f.Due != 0 && f.Due <= now {
			out = append(out, f)
		}
	}
	slices.SortStableFunc(out, func(a, b *Feature) int { return cmp.Compare(a.Due, b.Due) })
	return out
}

func (n *naive) nearest(q Query) Nearest {
	var near []Near
	for _, f := range n.all(Unit) {
		if !f.Fix.Placed() ||
			q.Dispatchable != nil && f.Props.Bool("dispatchable") != *q.Dispatchable ||
			q.Status != "" && f.Props.Text("status") != q.Status ||
			q.Agency != "" && f.Props.Text("agency") != q.Agency ||
			q.Type != "" && f.Props.Text("type") != q.Type ||
			slices.ContainsFunc(q.Capability, func(c string) bool { return !slices.Contains(f.Props.Texts("capabilities"), c) }) {
			continue
		}
		d := Distance(q.At, f.Fix.At)
		if q.MaxDistance > 0 && d > q.MaxDistance {
			continue
		}
		near = append(near, Near{f, d, max(0, time.Duration(q.Now-f.Fix.Time)*time.Millisecond)})
	}
	slices.SortFunc(near, func(a, b Near) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.Feature.ID, b.Feature.ID))
	})
	var out Nearest
	for _, n := range near {
		if len(out.Units) >= min(q.K, NearestMax) {
			break
		}
		if q.StaleAfter != nil {
			if s := q.StaleAfter(n.Feature); s > 0 && n.FixAge >= s {
				out.Stale++
				continue
			}
		}
		out.Units = append(out.Units, n)
	}
	return out
}

// within knows points only; shapes have tests of their own.
func (n *naive) within(b Box, kinds ...Kind) []*Feature {
	var out []*Feature
	for _, f := range n.all("") {
		p := f.Fix.At
		in := func(lng int32) bool {
			if b.Min.Lng > b.Max.Lng {
				return lng >= b.Min.Lng || lng <= b.Max.Lng
			}
			return lng >= b.Min.Lng && lng <= b.Max.Lng
		}
		lng := in(p.Lng) || p.Lng == LngMax && in(-LngMax) || p.Lng == -LngMax && in(LngMax)
		if f.Fix.Placed() && f.Kind.Indexed() && (len(kinds) == 0 || slices.Contains(kinds, f.Kind)) &&
			lng && p.Lat >= b.Min.Lat && p.Lat <= b.Max.Lat {
			out = append(out, f)
		}
	}
	return out
}

// vincenty is another formula for the distance on the sphere, good for all angles.
func vincenty(a, b LngLat) float64 {
	const rad = math.Pi / 180 / 1e7
	sa, ca := math.Sincos(float64(a.Lat) * rad)
	sb, cb := math.Sincos(float64(b.Lat) * rad)
	sd, cd := math.Sincos(float64(int64(b.Lng)-int64(a.Lng)) * rad)
	return EarthRadius * math.Atan2(math.Hypot(cb*sd, ca*sb-sa*cb*cd), sa*sb+ca*cb*cd)
}
