package roads

import (
	"cmp"
	"math"
	"slices"
	"sync"

	"rasad/geo"
)

// A Fleet knows who stands where on the roads, for questions of who is nearest. The zero Fleet is empty and
// ready. One goroutine may change it while many ask.
type Fleet struct {
	mu    sync.RWMutex
	units map[uint32]ProfileID
	ranks []rank // by profile
}

// rank is the part of a fleet that drives by one profile.
type rank struct {
	slot  map[uint32]int32 // by id, in ids and stops
	ids   []uint32
	stops []Stop
	// on is, by edge, the first of those that stand on it: one more than its index in posts; 0 is none.
	on    []int32
	posts []post
	free  []int32
}

// post is one of the edges that a unit stands on.
type post struct {
	slot, next int32
}

// Reached is a unit and how long it takes.
type Reached struct {
	ID   uint32
	Cost Cost
}

// Set says that a unit drives by a profile and stands at a stop. The fleet keeps the stop: it must not change.
func (f *Fleet) Set(id uint32, p ProfileID, s Stop) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.remove(id)
	for len(f.ranks) <= int(p) {
		f.ranks = append(f.ranks, rank{slot: map[uint32]int32{}})
	}
	if f.units == nil {
		f.units = map[uint32]ProfileID{}
	}
	f.units[id] = p
	k := &f.ranks[p]
	slot := int32(len(k.ids))
	k.slot[id] = slot
	k.ids, k.stops = append(k.ids, id), append(k.stops, s)
	k.stand(slot)
}

// Remove forgets a unit, if it is known.
func (f *Fleet) Remove(id uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.remove(id)
}

func (f *Fleet) remove(id uint32) {
	p, ok := f.units[id]
	if !ok {
		return
	}
	delete(f.units, id)
	k := &f.ranks[p]
	slot, last := k.slot[id], int32(len(k.ids)-1)
	k.leave(slot)
	if slot != last { // the last one takes its place
		k.leave(last)
		k.ids[slot], k.stops[slot] = k.ids[last], k.stops[last]
		k.slot[k.ids[slot]] = slot
		k.stand(slot)
	}
	k.stops[last] = Stop{}
	k.ids, k.stops = k.ids[:last], k.stops[:last]
	delete(k.slot, id)
}

func (k *rank) stand(slot int32) {
	for _, on := range k.stops[slot].On {
		if int(on.Edge) >= len(k.on) {
			k.on = append(k.on, make([]int32, int(on.Edge)+1-len(k.on))...)
		}
		i := int32(len(k.posts))
		if n := len(k.free); n > 0 {
			i, k.free = k.free[n-1], k.free[:n-1]
		} else {
			k.posts = append(k.posts, post{})
		}
		k.posts[i] = post{slot, k.on[on.Edge]}
		k.on[on.Edge] = i + 1
	}
}

func (k *rank) leave(slot int32) {
	for _, on := range k.stops[slot].On {
		at := &k.on[on.Edge]
		for k.posts[*at-1].slot != slot {
			at = &k.posts[*at-1].next
		}
		k.free = append(k.free, *at-1)
		*at = k.posts[*at-1].next
	}
}

// When to leave the search for the hierarchy, in states searched (0.16 µs each on Delaware).
const (
	// searchFirst states are searched before anybody is counted: who is near is found by then.
	searchFirst = 200
	// searchEach is what the hierarchy takes for one unit, searchBound what it takes to tell how near one may be.
	searchEach, searchBound = 60, 2
	// searchTimes is how many times k units are asked about, as streets are not straight and not all fast.
	searchTimes = 8
)

