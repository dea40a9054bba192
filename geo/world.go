package geo

import (
	"cmp"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tidwall/rtree"
)

// World is the current state of everything. One goroutine applies, any number
// read, each through a [View] that never changes under it.
type World struct {
	view  atomic.Pointer[View]
	index index

	// What follows belongs to the writer; mu keeps a second one out.
	mu    sync.Mutex
	edit  uint64 // of the view in the making
	words *words
	// recorded holds the recorded fixes of what an overlay shows elsewhere.
	recorded map[ID]Fix
	todo     []change // for the tree; kept for its memory
}

// View is one moment of a world. It is immutable and may be kept as long as one
// likes: it shares what has not changed with the views before and after it.
type View struct {
	seq, live uint64
	time      Millis
	hash      uint64
	nextID    ID
	seed      maphash.Seed
	table     table
	keys      keyIndex
	due       ordered // (Due, ID)
	tombs     tombs
	counts    counts
	grid      grid
	words     *vocabulary
}

// Moment is where in history a delta stands.
type Moment struct {
	Seq  uint64
	Time Millis
}

// NewWorld returns an empty world at sequence 0.
func NewWorld() *World {
	w := &World{words: newWords(), edit: 1}
	w.index.tree = new(rtree.RTreeGN[float32, ID])
	w.view.Store(&View{nextID: 1, seed: maphash.MakeSeed(), grid: newGrid(gridShiftMax), words: w.words.now.Load()})
	return w
}

// View returns the world as it stands now.
func (w *World) View() *View { return w.view.Load() }

// Apply changes the world. It cannot fail: whatever could be refused was refused
// before the frame was journaled, so replay never has to make a decision. Fixes
// that an overlay has shown are taken back first.
func (w *World) Apply(at Moment, d Delta) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.begin()
	e.seq, e.time, e.live = at.Seq, at.Time, 0
	for id, x := range w.recorded {
		if e.table.feature(id) != nil {
			e.show(id, x)
		}
	}
	w.recorded = nil
	for _, id := range d.Drop {
		e.drop(id)
	}
	for _, f := range d.Put {
		e.put(f)
	}
	for i := range d.Move {
		e.move(d.Move[i].ID, &d.Move[i].Fix)
	}
	w.publish(e)
}

// Overlay shows positions that could not be recorded: it changes fixes in the
// view and counts in Live, while the hash and what changed stay those of Seq.
//
// The next Apply takes every overlaid fix back before it applies: a view whose
// Live is zero is exactly what is recorded, and the frame that heals carries the
// positions anew.
func (w *World) Overlay(live uint64, at Millis, moves []Move) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.begin()
	e.live, e.time = live, at
	if w.recorded == nil {
		w.recorded = map[ID]Fix{}
	}
	for _, m := range moves {
		if e.table.feature(m.ID) == nil {
			continue
		}
		if _, ok := w.recorded[m.ID]; !ok {
			_, x, _ := e.table.row(m.ID)
			w.recorded[m.ID] = *x
		}
		e.show(m.ID, m.Fix)
	}
	w.publish(e)
}

// edit is the view in the making.
type edit struct {
	*View
	w  *World
	no uint64
}

func (w *World) begin() edit {
	w.edit++
	v := *w.view.Load()
	return edit{&v, w, w.edit}
}

// publish makes the edit the current view, and the tree follow it.
func (w *World) publish(e edit) {
	e.words = w.words.now.Load()
	w.index.mu.Lock()
	w.index.do(w.todo)
	w.view.Store(e.View)
	w.index.mu.Unlock()
	w.todo = w.todo[:0]
}

func (e edit) hashKey(key string) uint32 { return uint32(maphash.String(e.seed, key) >> 32) }

func (e edit) drop(id ID) {
	e.nextID = max(e.nextID, id+1)
	f := e.table.feature(id)
	if f == nil {
		e.tombs.add(e.no, Tomb{ID: id, Key: e.tombs.key(id), Seq: e.seq})
		return
	}
	_, x, _ := e.table.row(id)
	e.hash -= Mix(id, f.Rev, *x)
	e.unfile(f, *x)
	e.w.todo = e.w.index.follow(e.w.todo, id, f, nil, nil)
	e.keys.remove(e.no, e.hashKey(f.Key), id)
	if f.Due != 0 {
		e.due.remove(e.no, pair{int64(f.Due), uint32(id)})
	}
	e.counts.add(e.no, f.Kind, -1)
	e.table.drop(e.no, id)
	e.tombs.add(e.no, Tomb{ID: id, Key: f.Key, Seq: e.seq})
}

