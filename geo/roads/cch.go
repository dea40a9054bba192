package roads

import (
	"math/bits"
	"slices"
)

// A hierarchy is the part of a customizable contraction hierarchy (Dibbelt, Strasser and Wagner
// 2016; with turn costs Buchhold, Wagner, Zeitz and Zündorf 2020) that knows no times: the
// states by rank, and for each the higher states that one may have to go to straight: its own
// neighbours and those that it leaves behind to be joined when it is taken out, the lowest
// first. It is chordal: what two arcs up from a state lead to is joined by an arc too.
//
// In this file a vertex is the rank of a state.
type hierarchy struct {
	state []uint32 // by vertex
	rank  []uint32 // by state
	first []uint32 // by vertex, one more: its arcs up
	head  []uint32 // by arc up, ascending for each vertex; the first is the parent in the elimination tree
	// The arcs by their head instead.
	downFirst []uint32
	downTail  []uint32
	downArc   []uint32
	// by arc of the network, in the order of ins: the arc up that it lies on. From is lower: it goes up.
	lies []uint32
}

// noArc is where an arc of the network lies that leads back to its own state: nowhere.
const noArc = 1<<32 - 1

// times is what a hierarchy knows of one profile: by arc, the time up and down.
type times struct{ up, down []uint32 }

func newHierarchy(n *network, order []uint32) *hierarchy {
	size := len(order)
	h := &hierarchy{state: order, rank: make([]uint32, size), first: make([]uint32, size+1), head: make([]uint32, 0, 8*size)}
	for v, s := range order {
		h.rank[s] = uint32(v)
	}
	child, sibling := make([]uint32, size), make([]uint32, size) // one more than the vertex; 0 is none
	var list, merged []uint32
	for v, s := range order {
		list = list[:0]
		for _, arcs := range [...][]arc{n.outs[n.outFirst[s]:n.outFirst[s+1]], n.ins[n.inFirst[s]:n.inFirst[s+1]]} {
			for _, a := range arcs {
				if u := h.rank[a.state()]; u > uint32(v) {
					list = append(list, u)
				}
			}
		}
		slices.Sort(list)
		list = slices.Compact(list)
		for c := child[v]; c != 0; c = sibling[c-1] {
			merged = union(merged[:0], list, h.head[h.first[c-1]+1:h.first[c]])
			list, merged = merged, list
		}
		h.head = append(h.head, list...)
		h.first[v+1] = uint32(len(h.head))
		if len(list) > 0 {
			sibling[v], child[list[0]] = child[list[0]], uint32(v)+1
		}
	}

	h.downFirst = make([]uint32, size+1)
	for _, u := range h.head {
		h.downFirst[u+1]++
	}
	for v := range size {
		h.downFirst[v+1] += h.downFirst[v]
	}
	h.downTail, h.downArc = make([]uint32, len(h.head)), make([]uint32, len(h.head))
	next := slices.Clone(h.downFirst)
	for v := range uint32(size) {
		for a := h.first[v]; a < h.first[v+1]; a++ {
			u := h.head[a]
			h.downTail[next[u]], h.downArc[next[u]] = v, a
			next[u]++
		}
	}

	h.lies = make([]uint32, len(n.ins))
	for s := range uint32(size) {
		for i := n.inFirst[s]; i < n.inFirst[s+1]; i++ {
			h.lies[i] = noArc
			if from, to := h.rank[n.ins[i].state()], h.rank[s]; from != to {
				h.lies[i] = h.arc(min(from, to), max(from, to))
			}
		}
	}
	return h
}

// union merges two ascending lists.
func union(to, a, b []uint32) []uint32 {
	for len(a) > 0 && len(b) > 0 {
		x, y := a[0], b[0]
		if x <= y {
			a = a[1:]
		}
		if y <= x {
			b = b[1:]
		}
		to = append(to, min(x, y))
	}
	return append(append(to, a...), b...)
}

// arc is the arc up from v to u, which must be there.
func (h *hierarchy) arc(v, u uint32) uint32 {
	i, _ := slices.BinarySearch(h.head[h.first[v]:h.first[v+1]], u)
	return h.first[v] + uint32(i)
}

