package api

import (
	"slices"
	"sync"
	"sync/atomic"

	"rasad/geo"
)

// traits are what questions ask of a unit, read once from its properties: a search by
// road asks them of thousands of units, and reading costs more than the search.
type traits struct {
	rev                  uint64 // of the feature that they are of
	unit, dispatchable   bool
	status, agency, kind string
	capabilities         []string
	means                Means
	staleAfter           geo.Millis // 0: never
}

// traitTable keeps traits by the number of the feature.
type traitTable struct {
	mu     sync.Mutex // of who makes it longer
	chunks atomic.Pointer[[]*traitChunk]
}

const traitChunkLen = 1024

type traitChunk [traitChunkLen]atomic.Pointer[traits]

// slot is where the traits of a feature are kept.
func (t *traitTable) slot(id geo.ID) *atomic.Pointer[traits] {
	n := int(id) / traitChunkLen
	chunks := t.chunks.Load()
	if chunks == nil || n >= len(*chunks) {
		t.mu.Lock()
		defer t.mu.Unlock()
		var longer []*traitChunk
		if chunks = t.chunks.Load(); chunks != nil {
			longer = slices.Clone(*chunks)
		}
		for len(longer) <= n {
			longer = append(longer, new(traitChunk))
		}
		chunks = &longer
		t.chunks.Store(chunks)
	}
	return &(*chunks)[n][int(id)%traitChunkLen]
}

// traitsOf returns the traits of a feature as it was put.
func (a *API) traitsOf(f *geo.Feature) *traits {
	slot := a.traits.slot(f.ID)
	if t := slot.Load(); t != nil && t.rev == f.Rev {
		return t
	}
	p := f.Props
	t := &traits{rev: f.Rev, unit: f.Kind == geo.Unit, dispatchable: p.Bool("dispatchable"), status: p.Text("status"), agency: p.Text("agency"),
		kind: p.Text("type"), capabilities: p.Texts("capabilities"), staleAfter: geo.Millis(a.stale.after(f).Milliseconds())}
	t.means = a.Reach.Kind(t.kind)
	slot.Store(t)
	return t
}

// fits tells whether a unit is one that the question is about.
func (q *question) fits(t *traits) bool {
	if !t.unit || q.Dispatchable != nil && t.dispatchable != *q.Dispatchable ||
		q.Status != "" && t.status != q.Status || q.Agency != "" && t.agency != q.Agency || q.Type != "" && t.kind != q.Type {
		return false
	}
	for _, c := range q.Capability {
		if !slices.Contains(t.capabilities, c) {
			return false
		}
	}
	return true
}
