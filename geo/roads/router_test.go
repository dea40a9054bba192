package roads

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"rasad/geo"
)

// The oracle: a textbook Dijkstra with a binary heap over (edge, what was driven before as far as a sign may
// ask). It knows the graph, the turner and the weights of a profile, and nothing of states, arcs and hierarchies.
type oracle struct {
	g       *Graph
	p       *Profile
	turner  *turner
	factors map[EdgeID]float64
	begins  map[string]bool // the true beginnings of bans
	banned  map[string]bool
	within  []bool // by edge: in a true beginning of a ban
}

func newOracle(g *Graph, p Profile, changes []Change) *oracle {
	o := &oracle{g, &p, newTurner(g), map[EdgeID]float64{}, map[string]bool{}, map[string]bool{}, make([]bool, len(g.edges))}
	for _, c := range changes {
		if f, ok := o.factors[c.Edge]; !ok || c.Factor < f {
			o.factors[c.Edge] = c.Factor
		}
	}
	for _, ban := range g.bans {
		for i := 1; i < len(ban); i++ {
			o.begins[fmt.Sprint(ban[:i])] = true
			o.within[ban[i-1]] = true
		}
		o.banned[fmt.Sprint(ban)] = true
	}
	return o
}

const far = math.MaxUint64

func (o *oracle) weight(e EdgeID) uint64 {
	w := float64(o.p.weight(o.g, e))
	if w >= never {
		return far
	}
	if f, ok := o.factors[e]; ok {
		if f <= 0 {
			return far
		}
		w = max(1, math.Floor(w/f+0.5))
	}
	if w >= never {
		return far
	}
	return uint64(w)
}

// turn is what it costs to drive on to e after a past that ends with the edge one is on.
func (o *oracle) turn(past []EdgeID, e EdgeID) uint64 {
	last := past[len(past)-1]
	class := o.turner.class(uint32(last), uint32(e))
	seconds := o.p.Turn[class]
	if seconds < 0 {
		return far
	}
	cost := uint64(math.Floor(seconds*1000 + 0.5))
	if o.g.flags[last]&Gate != 0 && class != UTurn {
		if o.p.Gate < 0 {
			return far
		}
		cost += uint64(math.Floor(o.p.Gate*1000 + 0.5))
	}
	if o.within[last] && !o.p.Banned {
		for i := range past {
			if o.banned[fmt.Sprint(append(slices.Clone(past[i:]), e))] {
				return far
			}
		}
	}
	return cost
}

// on gives the past after e, as short as signs allow.
func (o *oracle) on(past []EdgeID, e EdgeID) []EdgeID {
	if !o.within[e] {
		return []EdgeID{e}
	}
	next := append(slices.Clone(past), e)
	for len(next) > 1 && !o.begins[fmt.Sprint(next)] {
		next = next[1:]
	}
	return next
}

type oracleLabel struct {
	past []EdgeID
	cost uint64 // at the head of its last edge
}

type oracleHeap []oracleLabel

func (h oracleHeap) Len() int           { return len(h) }
func (h oracleHeap) Less(i, j int) bool { return h[i].cost < h[j].cost }
func (h oracleHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *oracleHeap) Push(x any)        { *h = append(*h, x.(oracleLabel)) }
func (h *oracleHeap) Pop() any          { x := (*h)[len(*h)-1]; *h = (*h)[:len(*h)-1]; return x }

func (o *oracle) aside(metres float64) uint64 {
	if metres <= 0 {
		return 0
	}
	return uint64(math.Floor(metres/o.p.Approach*1000 + 0.5))
}

