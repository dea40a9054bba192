package geo

import (
	"math"
	"slices"
	"sync"

	"github.com/tidwall/rtree"
)

// index is the tree that answers boxes. It is live: it follows the view that is
// current and no other, so whoever searches it holds the lock until it has the
// view too.
//
// A unit that moves lies in the tree by a box with a margin and is moved in the
// tree only when it leaves it; what a search finds is measured again, so the
// margin is never visible. Boxes are in 1e-7 degree.
type index struct {
	mu   sync.RWMutex
	tree *rtree.RTreeGN[float32, ID]
	// at is by ID, and belongs to the writer: the tree forgets nothing that is
	// not named by the very box it was entered with.
	at []entry
}

// entry says by which box a feature lies in the tree.
type entry struct {
	how entryKind
	at  LngLat // the middle of the box of a point
}

type entryKind uint8

const (
	entryNone  entryKind = iota
	entryUnit            // a point with a margin
	entryPoint           // a point
	entryShape           // the bounds of the shape
)

// entryMargin is how far a unit moves before the tree hears of it: 280 m of
// latitude, 14 s at 20 m/s. Twice as much did not save a tenth of a move.
const entryMargin = 25_000

type rect struct{ min, max [2]float32 }

// outward makes the smallest float32 box around a box.
func outward(b Box) rect {
	down := func(v int64) float32 {
		f := float32(v)
		if int64(f) > v {
			f = math.Nextafter32(f, -math.MaxFloat32)
		}
		return f
	}
	return rect{
		[2]float32{down(int64(b.Min.Lng)), down(int64(b.Min.Lat))},
		[2]float32{-down(-int64(b.Max.Lng)), -down(-int64(b.Max.Lat))},
	}
}

func (e entry) rect(f *Feature) rect {
	switch e.how {
	case entryUnit:
		return outward(Box{
			LngLat{e.at.Lng - entryMargin, e.at.Lat - entryMargin},
			LngLat{e.at.Lng + entryMargin, e.at.Lat + entryMargin},
		})
	case entryShape:
		return outward(f.Shape.Bounds())
	}
	return outward(Box{e.at, e.at})
}

// entryOf says how a feature with the fix lies in the tree.
func entryOf(f *Feature, x *Fix) entry {
	switch {
	case f == nil || !f.Kind.Indexed() || !x.Placed():
		return entry{}
	case f.Shape != nil:
		return entry{how: entryShape}
	case f.Kind == Unit:
		return entry{entryUnit, x.At}
	}
	return entry{entryPoint, x.At}
}

// holds tells whether a point still lies in the box.
func (e entry) holds(p LngLat) bool {
	if e.how == entryUnit {
		return abs(int64(p.Lng)-int64(e.at.Lng)) <= entryMargin && abs(int64(p.Lat)-int64(e.at.Lat)) <= entryMargin
	}
	return p == e.at
}

func abs(v int64) int64 { return max(v, -v) }

// change is one thing to do to the tree.
type change struct {
	id       ID
	out, in  bool
	from, to rect
}

// follow notes what must be done in the tree for a feature that was old and is
// now, with the fix, f; either may be nil. It returns the changes with its own added.
func (t *index) follow(todo []change, id ID, old, f *Feature, x *Fix) []change {
	for int(id) >= len(t.at) {
		t.at = append(t.at, make([]entry, max(64, len(t.at)/4))...)
	}
	was, now := t.at[id], entryOf(f, x)
	if was.how == now.how && (now.how == entryNone || now.how == entryShape && old.Shape == f.Shape || now.how != entryShape && was.holds(now.at)) {
		return todo
	}
	c := change{id: id, out: was.how != entryNone, in: now.how != entryNone}
	if c.out {
		c.from = was.rect(old)
	}
	if c.in {
		c.to = now.rect(f)
	}
	t.at[id] = now
	return append(todo, c)
}

