package geo

import (
	"cmp"
	"hash/maphash"
	"iter"
	"math"
	"slices"
)

// Seq is the sequence of the last frame applied.
func (v *View) Seq() uint64 { return v.seq }

// Live counts the overlay frames since Seq: positions shown but not recorded.
func (v *View) Live() uint64 { return v.live }

// Time is the time of the last frame applied, or of the last overlay.
func (v *View) Time() Millis { return v.time }

// Hash is the state hash: the sum of [Mix] over all features, mod 2⁶⁴. On an
// overlay it is that of Seq.
func (v *View) Hash() uint64 { return v.hash }

// NextID is the first number that was never given.
func (v *View) NextID() ID { return v.nextID }

// Get returns the feature with the caller's key, its fix current.
func (v *View) Get(key string) (*Feature, bool) {
	h := uint32(maphash.String(v.seed, key) >> 32)
	id := v.keys.find(h, func(id ID) bool { return v.table.feature(id).Key == key })
	if id == 0 {
		return nil, false
	}
	return v.ByID(id)
}

// ByID returns the feature with the number, its fix current.
func (v *View) ByID(id ID) (*Feature, bool) {
	if v.table.feature(id) == nil {
		return nil, false
	}
	f, x, _ := v.table.row(id)
	return current(f, x), true
}

// All yields the features of a kind in ID order; an empty kind yields all.
func (v *View) All(kind Kind) iter.Seq[*Feature] {
	return func(yield func(*Feature) bool) {
		for f, x := range v.rows(kind) {
			if !yield(current(f, x)) {
				return
			}
		}
	}
}

// rows yields the features of a kind as they were put, and their fix.
func (v *View) rows(kind Kind) iter.Seq2[*Feature, *Fix] {
	kinds := ^kindSet(0)
	if kind != "" {
		kinds = kind.bit()
	}
	return func(yield func(*Feature, *Fix) bool) {
		v.table.rows(kinds, 0, func(f *Feature, x *Fix, _ uint64) bool {
			return kind != "" && f.Kind != kind || yield(f, x)
		})
	}
}

// Len is the number of features of a kind; of all kinds when it is empty.
func (v *View) Len(kind Kind) int {
	n := 0
	for _, c := range v.counts.of {
		if kind == "" || c.kind == kind {
			n += c.n
		}
	}
	return n
}

// Keyframe returns the delta that rebuilds this view from nothing.
func (v *View) Keyframe() Delta {
	var made slab
	put := make([]*Feature, 0, v.Len(""))
	for f, x := range v.rows("") {
		put = append(put, made.current(f, x))
	}
	return Delta{Put: put}
}

// Since returns what changed after sequence seq, as one delta in ID order. It
// returns false when the tombstones do not reach back that far, and the reader
// needs a keyframe. On an overlay the positions are those shown.
func (v *View) Since(seq uint64) (Delta, bool) {
	if seq < v.tombs.floor {
		return Delta{}, false
	}
	var d Delta
	newer, _ := slices.BinarySearchFunc(v.tombs.list, seq+1, func(t Tomb, seq uint64) int { return cmp.Compare(t.Seq, seq) })
	for _, t := range v.tombs.list[newer:] {
		if v.table.feature(t.ID) == nil {
			d.Drop = append(d.Drop, t.ID)
		}
	}
	slices.Sort(d.Drop)
	d.Drop = slices.Compact(d.Drop)
	var made slab
	v.table.rows(^kindSet(0), seq, func(f *Feature, x *Fix, _ uint64) bool {
		if f.Rev > seq {
			d.Put = append(d.Put, made.current(f, x))
		} else {
			d.Move = append(d.Move, Move{f.ID, *x})
		}
		return true
	})
	return d, true
}

// Changed is the sequence of the last change of a feature, moves included; zero
// when the view does not hold it.
func (v *View) Changed(id ID) uint64 {
	if v.table.feature(id) == nil {
		return 0
	}
	_, _, seq := v.table.row(id)
	return seq
}

// Tombs returns what was dropped and is still remembered, oldest first: the last
// 100,000 drops. The slice is shared and must not be changed.
func (v *View) Tombs() []Tomb { return v.tombs.list[:len(v.tombs.list):len(v.tombs.list)] }

// KeyOf returns the key of a feature, also of one that was dropped as long as
// its tombstone is remembered.
func (v *View) KeyOf(id ID) (string, bool) {
	if f := v.table.feature(id); f != nil {
		return f.Key, true
	}
	key := v.tombs.key(id)
	return key, key != ""
}

// NextDue is the earliest moment at which a feature is due; zero when none is.
func (v *View) NextDue() Millis {
	if len(v.due.chunks) == 0 {
		return 0
	}
	return Millis(v.due.chunks[0].at[0].key)
}

// Due returns the features that are due at the moment now, by Due, then by ID.
func (v *View) Due(now Millis) []*Feature {
	var out []*Feature
	v.due.from(pair{key: math.MinInt64}, func(p pair) bool {
		if p.key > int64(now) {
			return false
		}
		f, _ := v.ByID(ID(p.val))
		out = append(out, f)
		return true
	})
	return out
}
