package roads

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"rasad/geo"
)

// streetMap makes a town of short streets, as towns are: crooked, some one-way, some apart from the rest.
func streetMap(t testing.TB, r *rand.Rand, n int) *Graph {
	t.Helper()
	var b Builder
	for i := range n * n {
		b.Node(at(51.3+0.002*float64(i%n)+0.0008*r.Float64(), 35.6+0.002*float64(i/n)+0.0008*r.Float64()))
	}
	add := func(from, to int) {
		s := Segment{From: NodeID(from), To: NodeID(to), Forward: 10, Backward: 10, Class: Residential}
		p, q := b.nodes[from], b.nodes[to]
		for k := range r.IntN(4) {
			f := float64(k+1) / 5
			s.Between = append(s.Between, geo.LngLat{Lng: between(p.Lng, q.Lng, f) + int32(r.IntN(4000)), Lat: between(p.Lat, q.Lat, f) + int32(r.IntN(4000))})
		}
		switch r.IntN(6) {
		case 0:
			s.Backward = 0
		case 1:
			s.BackwardFlags = Against
		case 2:
			s.Forward, s.ForwardFlags, s.Backward = 0, 0, 10
		}
		if err := b.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n * n {
		if i%n < n-1 && r.IntN(10) > 0 {
			add(i, i+1)
		}
		if i/n < n-1 && r.IntN(10) > 0 {
			add(i, i+n)
		}
	}
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// snapSlow looks at every piece of every road.
func snapSlow(g *Graph, place geo.LngLat, heading, most float64, drivable func(EdgeID) bool) (edges []EdgeID, metres float64) {
	p := newPlane(place)
	least, metres := math.Inf(1), math.Inf(1)
	for seg := range g.segs {
		seg := uint32(seg)
		for piece := g.shapeFirst[seg] + seg; piece <= g.shapeFirst[seg+1]+seg; piece++ {
			a, b := g.piece(seg, piece)
			ax, ay := p.xy(a)
			bx, by := p.xy(b)
			_, d := nearestOn(ax, ay, bx, by)
			if d > most {
				continue
			}
			var facing, all []EdgeID
			for side, e := range g.of[seg] {
				if e == noEdge || !drivable(EdgeID(e)) {
					continue
				}
				all = append(all, EdgeID(e))
				way := math.Atan2(bx-ax, by-ay) * 180 / math.Pi
				if side == 1 {
					way += 180
				}
				if math.IsNaN(heading) || a == b || math.Abs(math.Remainder(way-heading, 360)) <= 60 {
					facing = append(facing, EdgeID(e))
				}
			}
			cost := d
			if len(all) == 0 {
				continue
			}
			if len(facing) == 0 {
				cost, facing = cost+30, all
			}
			if g.Island(all[0]) {
				cost += 50
			}
			if cost < least {
				least, metres, edges = cost, d, facing
			}
		}
	}
	return edges, metres
}

func TestSnapEqualsBruteForce(t *testing.T) {
	found, islands, faced := 0, 0, 0
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 7))
		g := streetMap(t, r, 2+r.IntN(14))
		if seed%4 == 0 {
			g = random(t, r, 1+r.IntN(100), r.IntN(200))
		}
		never := r.Uint32N(5)
		drivable := func(e EdgeID) bool { return g.flags[e]&Against == 0 && uint32(e)%5 != never }
		for range 60 {
			place := at(51.29+r.Float64()*0.05, 35.59+r.Float64()*0.05)
			heading := math.NaN()
			if r.IntN(2) == 0 {
				heading = r.Float64() * 360
			}
			most := []float64{0, 5, 50, 300, 1e5}[r.IntN(5)]
			got := g.Snap(place, heading, most, drivable)
			want, metres := snapSlow(g, place, heading, most, drivable)
			var edges []EdgeID
			for _, o := range got {
				edges = append(edges, o.Edge)
				if o.Metres != metres || !(o.Along >= 0 && o.Along <= 1) || math.Abs(geo.Distance(place, o.At)-metres) > 0.02+metres*1e-3 {
					t.Fatalf("seed %d: %v snaps to %+v, want %g m away", seed, place, o, metres)
				}
				if on, off := alongSlow(g, o.Edge, o.Along), o.At; geo.Distance(on, off) > 0.1+float64(g.segs[g.edges[o.Edge].seg&^reversed].metres)*1e-4 {
					t.Fatalf("seed %d: %+v: at that share of the edge lies %v", seed, o, on)
				}
			}
			if !slices.Equal(edges, want) {
				t.Fatalf("seed %d: %v heading %g within %g m snaps to %v, want %v at %g m", seed, place, heading, most, got, want, metres)
			}
			if len(got) > 0 {
				found++
				if g.Island(got[0].Edge) {
					islands++
				}
				if len(got) == 1 && !math.IsNaN(heading) {
					faced++
				}
			}
		}
	}
	if found < 500 || islands < 20 || faced < 50 {
		t.Errorf("of 2,400 places %d were found, %d on islands, %d by the way they face: too few to prove a thing", found, islands, faced)
	}
}

