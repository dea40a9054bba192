package geo

import (
	"errors"
	"fmt"
	"iter"
	"slices"
)

// ErrKeyTaken is a key that already names a feature.
var ErrKeyTaken = errors.New("the key names another feature")

// Draft is the world as the next frame will leave it: it reads through to a
// [View], remembers what was changed on top, and leaves the view alone. Rules are
// written against a Draft, so two dispatchers who assign the same engine in the
// same tick meet here, in order, and the second is refused.
//
// A Draft is not safe for concurrent use.
type Draft struct {
	view   *View
	seq    uint64
	now    Millis
	nextID ID
	over   map[ID]*Feature // nil value: dropped in this draft
	keys   map[string]ID   // keys changed in this draft; zero: freed
	moved  map[ID]bool     // moved and not put
	acts   []Act
	undo   []func() // how to take back what the running Try did; nil outside
	trying int
}

// NewDraft starts the draft of frame seq on top of v, at the moment now.
func NewDraft(v *View, seq uint64, now Millis) *Draft {
	return &Draft{view: v, seq: seq, now: now, nextID: v.NextID(), over: map[ID]*Feature{}, keys: map[string]ID{}, moved: map[ID]bool{}}
}

// Now is the moment of the frame. Rules know no other clock.
func (d *Draft) Now() Millis { return d.now }

// Seq is the sequence that the frame will have.
func (d *Draft) Seq() uint64 { return d.seq }

// Get returns the feature with the key as the draft has it.
func (d *Draft) Get(key string) (*Feature, bool) {
	if id, ok := d.keys[key]; ok {
		if id == 0 {
			return nil, false
		}
		return d.ByID(id)
	}
	f, ok := d.view.Get(key)
	if !ok {
		return nil, false
	}
	return d.ByID(f.ID)
}

// ByID returns the feature with the number as the draft has it.
func (d *Draft) ByID(id ID) (*Feature, bool) {
	if f, ok := d.over[id]; ok {
		return f, f != nil
	}
	return d.view.ByID(id)
}

// All yields the features of a kind as the draft has them: first those of the
// view in ID order, then the new ones. The draft may be changed while it runs.
func (d *Draft) All(kind Kind) iter.Seq[*Feature] {
	return func(yield func(*Feature) bool) {
		for f, x := range d.view.rows(kind) {
			g, changed := d.over[f.ID]
			if !changed {
				g = current(f, x)
			}
			if g != nil && !yield(g) {
				return
			}
		}
		for id := d.view.NextID(); id < d.nextID; id++ {
			if f, ok := d.ByID(id); ok && (kind == "" || f.Kind == kind) && !yield(f) {
				return
			}
		}
	}
}

// Create puts a new feature under a number of its own and returns it as stored.
// It returns [ErrKey] or [ErrKeyTaken], wrapped.
func (d *Draft) Create(f Feature) (*Feature, error) {
	if err := CheckKey(f.Key); err != nil {
		return nil, err
	}
	if old, ok := d.Get(f.Key); ok {
		return nil, fmt.Errorf("%s %s: %w", old.Kind, f.Key, ErrKeyTaken)
	}
	f.ID = d.nextID
	d.nextID++
	d.onUndo(func() { d.nextID-- })
	d.setKey(f.Key, f.ID)
	return d.set(f), nil
}

// Put replaces a feature that exists; key, kind and number cannot change. It
// panics when there is no such feature: rules get a feature before they put it.
func (d *Draft) Put(f Feature) *Feature {
	if old, ok := d.ByID(f.ID); !ok || old.Key != f.Key || old.Kind != f.Kind {
		panic(fmt.Sprintf("geo: put of %s %q (%d), which the draft does not hold", f.Kind, f.Key, f.ID))
	}
	return d.set(f)
}

func (d *Draft) set(f Feature) *Feature {
	f.Rev = d.seq
	d.remember(f.ID)
	d.over[f.ID] = &f
	delete(d.moved, f.ID)
	return &f
}

// Move gives a feature a new fix. It reports false when there is no such feature.
func (d *Draft) Move(id ID, x Fix) bool {
	f, ok := d.ByID(id)
	if !ok {
		return false
	}
	moved := *f
	moved.Fix = x
	d.remember(id)
	if f.Rev != d.seq { // not put in this draft
		d.moved[id] = true
	}
	d.over[id] = &moved
	return true
}

// Drop removes a feature. It reports false when there is no such feature.
func (d *Draft) Drop(id ID) bool {
	f, ok := d.ByID(id)
	if !ok {
		return false
	}
	d.remember(id)
	d.over[id] = nil
	delete(d.moved, id)
	d.setKey(f.Key, 0)
	return true
}

// Act adds to the history of the frame.
func (d *Draft) Act(a Act) {
	if a.At == 0 {
		a.At = d.now
	}
	n := len(d.acts)
	d.onUndo(func() { d.acts = d.acts[:n] })
	d.acts = append(d.acts, a)
}

// Try runs a rule and takes back everything it did when it returns an error or
// panics. The panic goes on to the caller.
func (d *Draft) Try(rule func() error) error {
	start := len(d.undo)
	d.trying++
	done := false
	defer func() {
		d.trying--
		if !done {
			d.rollback(start)
		}
		if d.trying == 0 {
			d.undo = nil
		}
	}()
	if err := rule(); err != nil {
		return err
	}
	done = true
	return nil
}

func (d *Draft) rollback(to int) {
	for i := len(d.undo) - 1; i >= to; i-- {
		d.undo[i]()
	}
	d.undo = d.undo[:to]
}

func (d *Draft) onUndo(f func()) {
	if d.trying > 0 {
		d.undo = append(d.undo, f)
	}
}

func (d *Draft) remember(id ID) {
	if d.trying == 0 {
		return
	}
	f, had := d.over[id]
	moved := d.moved[id]
	d.undo = append(d.undo, func() {
		if had {
			d.over[id] = f
		} else {
			delete(d.over, id)
		}
		if moved {
			d.moved[id] = true
		} else {
			delete(d.moved, id)
		}
	})
}

func (d *Draft) setKey(key string, id ID) {
	old, had := d.keys[key]
	d.onUndo(func() {
		if had {
			d.keys[key] = old
		} else {
			delete(d.keys, key)
		}
	})
	d.keys[key] = id
}

// Delta returns what the draft changed, in ID order.
func (d *Draft) Delta() Delta {
	var out Delta
	ids := make([]ID, 0, len(d.over))
	for id := range d.over {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		switch f := d.over[id]; {
		case f == nil:
			if _, was := d.view.ByID(id); was {
				out.Drop = append(out.Drop, id)
			}
		case d.moved[id]:
			out.Move = append(out.Move, Move{id, f.Fix})
		default:
			out.Put = append(out.Put, f)
		}
	}
	return out
}

// Acts returns the history of the frame so far.
func (d *Draft) Acts() []Act { return d.acts }

// NextID is the first number that the draft has not given.
func (d *Draft) NextID() ID { return d.nextID }