func (t *index) do(todo []change) {
	for i := range todo {
		switch c := &todo[i]; {
		case c.out && c.in:
			t.tree.Replace(c.from.min, c.from.max, c.id, c.to.min, c.to.max, c.id)
		case c.out:
			t.tree.Delete(c.from.min, c.from.max, c.id)
		case c.in:
			t.tree.Insert(c.to.min, c.to.max, c.id)
		}
	}
}

// Contains tells whether a point lies in the box or on its edge. The two names of
// the antimeridian are one line.
func (b Box) Contains(p LngLat) bool {
	if p.Lat < b.Min.Lat || p.Lat > b.Max.Lat {
		return false
	}
	if p.Lng == LngMax || p.Lng == -LngMax {
		return b.Min.Lng > b.Max.Lng || b.Min.Lng == -LngMax || b.Max.Lng == LngMax
	}
	if b.Min.Lng > b.Max.Lng {
		return p.Lng >= b.Min.Lng || p.Lng <= b.Max.Lng
	}
	return p.Lng >= b.Min.Lng && p.Lng <= b.Max.Lng
}

// plain cuts a box into boxes that do not cross the antimeridian. One that
// reaches it touches the other side as well.
func (b Box) plain() []Box {
	west := func(to int32) Box { return Box{LngLat{-LngMax, b.Min.Lat}, LngLat{to, b.Max.Lat}} }
	east := func(from int32) Box { return Box{LngLat{from, b.Min.Lat}, LngLat{LngMax, b.Max.Lat}} }
	switch {
	case b.Min.Lat > b.Max.Lat:
		return nil
	case b.Min.Lng > b.Max.Lng:
		return []Box{west(b.Max.Lng), east(b.Min.Lng)}
	case b.Min.Lng == -LngMax && b.Max.Lng == LngMax:
		return []Box{b}
	case b.Min.Lng == -LngMax:
		return []Box{b, east(LngMax)}
	case b.Max.Lng == LngMax:
		return []Box{west(-LngMax), b}
	}
	return []Box{b}
}

// Within returns the features of the kinds (all indexed kinds when none is
// named) whose place touches the box, in ID order, and the view they are of. A
// feature's place is its shape, or the point of its fix when it has none. Kinds
// that are not [Kind.Indexed] are never found.
func (w *World) Within(b Box, kinds ...Kind) ([]*Feature, *View) {
	boxes := b.plain()
	var ids []ID
	w.index.mu.RLock()
	v := w.View()
	whole := len(boxes) == 1 && boxes[0].Min == LngLat{-LngMax, -LatMax} && boxes[0].Max == LngLat{LngMax, LatMax}
	if !whole {
		for _, b := range boxes {
			r := outward(b)
			w.index.tree.Search(r.min, r.max, func(_, _ [2]float32, id ID) bool {
				ids = append(ids, id)
				return true
			})
		}
	}
	w.index.mu.RUnlock()

	var want kindSet
	for _, k := range kinds {
		if k.Indexed() {
			want |= k.bit()
		}
	}
	if len(kinds) == 0 {
		want = Unit.bit() | Incident.bit() | Hazard.bit() | Shelter.bit() | Site.bit()
	}
	var out []*Feature
	var made slab
	if whole { // no need of the tree, nor to keep the writer from it meanwhile
		v.table.rows(want, 0, func(f *Feature, x *Fix, _ uint64) bool {
			if f.Kind.bit()&want != 0 && x.Placed() {
				out = append(out, made.current(f, x))
			}
			return true
		})
		return out, v
	}
	slices.Sort(ids)
	if len(boxes) > 1 {
		ids = slices.Compact(ids)
	}
	for _, id := range ids {
		f, x, _ := v.table.row(id)
		if f.Kind.bit()&want != 0 && (f.Shape == nil && b.Contains(x.At) ||
			f.Shape != nil && slices.ContainsFunc(boxes, f.Shape.Touches)) {
			out = append(out, made.current(f, x))
		}
	}
	return out, v
}
