package coverage

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// best is the optimum by trying everything: the greatest gain of at most most moves, each of another unit to
// another post.
func best(v *View, s Standard, posts []Post, most int) float64 {
	units := v.who(s)
	counts := make([]int, len(v.ground.weight))
	apply := func(hits []hit, by int) {
		for _, h := range hits {
			if h.at <= s.depth() {
				counts[h.cell] += by
			}
		}
	}
	for _, u := range units {
		apply(v.reachOf(u, s).hits, 1)
	}
	covered := func() (sum int64) {
		for c, n := range counts {
			if n > 0 {
				sum += v.ground.weight[c]
			}
		}
		return sum
	}
	start, top := covered(), int64(0)
	moved, taken := make([]bool, len(units)), make([]bool, len(posts))
	var try func(left int)
	try = func(left int) {
		top = max(top, covered()-start)
		if left == 0 {
			return
		}
		for i, u := range units {
			for p := range posts {
				if moved[i] || taken[p] || !leads(v, s, u, posts[p]) {
					continue
				}
				moved[i], taken[p] = true, true
				from, to := v.reachOf(u, s).hits, v.fromPost(posts[p].At, u.mover(), s).hits
				apply(from, -1)
				apply(to, 1)
				try(left - 1)
				apply(to, -1)
				apply(from, 1)
				moved[i], taken[p] = false, false
			}
		}
	}
	try(most)
	return float64(top) / float64(v.ground.total)
}

func leads(v *View, s Standard, u *unit, p Post) bool {
	if s.Line || u.OffRoad {
		return true
	}
	from, _ := v.router.Stop(u.Profile, u.At, u.Heading)
	to, _ := v.router.Stop(u.Profile, p.At, math.NaN())
	_, ok := v.router.Time(u.Profile, from, to)
	return ok
}

// TestMoveUpsAgainstEverything compares the moves with the best of all choices: one move is the best, more
// never beat it, and the bound is never below it. What they promise is what doing them brings.
func TestMoveUpsAgainstEverything(t *testing.T) {
	var greedy, optimum, bounds float64
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 8))
		graph := town(t, r, 40)
		d := people(r, 20+r.IntN(60), 0)
		ways := router(t, graph)
		g := New(d, ways, watch)
		units := map[uint32]Unit{}
		for id := range uint32(2 + r.IntN(4)) {
			u := someUnit(r)
			u.OffRoad = seed%4 > 0 || u.OffRoad
			g.Set(id, u)
			units[id] = u
		}
		var posts []Post
		for p := range 1 + r.IntN(4) {
			posts = append(posts, Post{fmt.Sprint("P", p), someUnit(r).At})
		}
		v, s := g.View(), watch[r.IntN(len(watch))]
		for most := 1; most <= 3; most++ {
			moves, bound := v.MoveUps(s, posts, most)
			want := best(v, s, posts, most)
			sum := 0.
			var changes []Change
			for _, m := range moves {
				sum += m.Gain
				u := units[m.Unit]
				u.At, u.Heading = posts[m.Post].At, math.NaN()
				changes = append(changes, Change{m.Unit, &u})
				if !(m.Gain > 0) || !(m.Seconds >= 0) {
					t.Fatalf("seed %d: move %+v", seed, m)
				}
			}
			const ε = 1e-9
			switch {
			case len(moves) > most:
				t.Fatalf("seed %d: %d moves, at most %d", seed, len(moves), most)
			case most == 1 && math.Abs(sum-want) > ε:
				t.Fatalf("seed %d: one move gains %g, the best %g", seed, sum, want)
			case sum > want+ε:
				t.Fatalf("seed %d: %d moves gain %g, more than the best %g", seed, most, sum, want)
			case bound < want-ε:
				t.Fatalf("seed %d: %d moves can gain %g, the bound is %g", seed, most, want, bound)
			}
			greedy, optimum, bounds = greedy+sum, optimum+want, bounds+bound
			after := New(d, ways, []Standard{s})
			for id, u := range units {
				after.Set(id, u)
			}
			after.Update(changes)
			if got := after.View().Share(s).Part() - v.Share(s).Part(); math.Abs(got-sum) > ε {
				t.Fatalf("seed %d: %+v promise %g, doing them brings %g", seed, moves, sum, got)
			}
		}
	}
	t.Logf("greedy found %.1f %% of the optimum, the bound stands at %.1f %%", 100*greedy/optimum, 100*bounds/optimum)
	if greedy < 0.9*optimum {
		t.Errorf("greedy found %.1f %% of the optimum", 100*greedy/optimum)
	}
}

// Where the posts see ground that nobody else sees, greedy is the optimum and the bound says so.
func TestMoveUpsApart(t *testing.T) {
	d := &Demand{Level: LevelAt(35.6), Basis: BasisPeople, Source: "a test"}
	var posts []Post
	for i := range 5 { // five villages, 20 km apart, each larger than the one before
		at := place(0.2*float64(i), 0)
		d.Cells = append(d.Cells, Cell{at, float64(100 * (i + 1)), NoZone})
		posts = append(posts, Post{fmt.Sprint("V", i+1), at})
	}
	d.Sort()
	g := New(d, noRoads(t), nil)
	for id := range uint32(4) { // all in the smallest
		g.Set(id, Unit{At: posts[0].At, Heading: math.NaN(), Line: 10, OffRoad: true, Capabilities: []string{"engine"}})
	}
	s := Standard{"engine", 300, false}
	moves, bound := g.View().MoveUps(s, posts, 3)
	gain := 0.
	for i, m := range moves {
		if want := 4 - i; m.Post != want || math.Abs(m.Gain-float64(100*(want+1))/1500) > 1e-9 {
			t.Errorf("move %d goes to %s and gains %g", i, posts[m.Post].ID, m.Gain)
		}
		gain += m.Gain
	}
	if len(moves) != 3 || math.Abs(gain-1200./1500) > 1e-9 || math.Abs(bound-gain) > 1e-9 {
		t.Errorf("%d moves gain %g, the bound is %g; want 3, 0.8, 0.8", len(moves), gain, bound)
	}
	// The fourth would leave the smallest village alone, for the one that is larger: it still gains.
	if moves, _ := g.View().MoveUps(s, posts, 9); len(moves) != 4 || math.Abs(moves[3].Gain-100./1500) > 1e-9 {
		t.Errorf("with all units: %+v", moves)
	}
	if moves, bound := g.View().MoveUps(Standard{"als", 300, false}, posts, 3); moves != nil || bound != 0 {
		t.Errorf("nobody can do it: got %v, %g", moves, bound)
	}
}

// Of units that are all spare the nearest goes.
func TestMoveUpsTakesTheNearest(t *testing.T) {
	d := &Demand{Level: LevelAt(35.6), Basis: BasisPeople, Source: "a test", Cells: []Cell{{place(0, 0), 10, NoZone}, {place(0.3, 0), 10, NoZone}}}
	d.Sort()
	g := New(d, noRoads(t), nil)
	for id := range uint32(6) {
		g.Set(id, Unit{At: place(0.001*float64((id*5)%6), 0), Heading: math.NaN(), Line: 10, OffRoad: true})
	}
	moves, _ := g.View().MoveUps(Standard{"", 300, false}, []Post{{"far", place(0.3, 0)}}, 1)
	if len(moves) != 1 || moves[0].Unit != 1 { // 5*1%6 is the greatest
		t.Errorf("got %+v, want unit 1", moves)
	}
	if n := len(moves); n == 1 && math.Abs(moves[0].Seconds-2663) > 20 { // 26.6 km at 10 m/s
		t.Errorf("it takes %g s", moves[0].Seconds)
	}
}