// alongSlow walks an edge up to a share of its length.
func alongSlow(g *Graph, e EdgeID, share float64) geo.LngLat {
	line := g.Shape(e)
	whole := 0.0
	for i := 1; i < len(line); i++ {
		whole += geo.Distance(line[i-1], line[i])
	}
	left := share * whole
	for i := 1; i < len(line); i++ {
		d := geo.Distance(line[i-1], line[i])
		if d >= left && d > 0 {
			return geo.LngLat{Lng: between(line[i-1].Lng, line[i].Lng, left/d), Lat: between(line[i-1].Lat, line[i].Lat, left/d)}
		}
		left -= d
	}
	return line[len(line)-1]
}

// grade is a hand-made crossing: Main Street from west to east in two carriageways 20 m apart, and a lane 60 m south
// that leads nowhere.
func grade(t *testing.T) *Graph {
	t.Helper()
	const m = 1 / 111194.926645 // degrees of latitude a metre
	var b Builder
	node := func(x, y float64) NodeID { return b.Node(at(x*m, y*m)) }
	west, east := node(0, 0), node(1000, 0)
	westN, eastN := node(0, 20), node(1000, 20)
	laneW, laneE := node(100, -60), node(900, -60)
	for _, s := range []Segment{
		{From: west, To: east, Forward: 60, Names: Names{Local: "eastward"}},
		{From: eastN, To: westN, Forward: 60, Names: Names{Local: "westward"}},
		{From: east, To: eastN, Forward: 2, Backward: 2},
		{From: westN, To: west, Forward: 2, Backward: 2},
		{From: laneW, To: laneE, Forward: 60, Backward: 60, Names: Names{Local: "lane"}},
	} {
		if err := b.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestSnap(t *testing.T) {
	const m = 1 / 111194.926645
	g := grade(t)
	nan := math.NaN()
	tests := map[string]struct {
		x, y, heading, most float64
		want                string // name, side and share of each edge
	}{
		"the nearer carriageway":                   {500, 2, nan, 100, "eastward left 0.50"},
		"the one that runs as the vehicle faces":   {500, 2, 270, 100, "westward left 0.50"},
		"facing across tells nothing":              {500, 2, 0, 100, "eastward left 0.50"},
		"within 60 degrees":                        {500, 2, 35, 100, "eastward left 0.50"},
		"on the road":                              {250, 0, nan, 100, "eastward on 0.25"},
		"beyond its end":                           {-30, -30, nan, 100, "eastward right 0.00"},
		"an island where the rest is 50 m farther": {500, -100, nan, 150, "lane right 0.50, lane left 0.50"},
		"facing on an island":                      {500, -100, 260, 150, "lane left 0.50"},
		"no island where the rest is not":          {500, -44, nan, 150, "eastward right 0.50"},
		"the heading is not worth a street":        {500, -2, 270, 15, "eastward right 0.50"},
		"nothing within reach":                     {500, 500, nan, 100, ""},
		"no reach":                                 {500, 2, nan, 0, ""},
		"a reach that is no number":                {500, 2, nan, nan, ""},
		"any reach":                                {500, 50000, nan, math.Inf(1), "westward right 0.50"},
	}
	for name, tt := range tests {
		got := ""
		for i, o := range g.Snap(at(tt.x*m, tt.y*m), tt.heading, tt.most, nil) {
			if i > 0 {
				got += ", "
			}
			got += fmt.Sprintf("%s %s %.2f", g.Name(o.Edge, ""), [...]string{"left", "on", "right"}[o.Side+1], o.Along)
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
	closed := func(e EdgeID) bool { return g.Name(e, "") != "eastward" }
	if got := g.Snap(at(500*m, 2*m), nan, 100, closed); len(got) != 1 || g.Name(got[0].Edge, "") != "westward" || math.Abs(got[0].Metres-18) > 0.01 {
		t.Errorf("a road that may not be driven: got %+v, want the one beside it", got)
	}
	if got := new(Graph).Snap(geo.LngLat{}, nan, 100, nil); got != nil {
		t.Errorf("no roads: got %+v", got)
	}
}

func TestTouchingPolygonEqualsBruteForce(t *testing.T) {
	touched := 0
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 8))
		g := streetMap(t, r, 2+r.IntN(20))
		for range 10 {
			s := &geo.Shape{Type: geo.MultiPolygon}
			ring := func(x, y, size float64, hole bool) {
				n := 3 + r.IntN(12)
				first := len(s.Points)
				for i := range n {
					a := 2 * math.Pi * float64(i) / float64(n)
					if hole {
						a = -a
					}
					d := size * (0.4 + 0.6*r.Float64())
					s.Points = append(s.Points, at(x+d*math.Cos(a), y+d*math.Sin(a)))
				}
				s.Points = append(s.Points, s.Points[first])
				s.Ends = append(s.Ends, uint32(len(s.Points)))
			}
			for range 1 + r.IntN(2) {
				x, y, size := 51.29+r.Float64()*0.05, 35.59+r.Float64()*0.05, math.Pow(10, -1-3*r.Float64())
				ring(x, y, size, false)
				if r.IntN(2) == 0 {
					ring(x, y, size/3, true)
				}
				s.Parts = append(s.Parts, uint32(len(s.Ends)))
			}
			var want []EdgeID
			for seg := range g.segs {
				seg := uint32(seg)
				touches := false
				for piece := g.shapeFirst[seg] + seg; piece <= g.shapeFirst[seg+1]+seg; piece++ {
					a, b := g.piece(seg, piece)
					touches = touches || s.Contains(a) || s.Contains(b)
					stretches(s, func(_ int, c, d geo.LngLat) { touches = touches || geo.Meet(a, b, c, d) })
				}
				for _, e := range g.of[seg] {
					if touches && e != noEdge {
						want = append(want, EdgeID(e))
					}
				}
			}
			slices.Sort(want)
			got := g.Touching(s)
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d: %v touches %v, want %v", seed, s, got, want)
			}
			if len(want) > 0 && len(want) < g.EdgeCount() {
				touched++
			}
		}
	}
	if touched < 100 {
		t.Errorf("%d of 600 polygons touched some roads and not all: too few to prove a thing", touched)
	}
}