// tails is, by edge, the least time at which one has turned onto it at its tail.
func (o *oracle) tails(from Stop) map[EdgeID]uint64 {
	tails, done := map[EdgeID]uint64{}, map[string]bool{}
	doneEdges := make([]bool, len(o.g.edges)) // of pasts that are one edge
	isDone := func(past []EdgeID) bool {
		if len(past) == 1 {
			return doneEdges[past[0]]
		}
		return done[fmt.Sprint(past)]
	}
	var h oracleHeap
	for _, a := range from.On {
		if w := o.weight(a.Edge); w < far {
			heap.Push(&h, oracleLabel{[]EdgeID{a.Edge}, o.aside(a.Metres) + w - uint64(math.Floor(float64(w)*a.Along+0.5))})
		}
	}
	for len(h) > 0 {
		l := heap.Pop(&h).(oracleLabel)
		if isDone(l.past) {
			continue
		}
		last := l.past[len(l.past)-1]
		if len(l.past) == 1 {
			doneEdges[last] = true
		} else {
			done[fmt.Sprint(l.past)] = true
		}
		for e := range o.g.Out(NodeID(o.g.edges[last].to)) {
			t, w := o.turn(l.past, e.ID), o.weight(e.ID)
			if t == far || w == far {
				continue
			}
			if old, ok := tails[e.ID]; !ok || l.cost+t < old {
				tails[e.ID] = l.cost + t
			}
			if next := o.on(l.past, e.ID); !isDone(next) {
				heap.Push(&h, oracleLabel{next, l.cost + t + w})
			}
		}
	}
	return tails
}

// cost is the time between two stops, given the tails of the first.
func (o *oracle) cost(tails map[EdgeID]uint64, from, to Stop) Cost {
	best := uint64(far)
	part := func(w uint64, along float64) uint64 { return uint64(math.Floor(float64(w)*along + 0.5)) }
	for _, b := range to.On {
		w := o.weight(b.Edge)
		if w == far {
			continue
		}
		if t, ok := tails[b.Edge]; ok {
			best = min(best, t+part(w, b.Along)+o.aside(b.Metres))
		}
		for _, a := range from.On {
			if a.Edge == b.Edge && a.Along <= b.Along {
				best = min(best, o.aside(a.Metres)+o.aside(b.Metres)+part(w, b.Along)-part(w, a.Along))
			}
		}
	}
	if best >= never {
		return Unreached
	}
	return Cost(best)
}

// testProfiles differ in everything that a profile can say.
func testProfiles() []Profile {
	engine := Profile{Name: "engine", Max: [ClassCount]float64{30, 27, 22, 20, 18, 16, 14, 8, 6}, Limit: 1.2,
		Turn: [TurnClassCount]float64{0, 1, 5, 3, 8, 6, 20}, Gate: 10, Private: true, Against: 0.5, Banned: true, Approach: 1.5}
	law := Profile{Name: "law-abiding", Max: [ClassCount]float64{40, 40, 40, 40, 40, 40, 40, 40, 40}, Limit: 1,
		Turn: [TurnClassCount]float64{0, 0.5, 6, 2, 9, 5, -1}, Gate: -1, Approach: 1}
	narrow := Profile{Name: "narrow", Max: [ClassCount]float64{0, 0, 15, 15, 15, 15, 12, 5, 5}, Limit: 0.8,
		Turn: [TurnClassCount]float64{0, 0, 2, 2, 2, 2, 4}, Gate: 0, Private: true, Against: 0, Approach: 3}
	return []Profile{engine, law, narrow}
}

