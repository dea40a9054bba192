package city

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/paulmach/orb"
	"github.com/paulmach/orb/maptile"

	"rasad/geo"
	"rasad/geo/roads"
)

// stretch is a piece of a way from one node of the graph to the next.
type stretch struct {
	way      *way
	drive    *drive
	from, to int64 // OpenStreetMap nodes
	line     []geo.LngLat
	metres   float64
}

// roadNetwork makes the road graph of what may be driven inside the map.
type roadNetwork struct {
	b         *builder
	x         *extract
	drives    map[int64]*drive // by way, of those that may be driven
	turns     []turnRule
	barriers  map[int64]barrier // by node
	stretches []stretch
	ends      map[int64]int // of stretches, by node
	graph     roads.Builder
	report    *RoadReport
}

// roadGraph makes the road graph of what may be driven inside the map.
func (b *builder) roadGraph() (*roads.Graph, error) {
	n := &roadNetwork{b: b, x: b.x, drives: map[int64]*drive{}, barriers: map[int64]barrier{}, ends: map[int64]int{}, report: &b.report.Roads}
	n.pick()
	n.turns = n.readTurns()
	n.cut()
	n.weighBarriers()
	if err := n.add(); err != nil {
		return nil, fmt.Errorf("make road graph: %w", err)
	}
	if err := n.ban(); err != nil {
		return nil, fmt.Errorf("make road graph: %w", err)
	}
	g, err := n.graph.Graph()
	if err != nil {
		return nil, err
	}
	n.report.count(g, n)
	b.report.RoadKm = n.report.Km
	return g, nil
}

// pick finds the ways that may be driven, and what stands on them.
func (n *roadNetwork) pick() {
	for i := range n.x.ways {
		w := &n.x.ways[i]
		if w.tags.Find("highway") == "" && w.tags.Find("route") != "ferry" || len(w.refs) < 2 || !n.onMap(w) {
			continue
		}
		d, ok, why := driveOf(w.tags)
		if !ok {
			if why == notFloat {
				n.report.Ferries++
			} else if why != notRoad {
				n.report.leftOut("way", why)
			}
			continue
		}
		n.drives[w.id] = &d
		for _, k := range [...]string{"access:conditional", "motor_vehicle:conditional", "oneway:conditional", "maxspeed:conditional"} {
			if w.tags.Find(k) != "" {
				n.report.leftOut(k, "what holds at certain times only is not read; the tag without a condition counts")
			}
		}
		if w.tags.Find("oneway") == "reversible" {
			n.report.leftOut("oneway=reversible", "of a lane that turns by the hour only the direction of its line is promised")
		}
	}
	for _, t := range n.x.tagged {
		if k := t.tags.Find("barrier"); k != "" {
			if b := barrierOf(t.tags); b != barrierNone {
				n.barriers[t.id] = b
			}
		}
	}
}

// onMap says whether a way has a node on the map.
func (n *roadNetwork) onMap(w *way) bool {
	return slices.ContainsFunc(w.refs, func(id int64) bool {
		at, ok := n.x.node(id)
		return ok && n.b.clip.Contains(point(at))
	})
}

// cut cuts the ways into stretches: at junctions, where a turn rule or a barrier hangs on a node, and where they leave
// the map.
func (n *roadNetwork) cut() {
	uses := map[int64]uint8{} // of nodes: 2 and more is a junction
	use := func(id int64, n uint8) {
		if uses[id] < 2 {
			uses[id] += n
		}
	}
	for i := range n.x.ways {
		w := &n.x.ways[i]
		if n.drives[w.id] == nil {
			continue
		}
		for k, id := range w.refs {
			if _, barred := n.barriers[id]; barred || k == 0 || k == len(w.refs)-1 {
				use(id, 2)
			} else {
				use(id, 1)
			}
		}
	}
	for _, t := range n.turns {
		for _, id := range t.via {
			use(id, 2)
		}
	}
	for i := range n.x.ways {
		w := &n.x.ways[i]
		d := n.drives[w.id]
		if d == nil {
			continue
		}
		// A stretch that leaves the map ends at its last node inside.
		s := stretch{way: w, drive: d}
		end := func() {
			if len(s.line) > 1 && s.from != s.to || s.metres > 0 {
				n.stretches = append(n.stretches, s)
				n.ends[s.from]++
				n.ends[s.to]++
			}
			s = stretch{way: w, drive: d}
		}
		put := func(id int64, at geo.LngLat) {
			if len(s.line) == 0 {
				s.from = id
			} else {
				s.metres += geo.Distance(s.line[len(s.line)-1], at)
			}
			s.to, s.line = id, append(s.line, at)
		}
		for _, id := range w.refs {
			at, ok := n.x.node(id)
			if !ok || !n.b.clip.Contains(point(at)) {
				end()
				continue
			}
			put(id, at)
			if uses[id] >= 2 && len(s.line) > 1 {
				end()
				put(id, at)
			}
		}
		end()
	}
}

