package coverage

import (
	"cmp"
	"math"
	"slices"

	"rasad/geo"
	"rasad/geo/roads"
)

// Post is a place where a unit may wait.
type Post struct {
	ID string // the caller's own
	At geo.LngLat
}

// Move is a move-up: a unit that should go and wait at a post.
type Move struct {
	Unit    uint32
	Post    int     // index in the posts that were given
	Gain    float64 // of the covered share, after the moves before it; what the unit leaves uncovered is taken off
	Seconds float64 // to drive there
}

// MoveUps says which units should go to which posts so that the standard is met for more of the demand.
// Each move is the best one after those before it, by what the city has after it; of equal ones that
// with the shortest drive. Moves that gain nothing are left out; a unit moves once, and a post takes one.
// No choice of at most most moves gains more than bound, of the share: how far off the best the moves
// can be.
func (v *View) MoveUps(s Standard, posts []Post, most int) (moves []Move, bound float64) {
	units := v.who(s)
	most = min(most, len(units), len(posts))
	if most <= 0 || v.ground.total == 0 {
		return nil, 0
	}
	m := newMoving(v, s, units, posts)
	upper := m.bound(most)
	for range most {
		u, p, gain, seconds := m.best()
		if gain <= 0 {
			break
		}
		moves = append(moves, Move{units[u].id, p, float64(gain) / float64(v.ground.total), seconds})
		m.move(u, p)
	}
	return moves, float64(upper) / float64(v.ground.total)
}

// moving is the state of one search for moves.
type moving struct {
	v      *View
	s      Standard
	depth  roads.Cost
	units  []*unit
	posts  []Post
	counts []uint32 // by cell, as the moves so far leave them
	movers []mover
	of     []int           // by unit: its mover
	reach  [][]*reach      // by mover, by post
	sent   []bool          // by unit
	taken  []bool          // by post
	owner  []int32         // by cell: the unit that alone covers it, plus one
	barred map[[2]int]bool // units and posts to which no road leads them
}

func newMoving(v *View, s Standard, units []*unit, posts []Post) *moving {
	m := &moving{v: v, s: s, depth: s.depth(), units: units, posts: posts, counts: slices.Clone(v.tally(s).counts),
		of: make([]int, len(units)), sent: make([]bool, len(units)), taken: make([]bool, len(posts)), owner: make([]int32, len(v.ground.weight)),
		barred: map[[2]int]bool{}}
	for i, u := range units {
		k := slices.Index(m.movers, u.mover())
		if k < 0 {
			k = len(m.movers)
			m.movers = append(m.movers, u.mover())
		}
		m.of[i] = k
	}
	m.reach = make([][]*reach, len(m.movers))
	for k := range m.movers {
		m.reach[k] = make([]*reach, len(posts))
	}
	each(len(m.movers)*len(posts), func(i int) {
		k, p := i/len(posts), i%len(posts)
		m.reach[k][p] = v.fromPost(posts[p].At, m.movers[k], s)
	})
	return m
}

// postsMax bounds what a view remembers of posts.
const postsMax = 1 << 12

// fromPost returns what a unit would reach from a post. Posts stand where they stand, so it is kept.
func (v *View) fromPost(at geo.LngLat, by mover, s Standard) *reach {
	u := &Unit{At: at, Heading: math.NaN(), Profile: by.profile, Line: by.line, OffRoad: by.off}
	if s.Line || by.off {
		return v.reach(u, true, s.depth())
	}
	key := post{at, by.profile}
	v.routed.mu.Lock()
	kept := v.posts[key]
	v.routed.mu.Unlock()
	if kept != nil && kept.depth >= s.depth() {
		return kept
	}
	found := v.reach(u, false, s.depth())
	v.routed.mu.Lock()
	if len(v.posts) < postsMax {
		v.posts[key] = found
	}
	v.routed.mu.Unlock()
	return found
}

// own finds for each cell that one unit alone covers which it is.
func (m *moving) own() {
	clear(m.owner)
	for u, unit := range m.units {
		if m.sent[u] {
			continue // it stays where it was sent
		}
		for _, h := range m.v.reachOf(unit, m.s).hits {
			if h.at <= m.depth && m.counts[h.cell] == 1 {
				m.owner[h.cell] = int32(u) + 1
			}
		}
	}
}

// best returns the unit and the post whose move gains most, what it gains, and the drive there. It gains nothing
// when no move does.
func (m *moving) best() (unit, post int, gain int64, seconds float64) {
	m.own()
	for {
		equal, gain := m.top()
		if gain <= 0 {
			return 0, 0, 0, 0
		}
		seconds = math.Inf(1)
		for _, e := range equal {
			if t := m.seconds(e[0], e[1]); t < seconds {
				unit, post, seconds = e[0], e[1], t
			}
		}
		if !math.IsInf(seconds, 1) {
			return unit, post, gain, seconds
		}
		for _, e := range equal {
			m.barred[e] = true
		}
	}
}

