package geo

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// World is the current state of everything. One goroutine applies, any number
// read, each through a [View] that never changes under it.
type World struct {
	mu   sync.Mutex
	view atomic.Pointer[View]
}

// View is one moment of a world.
type View struct {
	seq, live uint64
	time      Millis
	hash      uint64
	nextID    ID
	byID      map[ID]*Feature
	byKey     map[string]ID
	changed   map[ID]uint64
	tombs     map[ID]Tomb
	recorded  map[ID]Fix // the recorded fixes of what an overlay shows elsewhere
}

// Moment is where in history a delta stands.
type Moment struct {
	Seq  uint64
	Time Millis
}

// NewWorld returns an empty world at sequence 0.
func NewWorld() *World {
	w := &World{}
	w.view.Store(&View{nextID: 1, byID: map[ID]*Feature{}, byKey: map[string]ID{}, changed: map[ID]uint64{}, tombs: map[ID]Tomb{}})
	return w
}

// View returns the world as it stands now.
func (w *World) View() *View { return w.view.Load() }

func (v *View) clone() *View {
	n := *v
	n.byID, n.byKey, n.changed, n.tombs = maps.Clone(v.byID), maps.Clone(v.byKey), maps.Clone(v.changed), maps.Clone(v.tombs)
	return &n
}

// Apply changes the world. It cannot fail: whatever could be refused was refused
// before the frame was journaled, so replay never has to make a decision.
func (w *World) Apply(at Moment, d Delta) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.view.Load().clone()
	v.seq, v.time, v.live = at.Seq, at.Time, 0
	for id, x := range v.recorded {
		if f, ok := v.byID[id]; ok {
			back := *f
			back.Fix = x
			v.byID[id] = &back
		}
	}
	v.recorded = nil
	for _, id := range d.Drop {
		tomb := Tomb{ID: id, Key: v.tombs[id].Key, Seq: at.Seq}
		if f, ok := v.byID[id]; ok {
			tomb.Key = f.Key
			v.hash -= mix(f)
			delete(v.byID, id)
			if v.byKey[f.Key] == id {
				delete(v.byKey, f.Key)
			}
		}
		delete(v.changed, id)
		v.tombs[id] = tomb
		v.nextID = max(v.nextID, id+1)
	}
	for _, f := range d.Put {
		if old, ok := v.byID[f.ID]; ok {
			v.hash -= mix(old)
		}
		v.byID[f.ID], v.byKey[f.Key], v.changed[f.ID] = f, f.ID, at.Seq
		delete(v.tombs, f.ID)
		v.hash += mix(f)
		v.nextID = max(v.nextID, f.ID+1)
	}
	for _, m := range d.Move {
		f, ok := v.byID[m.ID]
		if !ok {
			continue
		}
		moved := *f
		moved.Fix = m.Fix
		v.hash += mix(&moved) - mix(f)
		v.byID[m.ID], v.changed[m.ID] = &moved, at.Seq
	}
	w.view.Store(v)
}

// Overlay shows positions that could not be recorded: it changes fixes in the
// view and counts in Live, while the hash and what changed stay those of Seq.
// The next Apply takes every overlaid fix back before it applies, so that a view
// whose Live is zero is exactly what is recorded; the frame that heals carries
// the positions anew.
func (w *World) Overlay(live uint64, at Millis, moves []Move) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.view.Load().clone()
	v.live, v.time = live, at
	if v.recorded = maps.Clone(v.recorded); v.recorded == nil {
		v.recorded = map[ID]Fix{}
	}
	for _, m := range moves {
		f, ok := v.byID[m.ID]
		if !ok {
			continue
		}
		if _, ok := v.recorded[m.ID]; !ok {
			v.recorded[m.ID] = f.Fix
		}
		moved := *f
		moved.Fix = m.Fix
		v.byID[m.ID] = &moved
	}
	w.view.Store(v)
}

// Load replaces the whole world by a keyframe. changed holds for each feature
// of d.Put the sequence of its last change; when it is nil, the Rev of the feature
// stands for it. tombs are what was dropped before, oldest first.
func (w *World) Load(at Moment, d Delta, nextID ID, changed []uint64, tombs []Tomb) {
	w.view.Store(&View{nextID: 1, byID: map[ID]*Feature{}, byKey: map[string]ID{}, changed: map[ID]uint64{}, tombs: map[ID]Tomb{}})
	w.Apply(at, d)
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.view.Load().clone()
	v.nextID = max(v.nextID, nextID)
	for i, f := range d.Put {
		if v.changed[f.ID] = f.Rev; i < len(changed) {
			v.changed[f.ID] = changed[i]
		}
	}
	for _, t := range tombs {
		v.tombs[t.ID] = t
		v.nextID = max(v.nextID, t.ID+1)
	}
	w.view.Store(v)
}

// Seq is the sequence of the last frame applied.
func (v *View) Seq() uint64 { return v.seq }

// Live counts the overlay frames since Seq: positions shown but not recorded.
func (v *View) Live() uint64 { return v.live }

// Time is the time of the last frame applied.
func (v *View) Time() Millis { return v.time }

// Hash is the state hash: the sum of mix(id, rev, fix) over all features, mod 2⁶⁴.
func (v *View) Hash() uint64 { return v.hash }