// town is a random town with everything that makes routing hard.
func town(t testing.TB, r *rand.Rand, n, streets int) *Graph {
	t.Helper()
	var b Builder
	side := int(math.Sqrt(float64(n)))
	for i := range n {
		at := geo.LngLat{Lng: 513000000 + r.Int32N(400_000), Lat: 356000000 + r.Int32N(400_000)}
		if n > 40 {
			at = geo.LngLat{Lng: 513000000 + int32(i%side)*10_000 + r.Int32N(9_000), Lat: 356000000 + int32(i/side)*10_000 + r.Int32N(9_000)}
		}
		b.Node(at)
	}
	some := func(f Flags, oneIn int) Flags {
		if r.IntN(oneIn) == 0 {
			return f
		}
		return 0
	}
	for i := range streets {
		from, to := r.IntN(n), r.IntN(n)
		if n > 40 { // a large town in which everything led everywhere would be no town
			to = (from + [...]int{1, side, side + 1}[r.IntN(3)]) % n
		}
		s := Segment{From: NodeID(from), To: NodeID(to), Class: Class(r.IntN(int(classCount))), Way: int64(i),
			Flags: some(Private, 8), ForwardFlags: some(Gate, 10), BackwardFlags: some(Against, 4) | some(Gate, 10),
			Forward: 1 + r.Float64()*100, Backward: 1 + r.Float64()*100, Names: Names{Local: string(rune('a' + r.IntN(20)))}}
		if r.IntN(4) == 0 {
			s.Backward = 0
		}
		for range r.IntN(3) {
			s.Between = append(s.Between, geo.LngLat{Lng: 513000000 + r.Int32N(400_000), Lat: 356000000 + r.Int32N(400_000)})
		}
		if err := b.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	// Bans along random drives, many of them beginning alike.
	for range r.IntN(2 * streets) {
		if len(g.edges) == 0 {
			break
		}
		ban := []EdgeID{EdgeID(r.IntN(len(g.edges)))}
		for size := 2 + r.IntN(3); len(ban) < size; {
			at := g.edges[ban[len(ban)-1]].to
			if g.first[at] == g.first[at+1] {
				break
			}
			ban = append(ban, EdgeID(g.first[at]+r.Uint32N(g.first[at+1]-g.first[at])))
		}
		if len(ban) > 1 {
			g.bans = append(g.bans, ban)
		}
	}
	slices.SortFunc(g.bans, slices.Compare)
	g.bans = slices.CompactFunc(g.bans, slices.Equal)
	return g
}

// somewhere is a random stop on one edge, or on both directions of a street.
func somewhere(r *rand.Rand, g *Graph) Stop {
	e := EdgeID(r.IntN(len(g.edges)))
	on := OnEdge{Edge: e, Along: r.Float64(), Metres: float64(r.IntN(3)) * 10 * r.Float64()}
	if r.IntN(10) == 0 {
		on.Along = float64(r.IntN(2))
	}
	s := Stop{On: []OnEdge{on}}
	if back, ok := g.Reverse(e); ok && r.IntN(3) > 0 {
		s.On = append(s.On, OnEdge{Edge: back, Along: 1 - on.Along, Metres: on.Metres})
	}
	return s
}

// someChanges closes and slows some edges.
func someChanges(r *rand.Rand, g *Graph) []Change {
	var cs []Change
	for range r.IntN(1 + len(g.edges)/4) {
		c := Change{EdgeID(r.IntN(len(g.edges))), 0}
		if r.IntN(2) == 0 {
			c.Factor = r.Float64()
		}
		cs = append(cs, c)
	}
	return cs
}

func mustRouter(t testing.TB, g *Graph) *Router {
	t.Helper()
	r, err := NewRouter(g, testProfiles())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRouterEqualsDijkstra(t *testing.T) {
	reached := 0
	for seed := range uint64(150) {
		reached += townEqualsDijkstra(t, seed)
	}
	if reached < 1000 {
		t.Errorf("only %d queries had an answer", reached)
	}
}

// townEqualsDijkstra asks in a random town, free and with closures; it says how many ways there were.
func townEqualsDijkstra(t *testing.T, seed uint64) int {
	r := rand.New(rand.NewPCG(seed, 10))
	n := 2 + r.IntN(30)
	g := town(t, r, n, 1+r.IntN(3*n))
	free := mustRouter(t, g)
	changes := someChanges(r, g)
	return equalsDijkstra(t, fmt.Sprint("seed ", seed), r, free, nil, 2, 6) +
		equalsDijkstra(t, fmt.Sprint("seed ", seed, " changed"), r, free.With(changes), changes, 2, 6)
}

func FuzzRouter(f *testing.F) {
	for seed := range uint64(4) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		townEqualsDijkstra(t, seed)
		withEqualsFresh(t, seed)
	})
}

