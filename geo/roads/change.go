package roads

import (
	"cmp"
	"slices"
)

// Change is what a closure or slow traffic does to an edge: its speed is Factor times as high;
// 0 closes it, as does what is no number.
type Change struct {
	Edge   EdgeID
	Factor float64
}

// merge sorts changes by edge and keeps the least factor of each; those that change nothing go, and
// those of edges that are none.
func merge(changes []Change, edges int) []Change {
	out := make([]Change, 0, len(changes))
	for _, c := range changes {
		if !(c.Factor > 0) {
			c.Factor = 0
		}
		if int64(c.Edge) < int64(edges) {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b Change) int { return cmp.Or(cmp.Compare(a.Edge, b.Edge), cmp.Compare(a.Factor, b.Factor)) })
	out = slices.CompactFunc(out, func(a, b Change) bool { return a.Edge == b.Edge })
	return slices.DeleteFunc(out, func(c Change) bool { return c.Factor == 1 })
}

// differing gives the edges of which one list says something else than the other, both merged.
func differing(a, b []Change) (edges []EdgeID) {
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Edge < b[0].Edge:
			edges, a = append(edges, a[0].Edge), a[1:]
		case len(a) == 0 || b[0].Edge < a[0].Edge:
			edges, b = append(edges, b[0].Edge), b[1:]
		default:
			if a[0].Factor != b[0].Factor {
				edges = append(edges, a[0].Edge)
			}
			a, b = a[1:], b[1:]
		}
	}
	return edges
}

// scaled is a weight at a factor of the speed.
func scaled(weight uint32, factor float64) uint32 {
	switch w := float64(weight) / factor; {
	case weight >= never || !(w < never): // closed: a division by zero
		return never
	default:
		return max(uint32(w+0.5), 1)
	}
}