// customize finds the times of all arcs: of each, the least of its own and of what two arcs over
// a lower vertex take. One pass over the triangles, from the lowest vertex up.
func (h *hierarchy) customize(n *network, m *metric) *times {
	t := &times{make([]uint32, len(h.head)), make([]uint32, len(h.head))}
	up, down := t.up, t.down
	for a := range up {
		up[a], down[a] = never, never
	}
	for s := range uint32(n.states()) {
		for i := n.inFirst[s]; i < n.inFirst[s+1]; i++ {
			h.own(n, m, s, i, up, down)
		}
	}
	first, head := h.first, h.head
	for v := range len(first) - 1 {
		heads := head[first[v]:first[v+1]]
		ups, downs := up[first[v]:first[v+1]], down[first[v]:first[v+1]]
		for i, u := range heads {
			to, from := ups[i], downs[i] // from v to u, from u to v
			if to == never && from == never {
				continue
			}
			// The heads beyond u are heads of u too.
			a := first[u]
			for k := i + 1; k < len(heads); k++ {
				for head[a] != heads[k] {
					a++
				}
				up[a] = min(up[a], from+ups[k])
				down[a] = min(down[a], downs[k]+to)
			}
		}
	}
	return t
}

// own lowers the arc on which the i-th arc of the network lies, which leads into s, to its own time.
func (h *hierarchy) own(n *network, m *metric, s, i uint32, up, down []uint32) {
	a := h.lies[i]
	if a == noArc {
		return
	}
	c := min(never, m.turn[n.ins[i].kind()]+m.weight[s])
	if h.rank[n.ins[i].state()] < h.rank[s] {
		up[a] = min(up[a], c)
	} else {
		down[a] = min(down[a], c)
	}
}

// recustomize finds the times after the weights of some states have changed, from the times
// before. It follows a change from arc to arc, but only to those that the changed arc was the best
// way for, or is now. Arcs are numbered from the lowest vertex up and a change moves only
// upward, so a set of bits is the queue.
func (h *hierarchy) recustomize(n *network, m *metric, old *times, states []uint32) *times {
	t := &times{slices.Clone(old.up), slices.Clone(old.down)}
	queue := make([]uint64, len(h.head)/64+1)
	for _, s := range states {
		for _, a := range h.lies[n.inFirst[s]:n.inFirst[s+1]] {
			if a != noArc {
				queue[a/64] |= 1 << (a % 64)
			}
		}
	}
	var changed []uint32
	for w := 0; w < len(queue); {
		if queue[w] == 0 {
			w++
			continue
		}
		a := uint32(w*64 + bits.TrailingZeros64(queue[w]))
		i, _ := slices.BinarySearch(h.first, a+1)
		v := uint32(i - 1)
		changed = changed[:0]
		for ; a < h.first[v+1]; a++ {
			if queue[a/64]&(1<<(a%64)) == 0 {
				continue
			}
			queue[a/64] &^= 1 << (a % 64)
			t.up[a], t.down[a] = h.time(n, m, t, v, a)
			if t.up[a] != old.up[a] || t.down[a] != old.down[a] {
				changed = append(changed, a)
			}
		}
		for _, c := range changed {
			over := h.first[h.head[c]]
			for b := h.first[v]; b < h.first[v+1]; b++ {
				low, high := min(b, c), max(b, c)
				var a uint32
				switch {
				case b < c:
					a = h.arc(h.head[b], h.head[c])
				case b > c:
					for h.head[over] != h.head[b] {
						over++
					}
					a = over
				default:
					continue
				}
				differs := func(was, is, before uint32) bool {
					return was != is && (is < before || was == before)
				}
				if differs(min(never, old.down[low]+old.up[high]), t.down[low]+t.up[high], old.up[a]) ||
					differs(min(never, old.down[high]+old.up[low]), t.down[high]+t.up[low], old.down[a]) {
					queue[a/64] |= 1 << (a % 64)
				}
			}
		}
	}
	return t
}

// time works out the time of arc a up from v, and down, from its own and from those of lower vertices.
func (h *hierarchy) time(n *network, m *metric, t *times, v, a uint32) (up, down uint32) {
	u := h.head[a]
	own := func(from, to uint32) uint32 {
		for _, in := range n.ins[n.inFirst[to]:n.inFirst[to+1]] {
			if in.state() == from {
				return min(never, m.turn[in.kind()]+m.weight[to])
			}
		}
		return never
	}
	up, down = own(h.state[v], h.state[u]), own(h.state[u], h.state[v])
	i, j := h.downFirst[v], h.downFirst[u]
	for i < h.downFirst[v+1] {
		switch x, y := h.downTail[i], h.downTail[j]; {
		case x < y:
			i++
		case x > y:
			j++ // ends at v, the lowest of whose tails is not
		default:
			b, c := h.downArc[i], h.downArc[j] // to v and to u, from the same lower vertex
			up = min(up, t.down[b]+t.up[c])
			down = min(down, t.down[c]+t.up[b])
			i++
			j++
		}
	}
	return up, down
}
