package geo

import (
	"cmp"
	"runtime"
	"slices"
	"sync"
)

// ascending returns the features in ID order, the last of an ID, and the seq of
// the last change of each.
func ascending(put []*Feature, changed []uint64) ([]*Feature, func(int) uint64) {
	seqs := func(i int) uint64 {
		if i < len(changed) {
			return changed[i]
		}
		return put[i].Rev
	}
	if slices.IsSortedFunc(put, func(a, b *Feature) int { return cmp.Or(cmp.Compare(a.ID, b.ID), -1) }) {
		return put, seqs
	}
	order := make([]int, len(put))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(put[a].ID, put[b].ID), cmp.Compare(b, a)) })
	order = slices.CompactFunc(order, func(a, b int) bool { return put[a].ID == put[b].ID })
	sorted := make([]*Feature, len(order))
	for i, j := range order {
		sorted[i] = put[j]
	}
	return sorted, func(i int) uint64 { return seqs(order[i]) }
}

// place returns the points of the units that have a place, in ID order. Their
// mask is for now their index in put.
func place(put []*Feature) []gridPoint {
	n := 0
	for _, f := range put {
		if f.Kind == Unit && f.Fix.Placed() {
			n++
		}
	}
	points := make([]gridPoint, 0, n)
	for i, f := range put {
		if f.Kind == Unit && f.Fix.Placed() {
			points = append(points, gridPoint{f.Fix.At, f.ID, mask(i)})
		}
	}
	return points
}

// maskAll makes the masks of points that know their index in put, on all
// processors: reading the properties of a million units takes one of them a third of
// a second.
func (w *words) maskAll(put []*Feature, points []gridPoint) {
	const share = 4096
	var wg sync.WaitGroup
	workers := min(runtime.GOMAXPROCS(0), len(points)/share+1)
	for i := range workers {
		part := points[i*len(points)/workers : (i+1)*len(points)/workers]
		wg.Go(func() {
			for i := range part {
				part[i].mask = w.mask(put[part[i].mask].Props)
			}
		})
	}
	wg.Wait()
}

// shiftFor chooses the size of a cell.
func shiftFor(points []gridPoint) uint {
	var sample []LngLat
	for _, q := range points {
		if sampled(q.id, len(points)) {
			sample = append(sample, q.at)
		}
	}
	return bestShift(crowd(sample, len(points)))
}

// grow fills an empty tree with features. The points of units come along a curve
// and with their index in put: a tree that grows where it grew last is twice as quick.
func (t *index) grow(put []*Feature, units []gridPoint) {
	enter := func(f *Feature) {
		e := entryOf(f, &f.Fix)
		t.at[f.ID] = e
		if e.how != entryNone {
			r := e.rect(f)
			t.tree.Insert(r.min, r.max, f.ID)
		}
	}
	for _, f := range put {
		if f.Kind != Unit || !f.Fix.Placed() {
			enter(f)
		}
	}
	for _, q := range units {
		enter(put[q.mask])
	}
}
