package geo

import (
	"math"
	"time"
)

// EarthRadius is the mean radius of the Earth in metres (IUGG R1). [Distance] is
// measured on a sphere of it; that is within 0.6 % of the ellipsoid.
const EarthRadius = 6371008.8

// Distance is the great-circle distance from a to b in metres: the haversine on
// a sphere of [EarthRadius], to 12 significant digits.
func Distance(a, b LngLat) float64 {
	o := newOrigin(a)
	return metres(o.hav(b))
}

// NearestMax is the largest K of a [Query]; a larger one is cut to it.
const NearestMax = 100

// Query asks for the units nearest to a place. The zero value of a filter lets
// every unit pass.
type Query struct {
	At           LngLat
	K            int // at most [NearestMax]
	Dispatchable *bool
	Status       string
	Agency       string
	Type         string
	Capability   []string // the unit has all of them
	MaxDistance  float64  // metres, inclusive; zero: no limit
	// Counts tells whether a unit is there at all for who asks; nil: every unit is. It
	// is called for few more units than are found and must not keep the feature.
	Counts func(*Feature) bool
	Now    Millis // what the age of a fix is measured from
	// StaleAfter is the age from which the fix of a unit does not count; zero or
	// less: never. Nil: no fix is ever stale. It is called for few more units than
	// are found, with the unit's current fix, and must not keep the feature.
	StaleAfter func(*Feature) time.Duration
}

// Nearest is the answer to a [Query]: units by [Distance], ties by ID.
//
// Stale counts the units that pass every filter but whose fix is stale, and that
// would stand before the last of Units (or anywhere within MaxDistance, when fewer
// than K were found): those that the answer would be another without.
type Nearest struct {
	Units []Near
	Stale int
}

// Near is one unit of an answer.
type Near struct {
	Feature  *Feature
	Distance float64       // metres
	FixAge   time.Duration // at Query.Now, never negative
}

// Nearest returns the units nearest to a place: exactly those that measuring
// every unit would give.
func (v *View) Nearest(q Query) Nearest {
	if q.K = min(q.K, NearestMax); q.K <= 0 || v.grid.root == nil {
		return Nearest{}
	}
	s := search{view: v, q: &q, origin: newOrigin(q.At), filter: v.words.filter(&q), k: q.K}
	if s.none {
		return Nearest{}
	}
	s.ask = s.ask || q.Counts != nil
	reach := math.Inf(1)
	if q.MaxDistance > 0 && q.MaxDistance < math.Pi*EarthRadius {
		h := math.Sin(q.MaxDistance / EarthRadius / 2)
		reach = h * h * (1 + 1e-9) // a little too far; metres decide in the end
	}
	s.run(reach)
	out := s.answer()
	if out.Stale > 0 && s.n == s.k {
		// Somebody else moves up for every stale one. That is rare enough to search
		// again, now looking at the age of whatever comes close.
		s.judge = true
		s.run(reach)
		out = s.answer()
	}
	return out
}

// search is one run through the grid.
type search struct {
	view   *View
	q      *Query
	origin origin
	filter
	judge bool // look at ages while searching
	k, n  int
	limit float64 // hav beyond which nothing is wanted
	// flatLat·y² + flatLng·x² is no more than the hav of a point that is y and x
	// away in 1e-7 degrees. Half a dozen instructions instead of fifty.
	flatLat, flatLng float64
	found            [NearestMax]nearest // n of them, in order
	stale            []nearest           // seen while judging
	now              *Feature            // the one that is judged, where it is
}

type nearest struct {
	h  float64
	id ID
}

func (a nearest) before(b nearest) bool { return a.h < b.h || a.h == b.h && a.id < b.id }

// worst is the hav that whatever is still to come must not exceed.
func (s *search) worst() float64 {
	if s.n == s.k {
		return s.found[s.n-1].h
	}
	return s.limit
}

