package city

import (
	"math"
	"slices"

	"github.com/paulmach/orb"
	"github.com/paulmach/osm"
)

// gapMetresMax is how far apart the ends of a broken ring may lie to be joined: a slip of the
// mapper's mouse, not a missing street.
const gapMetresMax = 30

// broken says what was wrong with the rings of a relation.
type broken struct {
	closedGap  int // rings closed over a gap of a few metres
	closedOut  int // rings cut by the edge of the extract, closed outside the map
	open       int // rings that do not close, left out
	strayInner int // holes without a body round them, left out
	missing    int // member ways that the extract does not have
}

// area assembles the area of a multipolygon or boundary relation, with its holes. It is nil
// when no ring closes. Rings that the edge of the extract cuts are closed only where that cannot
// be seen, outside clip.
func (x *extract) area(r *relation, clip orb.Bound) (orb.MultiPolygon, broken) {
	var outer, inner []orb.LineString
	var bad broken
	for _, m := range r.members {
		if m.Type != osm.TypeWay {
			continue
		}
		w, ok := x.way(m.Ref)
		if !ok {
			bad.missing++
			continue
		}
		line, whole := x.line(w)
		if !whole {
			bad.missing++
		}
		if len(line) < 2 {
			continue
		}
		switch m.Role {
		case "inner":
			inner = append(inner, line)
		case "", "outer":
			outer = append(outer, line)
		}
	}
	bodies, holes := rings(outer, clip, &bad), rings(inner, clip, &bad)
	if len(bodies) == 0 {
		return nil, bad
	}
	// Small bodies first, so that a hole goes to the innermost body that holds it.
	slices.SortStableFunc(bodies, func(a, b orb.Ring) int {
		return int(math.Copysign(1, math.Abs(twiceArea(a))-math.Abs(twiceArea(b))))
	})
	out := make(orb.MultiPolygon, len(bodies))
	for i, b := range bodies {
		out[i] = orb.Polygon{b}
	}
	for _, h := range holes {
		i := slices.IndexFunc(bodies, func(b orb.Ring) bool { return ringHolds(b, h) })
		if i < 0 {
			bad.strayInner++
			continue
		}
		out[i] = append(out[i], h)
	}
	return out, bad
}

// ringHolds says whether the hole h lies in the body b. They may touch in points, so the
// majority of the hole's corners and edge middles decides.
func ringHolds(b, h orb.Ring) bool {
	if !b.Bound().Intersects(h.Bound()) {
		return false
	}
	in, n := 0, 0
	body := orb.MultiPolygon{{b}}
	for i := 1; i < len(h) && n < 32; i++ {
		if contains(body, orb.Point{(h[i-1][0] + h[i][0]) / 2, (h[i-1][1] + h[i][1]) / 2}) {
			in++
		}
		n++
	}
	return 2*in > n
}

// rings joins lines end to end into closed rings. Where more than two lines meet, a ring is cut
// off as soon as it closes, so that rings which touch in a point come out apart.
func rings(lines []orb.LineString, clip orb.Bound, bad *broken) []orb.Ring {
	at := map[orb.Point][]int{}
	for i, l := range lines {
		at[l[0]] = append(at[l[0]], i)
		if end := l[len(l)-1]; end != l[0] {
			at[end] = append(at[end], i)
		}
	}
	used := make([]bool, len(lines))
	var out []orb.Ring
	var open []orb.LineString
	keep := func(r orb.LineString) {
		if len(r) >= 4 && twiceArea(r) != 0 {
			out = append(out, orb.Ring(r))
		}
	}
	for i := range lines {
		if used[i] {
			continue
		}
		used[i] = true
		chain := slices.Clone(lines[i])
		joints := []int{0, len(chain) - 1} // positions in chain where lines meet
		for {
			end := chain[len(chain)-1]
			// Did the end come back to a joint? Then that loop is a ring.
			if k := slices.IndexFunc(joints[:len(joints)-1], func(j int) bool { return chain[j] == end }); k >= 0 {
				from := joints[k]
				keep(slices.Clone(chain[from:]))
				chain, joints = chain[:from+1], joints[:k+1]
				if from == 0 {
					chain = nil
					break
				}
				continue
			}
			next := -1
			for _, j := range at[end] {
				if !used[j] {
					next = j
					break
				}
			}
			if next < 0 {
				break
			}
			used[next] = true
			l := lines[next]
			if l[0] != end {
				l = reversedLine(l)
			}
			chain = append(chain, l[1:]...)
			joints = append(joints, len(chain)-1)
		}
		if len(chain) > 1 {
			open = append(open, chain)
		}
	}
	for _, r := range joinOpen(open) {
		a, b := r[0], r[len(r)-1]
		switch {
		case metres(a, b) <= gapMetresMax:
			bad.closedGap++
		case !clip.Contains(a) && !clip.Contains(b) && !segmentMeets(a, b, clip):
			bad.closedOut++
		default:
			bad.open++
			continue
		}
		keep(append(r, a))
	}
	return out
}

// openMax bounds the search for ends that nearly meet, which looks at every pair: a relation with
// more open chains than this is not a slip but half a country.
const openMax = 256

// joinOpen joins open chains whose ends nearly meet, and chains that a search from the wrong end split.
func joinOpen(open []orb.LineString) []orb.LineString {
	if len(open) > openMax {
		return open
	}
	for again := true; again; {
		again = false
	search:
		for i := range open {
			for j := i + 1; j < len(open); j++ {
				a, b := open[i], open[j]
				var joined orb.LineString
				near := func(p, q orb.Point) bool { return metres(p, q) <= gapMetresMax }
				switch {
				case near(a[len(a)-1], b[0]):
					joined = append(slices.Clone(a), b...)
				case near(a[len(a)-1], b[len(b)-1]):
					joined = append(slices.Clone(a), reversedLine(b)...)
				case near(a[0], b[len(b)-1]):
					joined = append(slices.Clone(b), a...)
				case near(a[0], b[0]):
					joined = append(reversedLine(b), a...)
				default:
					continue
				}
				open[i] = slices.CompactFunc(joined, func(p, q orb.Point) bool { return p == q })
				open = slices.Delete(open, j, j+1)
				again = true
				break search
			}
		}
	}
	return open
}

// segmentMeets says whether a-b touches the box.
func segmentMeets(a, b orb.Point, box orb.Bound) bool {
	t0, t1 := 0.0, 1.0
	for k := range 2 {
		d := b[k] - a[k]
		lo, hi := box.Min[k]-a[k], box.Max[k]-a[k]
		if d == 0 {
			if lo > 0 || hi < 0 {
				return false
			}
			continue
		}
		lo, hi = lo/d, hi/d
		t0, t1 = math.Max(t0, math.Min(lo, hi)), math.Min(t1, math.Max(lo, hi))
	}
	return t0 <= t1
}