// equalsDijkstra asks everything there is to ask between random stops and compares; it says how many
// pairs were connected.
func equalsDijkstra(t *testing.T, name string, r *rand.Rand, router *Router, changes []Change, sources, each int) (reached int) {
	t.Helper()
	g := router.Graph()
	for p := range router.profiles {
		id := ProfileID(p)
		o := newOracle(g, router.profiles[p], changes)
		for range sources {
			from := somewhere(r, g)
			tails := o.tails(from)
			for range each {
				to := somewhere(r, g)
				if r.IntN(4) == 0 { // on the same street
					to = Stop{On: slices.Clone(from.On)}
					for i := range to.On {
						to.On[i].Along = r.Float64()
					}
				}
				want := o.cost(tails, from, to)
				if want != Unreached {
					reached++
				}
				got, ok := router.Time(id, from, to)
				if got != want || ok != (want != Unreached) {
					t.Fatalf("%s, %s: %v to %v: got %d, want %d", name, router.profiles[p].Name, from.On, to.On, got, want)
				}
				var one [1]Cost
				if router.ToOne(id, to, []Stop{from}, one[:]); one[0] != want {
					t.Fatalf("%s, %s: to one: got %d, want %d", name, router.profiles[p].Name, one[0], want)
				}
				path, ok := router.Path(id, from, to)
				if ok != (want != Unreached) || ok && path.Cost != want {
					t.Fatalf("%s, %s: path of %d, %v, want %d", name, router.profiles[p].Name, path.Cost, ok, want)
				}
				if ok {
					o.check(t, name, from, to, path)
				}
			}
			withinEqualsDijkstra(t, name, r, router, id, o, from, tails)
		}
	}
	return reached
}

// check drives a path and counts.
func (o *oracle) check(t *testing.T, name string, from, to Stop, path Path) {
	t.Helper()
	first, last := path.Edges[0], path.Edges[len(path.Edges)-1]
	least := uint64(far)
	for _, a := range from.On {
		for _, b := range to.On {
			if a.Edge != first || b.Edge != last || len(path.Edges) == 1 && a.Along > b.Along {
				continue
			}
			part := func(e EdgeID, along float64) uint64 { return uint64(math.Floor(float64(o.weight(e))*along + 0.5)) }
			sum := o.aside(a.Metres) + o.aside(b.Metres) + part(last, b.Along) - part(first, a.Along)
			past := []EdgeID{first}
			for _, e := range path.Edges[1:] {
				if o.g.Edge(e).From != o.g.Edge(past[len(past)-1]).To {
					t.Fatalf("%s: the path jumps: %v", name, path.Edges)
				}
				turn := o.turn(past, e)
				if turn == far {
					t.Fatalf("%s: the path turns where it may not: %v", name, path.Edges)
				}
				sum += o.weight(past[len(past)-1]) + turn
				past = o.on(past, e)
			}
			least = min(least, sum)
		}
	}
	if least != uint64(path.Cost) {
		t.Fatalf("%s: the path %v takes %d, it says %d", name, path.Edges, least, path.Cost)
	}
}

func withinEqualsDijkstra(t *testing.T, name string, r *rand.Rand, router *Router, p ProfileID, o *oracle, from Stop, tails map[EdgeID]uint64) {
	t.Helper()
	budget := Cost(r.IntN(600_000))
	want := map[EdgeID]uint64{}
	for e, c := range tails {
		if c <= uint64(budget) {
			want[e] = c
		}
	}
	begins := map[EdgeID]int{}
	for _, on := range from.On {
		if o.weight(on.Edge) < far && o.aside(on.Metres) <= uint64(budget) {
			begins[on.Edge]++
		}
	}
	got := map[EdgeID]uint64{}
	router.Within(p, from, budget, func(e EdgeID, enter, leave Cost) {
		if begins[e] > 0 {
			begins[e]--
			return
		}
		if _, twice := got[e]; twice {
			t.Fatalf("%s: within: %d comes twice", name, e)
		}
		if leave-enter != Cost(o.weight(e)) {
			t.Fatalf("%s: within: %d takes %d, want %d", name, e, leave-enter, o.weight(e))
		}
		got[e] = uint64(enter)
	})
	if len(got) != len(want) {
		t.Fatalf("%s: within %d of %v: %d edges, want %d", name, budget, from.On, len(got), len(want))
	}
	for e, c := range want {
		if got[e] != c {
			t.Fatalf("%s: within: %d entered at %d, want %d", name, e, got[e], c)
		}
	}
	for e, left := range begins {
		if left > 0 {
			t.Fatalf("%s: within does not begin on %d", name, e)
		}
	}
}