func (e edit) put(f *Feature) {
	e.nextID = max(e.nextID, f.ID+1)
	old := e.table.feature(f.ID)
	e.hash += Mix(f.ID, f.Rev, f.Fix)
	if old != nil {
		_, x, _ := e.table.row(f.ID)
		e.hash -= Mix(f.ID, old.Rev, *x)
		e.unfile(old, *x)
		if old.Key != f.Key {
			e.keys.remove(e.no, e.hashKey(old.Key), f.ID)
		}
		if old.Due != 0 && old.Due != f.Due {
			e.due.remove(e.no, pair{int64(old.Due), uint32(f.ID)})
		}
	}
	if f.Due != 0 && (old == nil || old.Due != f.Due) {
		e.due.insert(e.no, pair{int64(f.Due), uint32(f.ID)})
	}
	if old == nil || old.Kind != f.Kind {
		if old != nil {
			e.counts.add(e.no, old.Kind, -1)
		}
		e.counts.add(e.no, f.Kind, 1)
	}
	if old == nil || old.Key != f.Key {
		e.setKey(f)
	}
	e.table.put(e.no, f, e.seq)
	e.file(f, f.Fix)
	e.w.todo = e.w.index.follow(e.w.todo, f.ID, old, f, &f.Fix)
}

// setKey makes the key name the feature and no other.
func (e edit) setKey(f *Feature) {
	h := e.hashKey(f.Key)
	if other := e.keys.find(h, func(id ID) bool { return e.table.feature(id).Key == f.Key }); other != 0 && other != f.ID {
		e.keys.remove(e.no, h, other)
	}
	e.keys.insert(e.no, h, f.ID)
}

// file puts a unit into the grid.
func (e edit) file(f *Feature, x Fix) {
	if f.Kind == Unit && x.Placed() {
		e.grid.insert(e.no, gridPoint{x.At, f.ID, e.w.words.mask(f.Props)})
	}
}

// unfile takes a unit out of the grid.
func (e edit) unfile(f *Feature, x Fix) {
	if f.Kind == Unit && x.Placed() {
		e.grid.remove(e.no, f.ID, x.At)
	}
}

func (e edit) move(id ID, x *Fix) {
	top, page, slot := split(id)
	if top >= len(e.table.root) || e.table.root[top] == nil {
		return
	}
	b := e.table.root[top]
	if b.feat[page] == nil || b.feat[page].at[slot] == nil {
		return
	}
	was := b.fix[page].fix[slot]
	rev := b.feat[page].rev[slot]
	e.hash += Mix(id, rev, *x) - Mix(id, rev, was)
	e.table.writable(e.no, top).set(page, slot, *x, e.seq)
	e.refile(id, &was, x)
}

// show gives a feature that is there another fix, and keeps hash and seq.
func (e edit) show(id ID, x Fix) {
	top, page, slot := split(id)
	p := e.table.writable(e.no, top).writableFix(page)
	was := p.fix[slot]
	p.fix[slot] = x
	e.refile(id, &was, &x)
}

// refile follows a fix in the grid and in the tree.
func (e edit) refile(id ID, was, x *Fix) {
	if in := e.w.index.at[id]; in.how == entryUnit && x.Placed() { // nearly always
		e.grid.move(e.no, id, was.At, x.At)
		if in.holds(x.At) {
			return
		}
	} else if f := e.table.feature(id); f.Kind == Unit {
		e.unfile(f, *was)
		e.file(f, *x)
	}
	f := e.table.feature(id)
	e.w.todo = e.w.index.follow(e.w.todo, id, f, f, x)
}

// Load replaces the whole world by a keyframe, of which only d.Put counts.
// changed holds for each feature the sequence of its last change, as a keyframe file
// has it; tombs are what was dropped before, oldest first. Without changed, as
// on a stream, the world knows no history: Since reaches back to at.Seq only.
func (w *World) Load(at Moment, d Delta, nextID ID, changed []uint64, tombs []Tomb) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.edit++
	w.recorded, w.words, w.todo = nil, newWords(), nil
	e := edit{&View{seq: at.Seq, time: at.Time, nextID: max(1, nextID), seed: maphash.MakeSeed()}, w, w.edit}

	put, seqs := ascending(d.Put, changed)
	if len(put) > 0 {
		e.nextID = max(e.nextID, put[len(put)-1].ID+1)
	}
	tombs = slices.Clone(tombs)
	slices.SortStableFunc(tombs, func(a, b Tomb) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, t := range tombs {
		e.nextID = max(e.nextID, t.ID+1)
		e.tombs.add(e.no, t)
	}
	if changed == nil {
		e.tombs.floor = at.Seq
	} else if len(tombs) >= tombsMax {
		e.tombs.floor = max(e.tombs.floor, tombs[0].Seq)
	}

	// The tree takes as long as everything else together, so it is grown beside.
	points := place(put)
	shift := shiftFor(points)
	sortByCell(points, shift)
	index := &index{tree: new(rtree.RTreeGN[float32, ID]), at: make([]entry, e.nextID)}
	var beside sync.WaitGroup
	order := slices.Clone(points)
	beside.Go(func() { index.grow(put, order) })
	for i, f := range put {
		e.table.put(e.no, f, seqs(i))
		e.hash += Mix(f.ID, f.Rev, f.Fix)
		if f.Due != 0 {
			e.due.insert(e.no, pair{int64(f.Due), uint32(f.ID)})
		}
		e.counts.add(e.no, f.Kind, 1)
		e.setKey(f)
	}
	w.words.maskAll(put, points)
	e.grid = buildGrid(e.no, shift, points)
	e.words = w.words.now.Load()
	beside.Wait()

	w.index.mu.Lock()
	w.index.tree, w.index.at = index.tree, index.at
	w.view.Store(e.View)
	w.index.mu.Unlock()
}