// weighBarriers keeps the barriers that close or slow a road: what stands at the end of one bars nothing, and of
// what stands on a junction nobody knows which of the roads it bars.
func (n *roadNetwork) weighBarriers() {
	for _, t := range n.x.tagged {
		b, ends := n.barriers[t.id], n.ends[t.id]
		if b == barrierNone || ends == 0 {
			continue
		}
		kind := t.tags.Find("barrier")
		switch {
		case ends > 2:
			n.report.barrier(kind, "on a junction: which of the roads it bars is not mapped, so it bars none")
			delete(n.barriers, t.id)
		case ends < 2:
			n.report.barrier(kind, "at the end of a road: bars nothing")
			delete(n.barriers, t.id)
		case b == barrierGate:
			n.report.barrier(kind, "a gate: it opens, and costs time")
		default:
			n.report.barrier(kind, "closed to cars: the road is cut here")
		}
	}
}

// number adds the ends of stretches to the graph, but for closed barriers, along a Hilbert curve: what lies
// together on the ground lies together in memory, and a search over eight minutes of road takes a quarter less time.
func (n *roadNetwork) number() map[int64]roads.NodeID {
	type end struct {
		curve uint64
		id    int64
		at    geo.LngLat
	}
	seen := map[int64]bool{}
	var ends []end
	see := func(id int64, at geo.LngLat) {
		if !seen[id] && n.barriers[id] != barrierClosed {
			seen[id] = true
			const zoom = 22 // some 10 m
			t := maptile.At(point(at), zoom)
			ends = append(ends, end{tileID(zoom, t.X, t.Y), id, at})
		}
	}
	for i := range n.stretches {
		s := &n.stretches[i]
		see(s.from, s.line[0])
		see(s.to, s.line[len(s.line)-1])
	}
	slices.SortFunc(ends, func(a, b end) int { return cmp.Or(cmp.Compare(a.curve, b.curve), cmp.Compare(a.id, b.id)) })
	numbers := make(map[int64]roads.NodeID, len(ends))
	for _, e := range ends {
		numbers[e.id] = n.graph.Node(e.at)
	}
	return numbers
}

// add adds all stretches to the graph.
func (n *roadNetwork) add() error {
	numbers := n.number()
	number := func(id int64, at geo.LngLat) roads.NodeID {
		if v, ok := numbers[id]; ok {
			return v
		}
		return n.graph.Node(at) // a barrier, whose sides do not meet
	}
	urban := n.b.builtUp(n.stretches)
	for i := range n.stretches {
		s := &n.stretches[i]
		names := namesOf(s.way.tags, n.b.over.dictionary)
		in := urban.contains(s.line[len(s.line)/2])
		seg := roads.Segment{From: number(s.from, s.line[0]), To: number(s.to, s.line[len(s.line)-1]), Between: s.line[1 : len(s.line)-1],
			Class: s.drive.class, Flags: s.drive.flags, Way: s.way.id,
			Names: roads.Names{Local: names.Local, FA: names.FA, ZH: names.ZH, EN: names.EN, Ref: spoken(s.way.tags, "ref")}}
		// Two nodes on one spot are two nodes still.
		seconds := func(d direction) float64 { return math.Max(s.metres/s.drive.mps(d, in), 1e-3) }
		if s.drive.forward.open {
			seg.Forward = seconds(s.drive.forward)
		}
		if s.drive.backward.open {
			seg.Backward = seconds(s.drive.backward)
		}
		if s.drive.forward.against {
			seg.ForwardFlags |= roads.Against
		}
		if s.drive.backward.against {
			seg.BackwardFlags |= roads.Against
		}
		if n.barriers[s.to] == barrierGate {
			seg.ForwardFlags |= roads.Gate
		}
		if n.barriers[s.from] == barrierGate {
			seg.BackwardFlags |= roads.Gate
		}
		if err := n.graph.Add(seg); err != nil {
			return err
		}
		n.report.stretch(s, in)
	}
	return nil
}