// Closures one after the other give what all of them at once give, whatever came between.
func TestWithEqualsFresh(t *testing.T) {
	for seed := range uint64(150) {
		withEqualsFresh(t, seed)
	}
}

func withEqualsFresh(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 11))
	n := 2 + r.IntN(40)
	g := town(t, r, n, 1+r.IntN(3*n))
	free := mustRouter(t, g)
	router := free
	for range 5 {
		changes := someChanges(r, g)
		before := router
		router = router.With(changes)
		fresh := free.With(changes)
		for p := range router.now {
			full := router.h.customize(router.net, &router.now[p])
			for _, other := range []*Router{router, fresh} {
				if !slices.Equal(other.now[p].weight, router.now[p].weight) || !slices.Equal(other.now[p].times.up, full.up) || !slices.Equal(other.now[p].times.down, full.down) {
					t.Fatalf("seed %d: what was changed step by step is not what is made anew", seed)
				}
			}
			// With does not follow so large a share of so small a town: follow it here.
			var states []uint32
			for s, w := range router.now[p].weight {
				if w != before.now[p].weight[s] {
					states = append(states, uint32(s))
				}
			}
			followed := router.h.recustomize(router.net, &router.now[p], before.now[p].times, states)
			if !slices.Equal(followed.up, full.up) || !slices.Equal(followed.down, full.down) {
				t.Fatalf("seed %d: what was followed from arc to arc is not what is made anew", seed)
			}
		}
	}
	if router = router.With(nil); !slices.Equal(router.now[0].weight, free.now[0].weight) {
		t.Fatalf("seed %d: the last closure was withdrawn and something is left", seed)
	}
}

func TestNearestOfFleetEqualsBruteForce(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 12))
		n := 2 + r.IntN(300)
		g := town(t, r, n, 1+r.IntN(3*n))
		router := mustRouter(t, g).With(someChanges(r, g))
		var f Fleet
		stops, profile := map[uint32]Stop{}, map[uint32]ProfileID{}
		for range 200 { // small ids, so that units come again and go
			id := uint32(r.IntN(60))
			if r.IntN(4) == 0 {
				f.Remove(id)
				delete(stops, id)
				continue
			}
			stops[id], profile[id] = somewhere(r, g), ProfileID(r.IntN(3))
			f.Set(id, profile[id], stops[id])
		}
		for range 20 {
			p, to, k, m := ProfileID(r.IntN(3)), somewhere(r, g), 1+r.IntN(8), uint32(1+r.IntN(6))
			match := func(id uint32) bool { return id%m == 0 }
			var want []Reached
			for id, s := range stops {
				if profile[id] == p && match(id) {
					if c, ok := router.Time(p, s, to); ok {
						want = append(want, Reached{id, c})
					}
				}
			}
			slices.SortFunc(want, Reached.compare)
			want = want[:min(k, len(want))]
			if got := f.Nearest(router, p, to, k, match); !slices.Equal(got, want) {
				t.Fatalf("seed %d: nearest %d: got %v, want %v", seed, k, got, want)
			}
		}
	}
}

func TestMerge(t *testing.T) {
	got := merge([]Change{{7, 0.5}, {3, 1}, {7, 0.2}, {5, math.NaN()}, {9, 0.5}, {1, -3}, {2, 1}, {2, 0.9}, {4, 2}}, 9)
	want := []Change{{1, 0}, {2, 0.9}, {4, 2}, {5, 0}, {7, 0.2}}
	if !slices.Equal(got, want) {
		t.Errorf("merged: got %v, want %v", got, want)
	}
	if d := differing(got, []Change{{1, 0}, {2, 0.8}, {5, 0}, {8, 0}}); !slices.Equal(d, []EdgeID{2, 4, 7, 8}) {
		t.Errorf("differing: got %v", d)
	}
	if d := differing(got, got); d != nil {
		t.Errorf("a list differs from itself at %v", d)
	}
	for factor, want := range map[float64]uint32{0: never, 0.5: 200, 2: 50, 1e-9: never, math.Inf(1): 1} {
		if got := scaled(100, factor); got != want {
			t.Errorf("100 ms at %g times the speed: got %d, want %d", factor, got, want)
		}
	}
	if got := scaled(never, 2); got != never {
		t.Errorf("what nobody may drive, twice as fast: %d", got)
	}
}