// top returns the moves that gain most, and what they gain.
func (m *moving) top() (equal [][2]int, gain int64) {
	w := m.v.ground.weight
	loses := make([]int64, len(m.units)) // what nobody covers when the unit has gone
	for c, u := range m.owner {
		if u > 0 {
			loses[u-1] += w[c]
		}
	}
	keeps := make([]int64, len(m.units)) // of that, what it covers from the post as well
	for k := range m.movers {
		for p := range m.posts {
			if m.taken[p] {
				continue
			}
			fresh := int64(0)
			clear(keeps)
			for _, h := range m.reach[k][p].hits {
				if h.at > m.depth {
					continue
				}
				if m.counts[h.cell] == 0 {
					fresh += w[h.cell]
				} else if u := m.owner[h.cell]; u > 0 {
					keeps[u-1] += w[h.cell]
				}
			}
			for u := range m.units {
				pair := [2]int{u, p}
				if m.of[u] != k || m.sent[u] || m.barred[pair] {
					continue
				}
				g := fresh - loses[u] + keeps[u]
				if len(equal) == 0 || g > gain {
					equal, gain = equal[:0], g
				}
				if g == gain {
					equal = append(equal, pair)
				}
			}
		}
	}
	return equal, gain
}

// move sends a unit to a post.
func (m *moving) move(u, p int) {
	add := func(hits []hit, by int32) {
		for _, h := range hits {
			if h.at <= m.depth {
				m.counts[h.cell] += uint32(by)
			}
		}
	}
	add(m.v.reachOf(m.units[u], m.s).hits, -1)
	add(m.reach[m.of[u]][p].hits, 1)
	m.sent[u], m.taken[p] = true, true
}

// seconds is how long a unit drives to a post; +Inf when no road leads there.
func (m *moving) seconds(u, p int) float64 {
	unit := m.units[u]
	if unit.OffRoad || m.s.Line {
		return geo.Distance(unit.At, m.posts[p].At) / unit.Line
	}
	r := m.v.router
	from, _ := r.Stop(unit.Profile, unit.At, unit.Heading)
	to, _ := r.Stop(unit.Profile, m.posts[p].At, math.NaN())
	t, _ := r.Time(unit.Profile, from, to)
	return t.Seconds()
}

// bound is more than any choice of at most most moves can gain.
//
// Covering more is submodular: what a set of posts adds is at most what each of them adds alone, and
// that holds from any set of posts that are taken to be manned already. So for each set G that the greedy
// choice of posts goes through, no k posts add more than G does and the k best single posts after G.
// Units that leave lose at least what only they cover and no post sees.
func (m *moving) bound(most int) int64 {
	w := m.v.ground.weight
	seen := make([]bool, len(w)) // by some post
	for _, of := range m.reach {
		for _, r := range of {
			for _, h := range r.hits {
				if h.at <= m.depth {
					seen[h.cell] = true
				}
			}
		}
	}
	m.own()
	loses := make([]int64, len(m.units))
	for c, u := range m.owner {
		if u > 0 && !seen[c] {
			loses[u-1] += w[c]
		}
	}
	slices.Sort(loses)

	covered := make([]bool, len(w))
	for c, n := range m.counts {
		covered[c] = n > 0
	}
	adds := make([]int64, most+1) // by k: what k posts can add at most
	for k := 1; k <= most; k++ {
		adds[k] = math.MaxInt64
	}
	sum := int64(0) // what G adds
	for range most + 1 {
		alone := make([]int64, len(m.posts))
		with := make([]*reach, len(m.posts))
		for _, of := range m.reach {
			for p, r := range of {
				fresh := int64(0)
				for _, h := range r.hits {
					if h.at <= m.depth && !covered[h.cell] {
						fresh += w[h.cell]
					}
				}
				if with[p] == nil || fresh > alone[p] {
					alone[p], with[p] = fresh, r
				}
			}
		}
		best := 0
		for p := range alone {
			if alone[p] > alone[best] {
				best = p
			}
		}
		first := alone[best]
		slices.SortFunc(alone, func(a, b int64) int { return cmp.Compare(b, a) })
		top := sum
		for k := 1; k <= most; k++ {
			top += alone[k-1]
			adds[k] = min(adds[k], top)
		}
		if first == 0 {
			break
		}
		sum += first
		for _, h := range with[best].hits {
			if h.at <= m.depth {
				covered[h.cell] = true
			}
		}
	}
	upper, left := int64(0), int64(0)
	for k := 1; k <= most; k++ {
		left += loses[k-1]
		upper = max(upper, adds[k]-left)
	}
	return upper
}
