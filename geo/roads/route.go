package roads

import "slices"

// router is the scratch of one search. A stamp says which search wrote an entry, so nothing
// has to be cleared between searches.
type router struct {
	stamp   uint32
	stamps  []uint32
	seconds []float64
	via     []uint32 // the edge by which a node was reached
	from    []uint32 // its tail
	heap    []queued
}

type queued struct {
	bound float64 // seconds so far plus the least that is left
	node  uint32
}

func newRouter(nodes int) *router {
	return &router{stamps: make([]uint32, nodes), seconds: make([]float64, nodes),
		via: make([]uint32, nodes), from: make([]uint32, nodes)}
}

// Route is the fastest way to drive from one node to another, never against a one-way street: its edges in order and the
// seconds they take. It is false when there is no way. Plain A* with a straight-line bound; it
// keeps its scratch, so that a call allocates only its answer. It panics on a node that does
// not exist.
func (g *Graph) Route(from, to NodeID) (edges []EdgeID, seconds float64, ok bool) {
	r := g.scratch.Get().(*router)
	defer g.scratch.Put(r)
	if r.stamp++; r.stamp == 0 { // wrapped: old stamps could look new
		clear(r.stamps)
		r.stamp = 1
	}
	goal := g.xyz[to]
	// A metre less, and a hair faster, so that rounding never makes the bound a lie.
	bound := func(n uint32) float64 { return max(0, chord(g.xyz[n], goal)-1) / (g.maxSpeed * 1.000001) }

	r.heap = r.heap[:0]
	r.stamps[from], r.seconds[from] = r.stamp, 0
	r.push(queued{bound(uint32(from)), uint32(from)})
	for len(r.heap) > 0 {
		q := r.pop()
		u := q.node
		if u == uint32(to) {
			for n := u; n != uint32(from); n = r.from[n] {
				edges = append(edges, EdgeID(r.via[n]))
			}
			slices.Reverse(edges)
			return edges, r.seconds[u], true
		}
		if q.bound > r.seconds[u]+bound(u) {
			continue // a better way here was found after this was queued
		}
		for i := g.first[u]; i < g.first[u+1]; i++ {
			e := &g.edges[i]
			if g.flags[i]&Against != 0 {
				continue
			}
			s := r.seconds[u] + float64(e.seconds)
			if r.stamps[e.to] == r.stamp && r.seconds[e.to] <= s {
				continue
			}
			r.stamps[e.to], r.seconds[e.to], r.via[e.to], r.from[e.to] = r.stamp, s, i, u
			r.push(queued{s + bound(e.to), e.to})
		}
	}
	return nil, 0, false
}

// less breaks ties by node, so that equal ways are always chosen alike.
func (a queued) less(b queued) bool {
	return a.bound < b.bound || a.bound == b.bound && a.node < b.node
}

func (r *router) push(q queued) {
	r.heap = append(r.heap, q)
	h, i := r.heap, len(r.heap)-1
	for i > 0 {
		p := (i - 1) / 2
		if !h[i].less(h[p]) {
			break
		}
		h[i], h[p] = h[p], h[i]
		i = p
	}
}

func (r *router) pop() queued {
	h := r.heap
	top, n := h[0], len(h)-1
	h[0] = h[n]
	h = h[:n]
	for i := 0; ; {
		c := 2*i + 1
		if c >= n {
			break
		}
		if c+1 < n && h[c+1].less(h[c]) {
			c++
		}
		if !h[c].less(h[i]) {
			break
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
	r.heap = h
	return top
}