// A crossing of two streets, the arms ending 1 km to the north, east, south and west, and what profiles make of it.
func TestTurnsAndWeights(t *testing.T) {
	var b Builder
	middle := b.Node(geo.LngLat{Lng: 514000000, Lat: 357000000})
	var arms [4]NodeID
	for i, d := range [4][2]int32{{0, 90_000}, {110_000, 0}, {0, -90_000}, {-110_000, 0}} {
		arms[i] = b.Node(geo.LngLat{Lng: 514000000 + d[0], Lat: 357000000 + d[1]})
		s := Segment{From: arms[i], To: middle, Forward: 60, Backward: 60, Class: Residential}
		switch i {
		case 1:
			s.ForwardFlags = Gate
		case 2:
			s.BackwardFlags = Against
		case 3:
			s.Flags = Private
		}
		if err := b.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	bend := b.Node(geo.LngLat{Lng: 514000000 + 200_000, Lat: 357000000})
	if err := b.Add(Segment{From: bend, To: arms[1], Forward: 60, Backward: 60, Class: Residential}); err != nil {
		t.Fatal(err)
	}
	if err := b.Ban(Drive{0, false}, Drive{2, true}); err != nil {
		t.Fatal(err)
	}
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	edge := func(from, to NodeID) EdgeID {
		for e := range g.Out(from) {
			if e.To == to {
				return e.ID
			}
		}
		t.Fatalf("no edge from %d to %d", from, to)
		return 0
	}
	turner := newTurner(g)
	north := edge(arms[0], middle)
	for i, want := range []TurnClass{UTurn, Left, Straight, Right} {
		if got := turner.class(uint32(north), uint32(edge(middle, arms[i]))); got != want {
			t.Errorf("from the north into arm %d: got class %d, want %d", i, got, want)
		}
	}
	if got := turner.class(uint32(edge(middle, arms[1])), uint32(edge(arms[1], bend))); got != Straight {
		t.Errorf("along a street: class %d", got)
	}

	r := mustRouter(t, g)
	stop := func(e EdgeID) Stop { return Stop{On: []OnEdge{{Edge: e, Along: 0.5}}} }
	time := func(profile string, from, to EdgeID) Cost {
		p, ok := r.Profile(profile)
		if !ok {
			t.Fatalf("no profile %q", profile)
		}
		c, _ := r.Time(p, stop(from), stop(to))
		return c
	}
	south, west, east := edge(middle, arms[2]), edge(middle, arms[3]), edge(middle, arms[1])
	half := func(p int, e EdgeID) Cost { return Cost(r.now[p].weight[e]) / 2 }
	close := func(got, want Cost) bool { return got+2 > want && got < want+2 }
	// The engine may turn where signs forbid it, and drive against the one-way street at half its speed.
	if got, want := time("engine", north, south), half(0, north)+half(0, south); !close(got, want) {
		t.Errorf("engine from north to south: got %d, want %d", got, want)
	}
	if w, back := r.now[0].weight[south], r.now[0].weight[edge(arms[2], middle)]; w < 2*back-1 || w > 2*back+1 {
		t.Errorf("against the one-way street: %d, with it %d", w, back)
	}
	if got := time("law-abiding", north, south); got != Unreached {
		t.Errorf("who keeps the law drives against a one-way street in %d", got)
	}
	if got := time("law-abiding", north, west); got != Unreached {
		t.Errorf("who keeps the law drives a private road in %d", got)
	}
	if got, want := time("engine", north, west), half(0, north)+3000+half(0, west); !close(got, want) {
		t.Errorf("engine turning right: got %d, want %d", got, want)
	}
	if got, want := time("engine", edge(arms[1], middle), west), half(0, edge(arms[1], middle))+10_000+half(0, west); !close(got, want) {
		t.Errorf("engine through the gate: got %d, want %d", got, want)
	}
	if got := time("law-abiding", edge(arms[1], middle), edge(middle, arms[0])); got != Unreached {
		t.Errorf("who may pass no gate passes it in %d", got)
	}
	if got, want := time("narrow", north, east), half(2, north)+2000+half(2, east); !close(got, want) {
		t.Errorf("narrow turning left: got %d, want %d", got, want)
	}
}

func TestNewRouterRefuses(t *testing.T) {
	g, err := new(Builder).Graph()
	if err != nil {
		t.Fatal(err)
	}
	engine := testProfiles()[0]
	still := engine
	still.Approach = math.NaN()
	for name, profiles := range map[string][]Profile{
		"no profile":                 nil,
		"two profiles of one name":   {engine, engine},
		"no speed up to the doorway": {still},
	} {
		if _, err := NewRouter(g, profiles); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	r, err := NewRouter(g, testProfiles())
	if err != nil {
		t.Fatalf("a graph without roads: %v", err)
	}
	if _, err := r.Stop(0, geo.LngLat{}, math.NaN()); err != ErrNoRoad {
		t.Errorf("a stop where there is no road: %v", err)
	}
}

// A graph that was written with its order makes the same router as one without, and a wrong order is not believed.
func TestStoredOrder(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 13))
		g := town(t, r, 2+r.IntN(30), 60)
		s := Hierarchy(g)
		g.sections = []Section{s}
		n := newNetwork(g)
		if got := n.storedOrder(); !slices.Equal(got, n.order()) {
			t.Fatalf("seed %d: the order was not read as it was written", seed)
		}
		g.sections[0].Body = slices.Clone(s.Body)
		copy(g.sections[0].Body[4:8], s.Body[:4])
		if n.storedOrder() != nil {
			t.Fatalf("seed %d: an order with a state twice was believed", seed)
		}
		g.sections[0].Body = s.Body[4:]
		if n.storedOrder() != nil {
			t.Fatalf("seed %d: an order without a state was believed", seed)
		}
	}
}