// Where the map has no speed limit, it matters whether a road runs through a built-up area. A square of some 250 m counts as
// built up where its middle lies in an area that is mapped as residential, commercial or retail, or where it and
// the eight around it have so many houses or junctions for each square kilometre.
const (
	builtUpSquare    = 0.0025 // degrees of latitude
	builtUpHouses    = 120    // a km²
	builtUpJunctions = 18     // a km²; a service road's do not count
)

// blocks is a set of squares of a grid on the ground.
type blocks struct {
	wide float64 // degrees of longitude
	in   map[[2]int32]bool
}

func (s *blocks) of(p orb.Point) [2]int32 {
	return [2]int32{int32(math.Floor(p[0] / s.wide)), int32(math.Floor(p[1] / builtUpSquare))}
}

func (s *blocks) contains(p geo.LngLat) bool { return s.in[s.of(point(p))] }

// builtUp finds the built-up squares of the map.
func (b *builder) builtUp(stretches []stretch) *blocks {
	lat := b.clip.Center()[1]
	s := &blocks{builtUpSquare / math.Max(0.1, math.Cos(lat*math.Pi/180)), map[[2]int32]bool{}}
	for _, area := range b.built {
		bound := area.Bound()
		lo := s.of(orb.Point{math.Max(bound.Min[0], b.clip.Min[0]), math.Max(bound.Min[1], b.clip.Min[1])})
		hi := s.of(orb.Point{math.Min(bound.Max[0], b.clip.Max[0]), math.Min(bound.Max[1], b.clip.Max[1])})
		sheet := newSheet(area)
		for x := lo[0]; x <= hi[0]; x++ {
			for y := lo[1]; y <= hi[1]; y++ {
				if sheet.contains(orb.Point{(float64(x) + 0.5) * s.wide, (float64(y) + 0.5) * builtUpSquare}) {
					s.in[[2]int32{x, y}] = true
				}
			}
		}
	}
	ends := map[int64]int{}
	at := map[int64]geo.LngLat{}
	for _, v := range stretches {
		if v.drive.class < roads.Service {
			ends[v.from]++
			ends[v.to]++
			at[v.from], at[v.to] = v.line[0], v.line[len(v.line)-1]
		}
	}
	km := builtUpSquare * metresPerDeg / 1000
	need := func(density float64) int { return int(math.Ceil(density * 9 * km * km)) }
	junctions, houses := map[[2]int32]int{}, map[[2]int32]int{}
	for id, n := range ends {
		if n > 2 {
			junctions[s.of(point(at[id]))]++
		}
	}
	for _, p := range b.houses {
		houses[s.of(p)]++
	}
	dense := func(count map[[2]int32]int, least int) {
		sum := map[[2]int32]int{}
		for k, v := range count {
			for dx := int32(-1); dx <= 1; dx++ {
				for dy := int32(-1); dy <= 1; dy++ {
					sum[[2]int32{k[0] + dx, k[1] + dy}] += v
				}
			}
		}
		for k, v := range sum {
			if v >= least {
				s.in[k] = true
			}
		}
	}
	dense(junctions, need(builtUpJunctions))
	dense(houses, need(builtUpHouses))
	return s
}

// byNode sorts what leaves each node: stretches driven forward from their beginning, backward from their end.
func (n *roadNetwork) byNode() map[int64][]roads.Drive {
	out := map[int64][]roads.Drive{}
	for i, s := range n.stretches {
		out[s.from] = append(out[s.from], roads.Drive{Segment: i})
		out[s.to] = append(out[s.to], roads.Drive{Segment: i, Backward: true})
	}
	for _, ds := range out {
		slices.SortFunc(ds, func(a, b roads.Drive) int { return cmp.Compare(a.Segment, b.Segment) })
	}
	return out
}