// Random lines give what a graph gives that has one cell only, so that nothing can be passed over.
func TestTouchingLineNeedsNoIndex(t *testing.T) {
	touched := 0
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 9))
		g := streetMap(t, r, 2+r.IntN(20))
		one := &Graph{nodes: g.nodes, first: g.first, edges: g.edges, flags: g.flags, segs: g.segs, shapeFirst: g.shapeFirst, shapes: g.shapes, of: g.of}
		one.pieces = pieceIndex{min: g.pieces.min, w: 4e9, h: 4e9, cols: 1, rows: 1}
		one.pieces.first = []uint32{0, uint32(len(g.shapes) + len(g.segs))}
		for i := range one.pieces.first[1] {
			one.pieces.pieces = append(one.pieces.pieces, i)
		}
		for range 10 {
			var points []geo.LngLat
			if p := g.nodes[r.IntN(len(g.nodes))]; r.IntN(2) == 0 { // along a street, about
				for e := range g.Out(NodeID(slices.Index(g.nodes, p))) {
					for _, q := range g.Shape(e.ID) {
						points = append(points, geo.LngLat{Lng: q.Lng + int32(r.IntN(1500)), Lat: q.Lat + int32(r.IntN(1500))})
					}
				}
			} else {
				for range 2 + r.IntN(4) {
					points = append(points, at(51.3+r.Float64()*0.04, 35.6+r.Float64()*0.04))
				}
			}
			s := &geo.Shape{Type: geo.LineString, Points: points, Ends: []uint32{uint32(len(points))}}
			got, want := g.Touching(s), one.Touching(s)
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d: %v touches %v, want %v", seed, points, got, want)
			}
			if len(got) > 0 {
				touched++
			}
		}
	}
	if touched < 150 {
		t.Errorf("%d of 400 lines touched a road: too few to prove a thing", touched)
	}
}

