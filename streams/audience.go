package streams

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"rasad/geo"
)

// Audience is who sees what. Everyone of an audience sees the same.
type Audience struct {
	Name string // "ops", "brief"; it stands in the status of the stream
	// Project returns what the audience sees of a feature: the feature itself, a
	// poorer copy with the same ID, Key and Rev, or nil when it sees nothing. It
	// depends on the feature and on the policy only, so that the same world always
	// looks the same. Nil: the audience sees everything.
	Project func(*geo.Feature) *geo.Feature
}

// projection keeps the world as one audience sees it beside the world as it is.
type projection struct {
	see   func(*geo.Feature) *geo.Feature
	world *geo.World
	from  uint64 // nothing is known about changes before
	// shown holds the features that came into sight, or look different, without
	// having been put: to a reader from before that frame they are new, although
	// their Rev is older. It is replaced, never changed.
	shown map[geo.ID]uint64
}

func newProjection(see func(*geo.Feature) *geo.Feature, v *geo.View) *projection {
	p := &projection{see: see, world: geo.NewWorld(), from: v.Seq()}
	p.load(v)
	return p
}

func (p *projection) load(v *geo.View) {
	var put []*geo.Feature
	for f := range v.All("") {
		if g := p.look(f); g != nil {
			put = append(put, g)
		}
	}
	p.world.Load(geo.Moment{Seq: v.Seq(), Time: v.Time()}, geo.Delta{Put: put}, v.NextID(), nil, nil)
	p.from, p.shown = v.Seq(), nil
}

// look projects one feature. A projection that renames would make readers keep
// what they must forget, so that is a broken promise of our own.
func (p *projection) look(f *geo.Feature) *geo.Feature {
	g := p.see(f)
	if g != nil && (g.ID != f.ID || g.Key != f.Key || g.Rev != f.Rev) {
		panic(fmt.Sprintf("streams: a projection made %s (%d, rev %d) of %s (%d, rev %d)", g.Key, g.ID, g.Rev, f.Key, f.ID, f.Rev))
	}
	return g
}

// apply follows the world through d, which led to v, and returns the change
// that the audience sees.
func (p *projection) apply(v *geo.View, d geo.Delta) geo.Delta {
	ids := make([]geo.ID, 0, len(d.Drop)+len(d.Put)+len(d.Move))
	ids = append(ids, d.Drop...)
	for _, f := range d.Put {
		ids = append(ids, f.ID)
	}
	for _, m := range d.Move {
		ids = append(ids, m.ID)
	}
	slices.Sort(ids)
	had := p.world.View()
	var out geo.Delta
	var shown map[geo.ID]uint64
	for _, id := range slices.Compact(ids) {
		old, saw := had.ByID(id)
		var now *geo.Feature
		if f, ok := v.ByID(id); ok {
			now = p.look(f)
		}
		switch {
		case now == nil:
			if saw {
				out.Drop = append(out.Drop, id)
			}
		case !saw || !sameButFix(old, now):
			out.Put = append(out.Put, now)
			if now.Rev != v.Seq() {
				if shown == nil {
					shown = map[geo.ID]uint64{}
				}
				shown[id] = v.Seq()
			}
		case old.Fix != now.Fix:
			out.Move = append(out.Move, geo.Move{ID: id, Fix: now.Fix})
		}
	}
	p.world.Apply(geo.Moment{Seq: v.Seq(), Time: v.Time()}, out)
	p.remember(shown, out.Drop)
	return out
}

func (p *projection) remember(shown map[geo.ID]uint64, drop []geo.ID) {
	gone := false
	for _, id := range drop {
		_, known := p.shown[id]
		gone = gone || known
	}
	if len(shown) == 0 && !gone {
		return
	}
	next := maps.Clone(p.shown)
	if next == nil {
		next = map[geo.ID]uint64{}
	}
	for _, id := range drop {
		delete(next, id)
	}
	maps.Copy(next, shown)
	p.shown = next
}

// overlay returns the moves that the audience sees of an overlay. What it does
// not see as recorded stays out of sight until it is recorded there.
func (p *projection) overlay(v *geo.View, moves []geo.Move) []geo.Move {
	var out []geo.Move
	seen := p.world.View()
	for _, m := range moves {
		old, saw := seen.ByID(m.ID)
		f, ok := v.ByID(m.ID)
		if !saw || !ok {
			continue
		}
		moved := *f
		moved.Fix = m.Fix
		if now := p.look(&moved); now != nil && sameButFix(old, now) {
			out = append(out, geo.Move{ID: m.ID, Fix: now.Fix})
		}
	}
	return out
}

// projectedSince completes what a view says changed after seq: features that came
// into sight since then are put, not moved.
func projectedSince(v *geo.View, shown map[geo.ID]uint64, d geo.Delta, seq uint64) geo.Delta {
	if len(shown) == 0 {
		return d
	}
	move := d.Move
	d.Move = nil
	for _, m := range move {
		if shown[m.ID] > seq {
			f, _ := v.ByID(m.ID)
			d.Put = append(d.Put, f)
			continue
		}
		d.Move = append(d.Move, m)
	}
	return d
}

// sameButFix tells whether b could have come from a by a move.
func sameButFix(a, b *geo.Feature) bool {
	return a.Rev == b.Rev && a.Kind == b.Kind && a.Due == b.Due && a.Props == b.Props && a.Extra == b.Extra &&
		(a.Shape == b.Shape || reflect.DeepEqual(a.Shape, b.Shape)) &&
		(len(a.Sealed) == 0 && len(b.Sealed) == 0 || reflect.DeepEqual(a.Sealed, b.Sealed))
}