func TestQuestionsAllocateOnlyAnswers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 14))
	g := town(t, r, 400, 1500)
	router := mustRouter(t, g)
	var f Fleet
	for id := range uint32(100) {
		f.Set(id, 0, somewhere(r, g))
	}
	from, to := somewhere(r, g), somewhere(r, g)
	stops, costs := []Stop{from, to}, make([]Cost, 2)
	sum := Cost(0)
	for name, ask := range map[string]func(){
		"Time":    func() { router.Time(0, from, to) },
		"ToOne":   func() { router.ToOne(0, to, stops, costs) },
		"Within":  func() { router.Within(0, from, 500_000, func(_ EdgeID, enter, _ Cost) { sum += enter }) },
		"Nearest": func() { f.Nearest(router, 0, to, 3, nil) },
	} {
		for range 50 { // the scratch grows
			ask()
		}
		if got := testing.AllocsPerRun(50, ask); got > 2 { // the answer of Nearest; now and then a scratch that the collector took
			t.Errorf("%s: %g allocations a question", name, got)
		}
	}
}

// Units come and go while others ask: for the race detector, and the answer is of one moment.
func TestFleetAtOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 15))
	g := town(t, r, 200, 700)
	router := mustRouter(t, g)
	to, near := somewhere(r, g), somewhere(r, g)
	var f Fleet
	f.Set(1000, 0, near)
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				for _, e := range f.Nearest(router, 0, to, 3, func(id uint32) bool { return id >= 1000 }) {
					if e.ID != 1000 {
						t.Errorf("unit %d does not match", e.ID)
					}
				}
			}
		})
	}
	for i := range 2000 {
		f.Set(uint32(i%50), ProfileID(i%3), somewhere(r, g))
		f.Remove(uint32(r.IntN(50)))
	}
	close(done)
	wg.Wait()
}