// NextID is the first number that was never given.
func (v *View) NextID() ID { return v.nextID }

// Get returns the feature with the caller's key, its fix current.
func (v *View) Get(key string) (*Feature, bool) {
	id, ok := v.byKey[key]
	if !ok {
		return nil, false
	}
	return v.ByID(id)
}

// ByID returns the feature with the number, its fix current.
func (v *View) ByID(id ID) (*Feature, bool) { f, ok := v.byID[id]; return f, ok }

// All yields the features of a kind in ID order; an empty kind yields all.
func (v *View) All(kind Kind) iter.Seq[*Feature] {
	return func(yield func(*Feature) bool) {
		for _, id := range slices.Sorted(maps.Keys(v.byID)) {
			if f := v.byID[id]; (kind == "" || f.Kind == kind) && !yield(f) {
				return
			}
		}
	}
}

// Len is the number of features of a kind; of all kinds when it is empty.
func (v *View) Len(kind Kind) int {
	n := 0
	for range v.All(kind) {
		n++
	}
	return n
}

// Keyframe returns the delta that rebuilds this view from nothing.
func (v *View) Keyframe() Delta { return Delta{Put: slices.Collect(v.All(""))} }

// Since returns what changed after sequence seq, as one delta. It returns false
// when the tombstones do not reach back that far, and the reader needs a keyframe.
func (v *View) Since(seq uint64) (Delta, bool) {
	var d Delta
	for id, t := range v.tombs {
		if t.Seq > seq {
			d.Drop = append(d.Drop, id)
		}
	}
	slices.Sort(d.Drop)
	for f := range v.All("") {
		switch {
		case f.Rev > seq:
			d.Put = append(d.Put, f)
		case v.changed[f.ID] > seq:
			d.Move = append(d.Move, Move{f.ID, f.Fix})
		}
	}
	return d, true
}

// Changed is the sequence of the last change of a feature, moves included; zero
// when the view does not hold it.
func (v *View) Changed(id ID) uint64 { return v.changed[id] }

// Tombs returns what was dropped and is still remembered, oldest first.
func (v *View) Tombs() []Tomb {
	return slices.SortedFunc(maps.Values(v.tombs), func(a, b Tomb) int {
		return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.ID, b.ID))
	})
}

// KeyOf returns the key of a feature, also of one that was dropped as long as
// its tombstone is remembered.
func (v *View) KeyOf(id ID) (string, bool) {
	if f, ok := v.byID[id]; ok {
		return f.Key, true
	}
	t := v.tombs[id]
	return t.Key, t.Key != ""
}

// NextDue is the earliest moment at which a feature is due; zero when none is.
func (v *View) NextDue() Millis {
	var next Millis
	for _, f := range v.byID {
		if f.Due != 0 && (next == 0 || f.Due < next) {
			next = f.Due
		}
	}
	return next
}

// Due returns the features that are due at the moment now, by Due, then by ID.
func (v *View) Due(now Millis) []*Feature {
	var out []*Feature
	for _, f := range v.byID {
		if f.Due != 0 && f.Due <= now {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b *Feature) int { return cmp.Or(cmp.Compare(a.Due, b.Due), cmp.Compare(a.ID, b.ID)) })
	return out
}

// mix is the hash of one feature.
func mix(f *Feature) uint64 { return Mix(f.ID, f.Rev, f.Fix) }

// Mix is the share of one feature in the state hash: two 32-bit lanes over the
// wire integers, so that a browser computes it without 64-bit arithmetic. The
// exact steps are in streams/FORMAT.md.
func Mix(id ID, rev uint64, x Fix) uint64 {
	words := [...]uint32{
		uint32(id), uint32(rev), uint32(rev >> 32),
		uint32(x.At.Lng), uint32(x.At.Lat), uint32(x.Time), uint32(uint64(x.Time) >> 32),
		uint32(x.Heading) | uint32(x.Speed)<<16, uint32(x.Accuracy) | uint32(x.Flags)<<16,
	}
	a, b := uint32(0x9e3779b9), uint32(0x85ebca6b)
	for _, w := range words {
		a = (a ^ w) * 0x01000193
		a ^= a >> 15
		b = (b + w) * 0xcc9e2d51
		b ^= b >> 13
	}
	return uint64(fmix(a^b<<1|b>>31))<<32 | uint64(fmix(b+a))
}

func fmix(h uint32) uint32 {
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	return h ^ h>>16
}

// Within returns the features of the kinds (all indexed kinds when none is
// named) whose place touches the box, in ID order, and the view they are of.
func (w *World) Within(b Box, kinds ...Kind) ([]*Feature, *View) {
	v := w.View()
	var out []*Feature
	for f := range v.All("") {
		if !f.Fix.Placed() || !f.Kind.Indexed() || len(kinds) > 0 && !slices.Contains(kinds, f.Kind) {
			continue
		}
		if p := f.Fix.At; p.Lng >= b.Min.Lng && p.Lng <= b.Max.Lng && p.Lat >= b.Min.Lat && p.Lat <= b.Max.Lat {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b *Feature) int { return cmp.Compare(a.ID, b.ID) })
	return out, v
}