// run fills found. It looks at the cells around the origin first: at a block that
// grows until it holds enough, then at what the worst of those found reaches
// beyond. Where units are few, or the filter lets few pass, it goes down the
// tree instead, nearest child first.
func (s *search) run(reach float64) {
	s.n, s.stale, s.limit = 0, s.stale[:0], reach
	g := &s.view.grid
	ux, uy := s.q.At.u()
	cx, cy := int64(ux>>g.shift), int64(uy>>g.shift)
	for done, r := int64(-1), int64(1); r <= blockMax; {
		x0, y0, x1, y1 := (cx-r)<<g.shift, (cy-r)<<g.shift, (cx+r+1)<<g.shift-1, (cy+r+1)<<g.shift-1
		if x0 < 0 || y0 < 0 || x1 > 2*LngMax || y1 > 2*LatMax {
			break // the globe is round there
		}
		s.flatLat, s.flatLng = s.origin.flat((r + 1) << g.shift)
		s.block(g, cx, cy, r, done)
		worst := s.worst()
		if s.origin.beyond(x0, y0, x1, y1) > worst {
			return
		}
		if done = r; s.n == s.k {
			// A cell is narrower than it is high.
			r = max(r+1, int64(math.Sqrt(worst)/(halfE7*max(s.origin.cos, 1e-3)))>>g.shift+1)
		} else if r = 2*r + 1; s.n*8 < s.k {
			break // hopeless
		}
	}
	if s.n == s.k {
		s.limit = min(s.limit, s.found[s.n-1].h)
	}
	s.n, s.stale = 0, s.stale[:0]
	s.flatLat, s.flatLng = 0, 0
	s.walk(g, g.root, uint32(g.levels), 0, 0)
}

// blockMax is how far the block around the origin grows, in cells. Beyond, the
// tree is quicker.
const blockMax = 12

// block scans the cells that are at most r away from the cell cx, cy and
// more than done.
func (s *search) block(g *grid, cx, cy, r, done int64) {
	var n *gridNode
	nx, ny := int64(-1), int64(-1)
	x0, x1, y0, y1 := cx-r, cx+r, cy-r, cy+r
	for py := y0 / gridSide; py <= y1/gridSide; py++ {
		for px := x0 / gridSide; px <= x1/gridSide; px++ {
			if px>>3 != nx || py>>3 != ny {
				nx, ny = px>>3, py>>3
				n = g.bottom(uint32(px), uint32(py))
			}
			if n == nil {
				continue
			}
			i := gridChild(uint32(px), uint32(py), 1)
			if n.has&(1<<i) == 0 || n.sum[i]&s.need != s.need {
				continue
			}
			p := n.page[i]
			west, south := px*gridSide, py*gridSide
			from, to := max(x0, west), min(x1, west+gridSide-1)
			if from >= cx-done && to <= cx+done && south >= cy-done && south+gridSide-1 <= cy+done {
				continue
			}
			for y := max(y0, south); y <= min(y1, south+gridSide-1); y++ {
				row := (y-south)*gridSide - west
				if y < cy-done || y > cy+done {
					s.scan(p.run(int(row+from), int(row+to)))
					continue
				}
				if from < cx-done {
					s.scan(p.run(int(row+from), int(row+min(to, cx-done-1))))
				}
				if to > cx+done {
					s.scan(p.run(int(row+max(from, cx+done+1)), int(row+to)))
				}
			}
		}
	}
}

// bottom returns the node that holds the page, or nil.
func (g *grid) bottom(px, py uint32) *gridNode {
	n := g.root
	for level := uint32(g.levels); level > 1 && n != nil; level-- {
		n = n.kid[gridChild(px, py, level)]
	}
	return n
}