// Nearest gives the k units of a profile that reach a stop first, the first one first, of one time the one with the
// lower id; of those that match, if match is given. It is exact over all of them. Those that have no way are left out. The stops of
// the fleet and to must be of the graph of r. Match must not change the fleet.
//
// A search spreads from the stop until it has met k who match; it goes through about k of every so many states as there
// are for one of them. The hierarchy instead takes the same for each that matches, wherever they are. So the search goes on
// while it is expected to be the cheaper one, and no longer than the other would have taken: nobody pays more than twice
// the better of the two, whatever the city and the filter are like. Over the hierarchy those nearest in a straight line come
// first, and it ends where not even that line at full speed would be in time.
func (f *Fleet) Nearest(r *Router, p ProfileID, to Stop, k int, match func(id uint32) bool) []Reached {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if p < 0 || int(p) >= len(f.ranks) || k <= 0 || len(f.ranks[p].ids) == 0 {
		return nil
	}
	if match == nil {
		match = func(uint32) bool { return true }
	}
	own, m, n := &f.ranks[p], &r.now[p], r.net
	best := make([]Reached, 0, min(k, len(own.ids)))
	// enters says whether a unit would be among the best, without asking whether it matches.
	enters := func(e Reached) bool { return len(best) < k || e.before(best[k-1]) }
	offer := func(e Reached) {
		if i := slices.IndexFunc(best, func(b Reached) bool { return b.ID == e.ID }); i >= 0 {
			if best[i].Cost <= e.Cost {
				return
			}
			best = slices.Delete(best, i, i+1)
		} else if len(best) == k {
			best = best[:k-1]
		}
		i, _ := slices.BinarySearchFunc(best, e, Reached.compare)
		best = slices.Insert(best, i, e)
	}

	s := n.scratch()
	defer n.release(s)
	s.entries = n.entries(m, to, s.entries)
	for _, on := range to.On {
		own.at(uint32(on.Edge), func(slot int32) {
			if _, _, c := m.straight(own.stops[slot], to); c < never {
				if e := (Reached{own.ids[slot], Cost(c)}); enters(e) && match(e.ID) {
					offer(e)
				}
			}
		})
	}
	for _, e := range s.entries {
		s.improve(e.from, e.cost)
	}
	counted, searched, most := false, 0, searchFirst
	sure := false // that no other can be among the best
	n.backward(s, m, func(from uint32) bool {
		if len(best) == k && uint32(best[k-1].Cost) < from {
			sure = true
			return false
		}
		if searched > most && !counted {
			counted = true
			for slot, id := range own.ids {
				if match(id) {
					s.apart = append(s.apart, apart{slot: int32(slot)})
				}
			}
			units := len(s.apart)
			if other := searchEach*min(units, searchTimes*k) + searchBound*units; k*n.states() < other*units {
				most += other
			}
		}
		return searched <= most
	}, func(state, cost uint32) {
		searched++
		if int(state) >= len(own.on) || own.on[state] == 0 {
			return
		}
		own.at(state, func(slot int32) {
			m.exits(own.stops[slot], func(on OnEdge, exit uint32) {
				if c := exit + cost; uint32(on.Edge) == state && c < never {
					if e := (Reached{own.ids[slot], Cost(c)}); enters(e) && match(e.ID) {
						offer(e)
					}
				}
			})
		})
	})
	if sure || searched <= most {
		return best
	}

	t := r.toward(p, to)
	defer t.done()
	for i := range s.apart {
		s.apart[i].least = m.least(n.g, own.stops[s.apart[i].slot], to)
	}
	slices.SortFunc(s.apart, func(a, b apart) int { return cmp.Or(cmp.Compare(a.least, b.least), cmp.Compare(a.slot, b.slot)) })
	for _, a := range s.apart {
		if len(best) == k && a.least > uint32(best[k-1].Cost) {
			break
		}
		if c := t.from(own.stops[a.slot]); c < never {
			if e := (Reached{own.ids[a.slot], Cost(c)}); enters(e) {
				offer(e)
			}
		}
	}
	return best
}

// apart is a unit and the least that its way can take.
type apart struct {
	slot  int32
	least uint32
}

// least is a bound on the time between two stops that do not lie on one edge: straight, at the greatest speed there is. A metre
// less, for what rounding does.
func (m *metric) least(g *Graph, from, to Stop) uint32 {
	metres := math.Inf(1)
	for _, a := range from.On {
		for _, b := range to.On {
			metres = min(metres, geo.Distance(g.nodes[g.edges[a.Edge].to], g.nodes[g.Edge(b.Edge).From]))
		}
	}
	return uint32(min(never, max(0, metres-1)/m.fastest*0.999999))
}

// at goes through those who stand on an edge.
func (k *rank) at(edge uint32, visit func(slot int32)) {
	if int(edge) >= len(k.on) {
		return
	}
	for i := k.on[edge]; i != 0; i = k.posts[i-1].next {
		visit(k.posts[i-1].slot)
	}
}

func (a Reached) compare(b Reached) int {
	return cmp.Or(cmp.Compare(a.Cost, b.Cost), cmp.Compare(a.ID, b.ID))
}

func (a Reached) before(b Reached) bool { return a.compare(b) < 0 }