func TestTouchingLine(t *testing.T) {
	const m = 1 / 111194.926645
	// A main street with side streets every 200 m, a parallel street 60 m north, and a motorway over it all.
	var b Builder
	node := func(x, y float64) NodeID { return b.Node(at(x*m, y*m)) }
	add := func(name string, from, to NodeID) {
		if err := b.Add(Segment{From: from, To: to, Forward: 10, Backward: 10, Names: Names{Local: name}}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 4 {
		x := 200 * float64(i)
		add(fmt.Sprintf("side%d", i), node(x, 0), node(x, 60))
	}
	for i := range 3 {
		add(fmt.Sprintf("main%d", i), NodeID(2*i), NodeID(2*i+2))
		add(fmt.Sprintf("north%d", i), NodeID(2*i+1), NodeID(2*i+3))
	}
	add("motorway", node(300, -500), node(320, 500))
	g, err := b.Graph()
	if err != nil {
		t.Fatal(err)
	}
	line := func(xy ...float64) *geo.Shape {
		s := &geo.Shape{Type: geo.LineString}
		for i := 0; i < len(xy); i += 2 {
			s.Points = append(s.Points, at(xy[i]*m, xy[i+1]*m))
		}
		s.Ends = []uint32{uint32(len(s.Points))}
		return s
	}
	tests := map[string]struct {
		shape *geo.Shape
		want  []string
	}{
		"along a street, with a shaking hand": {line(5, 4, 100, -5, 195, 3), []string{"main0"}},
		"along it the other way":              {line(195, 3, 100, -5, 5, 4), []string{"main0"}},
		"along it under the motorway":         {line(205, 3, 395, -3), []string{"main1"}},
		"on through two blocks":               {line(10, 3, 395, -3), []string{"main0", "main1"}},
		"a little way into the next block":    {line(10, 3, 208, 0), []string{"main0"}},
		"across two streets":                  {line(100, -30, 100, 90), []string{"main0", "north0"}},
		"across the motorway":                 {line(290, 200, 330, 200), []string{"motorway"}},
		"a dash along a street":               {line(100, 1, 112, -1), []string{"main0"}},
		"a dash across a street":              {line(100, 1, 100, -1), []string{"main0"}},
		"between the streets":                 {line(10, 30, 190, 30), nil},
		"a half of a short street":            {line(0, 5, 0, 40), []string{"side0"}},
		"points":                              {&geo.Shape{Type: geo.MultiPoint, Points: []geo.LngLat{{}}}, nil},
		"nothing":                             {nil, nil},
		"a damaged line":                      {&geo.Shape{Type: geo.LineString, Ends: []uint32{7}}, nil},
	}
	for name, tt := range tests {
		var got []string
		for _, e := range g.Touching(tt.shape) {
			got = append(got, g.Name(e, ""))
		}
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}