// walk goes down from a node whose first page is px, py.
func (s *search) walk(g *grid, n *gridNode, level uint32, px, py int64) {
	var near [64]struct {
		h float64
		i int
	}
	found := 0
	wide := uint(3*(level-1)) + g.shift + 2 // a child is 1<<wide across
	x0, y0 := px<<(g.shift+2), py<<(g.shift+2)
	for i := range 64 {
		if n.has&(1<<i) == 0 || n.sum[i]&s.need != s.need {
			continue
		}
		x, y := x0+int64(i&7)<<wide, y0+int64(i>>3)<<wide
		h := s.origin.within(x, y, x+1<<wide-1, y+1<<wide-1)
		if h > s.worst() {
			continue
		}
		j := found
		for ; j > 0 && near[j-1].h > h; j-- {
			near[j] = near[j-1]
		}
		near[j].h, near[j].i = h, i
		found++
	}
	for _, c := range near[:found] {
		if c.h > s.worst() {
			return
		}
		if level > 1 {
			step := uint(3 * (level - 1))
			s.walk(g, n.kid[c.i], level-1, px+int64(c.i&7)<<step, py+int64(c.i>>3)<<step)
		} else {
			s.scan(n.page[c.i].at)
		}
	}
}

// scan looks at points. No point that the bound excludes is measured; see flat.
func (s *search) scan(points []gridPoint) {
	worst := s.worst()
	for i := range points {
		p := &points[i]
		if (p.mask^s.want)&s.care != 0 {
			continue
		}
		y, x := float64(int64(p.at.Lat)-int64(s.origin.at.Lat)), float64(int64(p.at.Lng)-int64(s.origin.at.Lng))
		if y*y*s.flatLat+x*x*s.flatLng > worst {
			continue
		}
		c := nearest{s.origin.hav(p.at), p.id}
		if c.h > worst || s.n == s.k && !c.before(s.found[s.n-1]) {
			continue
		}
		if (s.ask || s.judge) && !s.passes(c) {
			continue
		}
		j := s.n
		if j == s.k {
			j--
		} else {
			s.n++
		}
		for ; j > 0 && c.before(s.found[j-1]); j-- {
			s.found[j] = s.found[j-1]
		}
		s.found[j] = c
		worst = s.worst()
	}
}

// passes decides what a mask cannot.
func (s *search) passes(c nearest) bool {
	f, x, _ := s.view.table.row(c.id)
	if s.ask && !s.q.matches(f) {
		return false
	}
	if !s.judge {
		return true
	}
	if f.Fix != *x {
		if s.now == nil {
			s.now = new(Feature)
		}
		*s.now = *f
		s.now.Fix = *x
		f = s.now
	}
	if s.q.isStale(f) {
		s.stale = append(s.stale, c)
		return false
	}
	return true
}

func (q *Query) age(f *Feature) time.Duration {
	return max(0, time.Duration(q.Now-f.Fix.Time)*time.Millisecond)
}

func (q *Query) isStale(f *Feature) bool {
	if q.StaleAfter == nil {
		return false
	}
	after := q.StaleAfter(f)
	return after > 0 && q.age(f) >= after
}

// answer makes the answer of what run found.
func (s *search) answer() Nearest {
	n, moved := 0, 0
	for ; n < s.n; n++ {
		if s.q.MaxDistance > 0 && metres(s.found[n].h) > s.q.MaxDistance {
			break
		}
		// No branch on what is read here: the cache misses of all overlap.
		f, x, _ := s.view.table.row(s.found[n].id)
		was := 0
		if f.Fix.Time != x.Time {
			was = 1
		}
		moved += was
	}
	out := Nearest{Units: make([]Near, 0, n)}
	now := make([]Feature, 0, moved)
	for _, c := range s.found[:n] {
		f, x, _ := s.view.table.row(c.id)
		if f.Fix != *x {
			now = append(now, *f)
			f = &now[len(now)-1]
			f.Fix = *x
		}
		if s.q.isStale(f) {
			out.Stale++
			continue
		}
		out.Units = append(out.Units, Near{f, metres(c.h), s.q.age(f)})
	}
	for _, c := range s.stale {
		if (s.n < s.k || c.before(s.found[s.n-1])) && (s.q.MaxDistance <= 0 || metres(c.h) <= s.q.MaxDistance) {
			out.Stale++
		}
	}
	return out
}
