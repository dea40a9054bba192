package roads

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
)

// orderSection is the name of the section of the file that holds the order: a u32 for each state.
const orderSection = "ORDR"

// Hierarchy is the section for [Write] that spares [NewRouter] the longest part of its work, the order of the
// hierarchy: some seconds for a state. A router of a graph without it makes the order itself.
func Hierarchy(g *Graph) Section {
	s := Section{Name: orderSection}
	for _, state := range newNetwork(g).order() {
		s.Body = binary.LittleEndian.AppendUint32(s.Body, state)
	}
	return s
}

// storedOrder is the order in the graph's file; nil when there is none for this network.
func (n *network) storedOrder() []uint32 {
	b, _ := n.g.Section(orderSection)
	if len(b) != 4*n.states() {
		return nil
	}
	order, seen := make([]uint32, n.states()), make([]bool, n.states())
	for i := range order {
		s := binary.LittleEndian.Uint32(b[4*i:])
		if int64(s) >= int64(len(seen)) || seen[s] {
			return nil
		}
		order[i], seen[s] = s, true
	}
	return order
}

// order puts the states in the order in which the hierarchy contracts them, the least important
// first: nested dissection. The city is cut in two along few streets; the states of the streets
// cut part the states of the two halves, for an arc joins edges that share a node, and no node
// lies in both. They come last, before them the halves, each cut in the same way.
//
// A cut is found by inertial flow (Schild and Sommer 2015): the nodes that lie farthest out in
// one direction are sources, those farthest out in the other one are sinks, and the least
// cut between them is a maximum flow (Dinic), over four directions. About O(n log n) and some
// factor for the size of cuts. Equal graphs give equal orders.
func (n *network) order() []uint32 {
	g := n.g
	nodes := len(g.nodes)
	if nodes == 0 {
		return nil
	}
	d := &dissection{first: make([]uint32, nodes+1), states: make([][]uint32, len(g.segs)), flow: make([]int8, len(g.segs)),
		wide: make([]int8, len(g.segs)), cell: make([]uint32, nodes), spare: make([]uint32, nodes), part: make([]int32, nodes),
		role: make([]uint8, nodes), level: make([]int32, nodes), next: make([]uint32, nodes), order: make([]uint32, 0, n.states())}
	for s := range uint32(n.states()) {
		seg := g.edges[n.edge(s)].seg &^ reversed
		d.states[seg] = append(d.states[seg], s)
		d.wide[seg] = int8(min(len(d.states[seg]), math.MaxInt8))
	}
	for i, s := range g.segs {
		if len(d.states[i]) > 0 {
			d.first[s.a]++
			d.first[s.b]++
		}
	}
	for v, sum := 0, uint32(0); v <= nodes; v++ {
		d.first[v], sum = sum, sum+d.first[v]
	}
	d.roads = make([]road, d.first[nodes])
	at := slices.Clone(d.first)
	for i, s := range g.segs {
		if len(d.states[i]) > 0 {
			d.roads[at[s.a]] = road{s.b, uint32(i)}
			at[s.a]++
			d.roads[at[s.b]] = road{s.a, uint32(i) | reversed}
			at[s.b]++
		}
	}
	east := math.Cos(float64(g.nodes[nodes/2].Lat) * radPerE7)
	keys := make([]float64, nodes)
	for k := range d.lines {
		d.lines[k] = make([]uint32, nodes)
		for i, p := range g.nodes {
			x, y := float64(p.Lng)*east, float64(p.Lat)
			keys[i] = [...]float64{x, y, x + y, x - y}[k]
			d.lines[k][i] = uint32(i)
		}
		slices.SortFunc(d.lines[k], func(a, b uint32) int { return cmp.Or(cmp.Compare(keys[a], keys[b]), cmp.Compare(a, b)) })
	}
	d.cut(0, nodes)
	return d.order
}

type dissection struct {
	first  []uint32 // by node, one more
	roads  []road
	states [][]uint32 // by segment
	// lines are the nodes along each of the four directions. A cell is the same range of all four.
	lines [4][]uint32
	cell  []uint32 // by node: the number of its cell
	cells uint32
	spare []uint32
	order []uint32

	// Of one cell.
	part  []int32 // by node: the part it hangs together with, or the side of the cut
	role  []uint8
	level []int32  // steps from the sources, -1 where no flow can come from them
	next  []uint32 // the segment to try next
	flow  []int8   // by segment, from a to b
	wide  []int8   // by segment: how much may flow, the number of its states
	queue []uint32
	path  []step
}

// road is a segment as one of its nodes sees it: where it leads, and the highest bit for b to a.
type road struct{ to, seg uint32 }

type step struct{ node, seg uint32 }

const (
	midway = iota
	source
	sink
)

// inertia is the share of a cell that is source, and that is sink: neither half gets less.
// Of 0.15 to 0.4, 0.25 gave the fewest triangles on the Delaware graph (7.9 million); 0.3 gave 1 % more and
// took a fifth less time.
const inertia = 0.25

// cut orders the cell that lies from lo to hi.
func (d *dissection) cut(lo, hi int) {
	nodes := d.lines[0][lo:hi]
	d.cells++
	for _, v := range nodes {
		d.cell[v], d.part[v] = d.cells, -1
	}
	// What does not hang together needs no cut.
	parts := int32(0)
	for _, v := range nodes {
		if d.part[v] < 0 {
			d.flood(v, parts)
			parts++
		}
	}
	if parts == 1 && len(nodes) > 1 {
		d.halve(lo, hi)
		parts = 2
	}
	var across []uint32
	for _, v := range nodes {
		for _, s := range d.roads[d.first[v]:d.first[v+1]] {
			if d.cell[s.to] == d.cells && d.part[s.to] > d.part[v] || len(nodes) == 1 && s.to == v {
				across = append(across, s.seg&^reversed)
			}
		}
	}
	if len(nodes) > 1 {
		for _, end := range d.sort(lo, hi, int(parts)) {
			d.cut(lo, end)
			lo = end
		}
	}
	slices.Sort(across)
	for _, s := range slices.Compact(across) {
		d.order = append(d.order, d.states[s]...)
	}
}

// flood marks what hangs together with v.
func (d *dissection) flood(v uint32, part int32) {
	d.part[v] = part
	for d.queue = append(d.queue[:0], v); len(d.queue) > 0; {
		u := d.queue[len(d.queue)-1]
		d.queue = d.queue[:len(d.queue)-1]
		for _, s := range d.roads[d.first[u]:d.first[u+1]] {
			if d.cell[s.to] == d.cells && d.part[s.to] < 0 {
				d.part[s.to] = part
				d.queue = append(d.queue, s.to)
			}
		}
	}
}

// sort parts the cell by part, each in its old order, and says where each ends.
func (d *dissection) sort(lo, hi, parts int) []int {
	ends := make([]int, parts)
	for _, v := range d.lines[0][lo:hi] {
		ends[d.part[v]]++
	}
	for p, at := 0, lo; p < parts; p++ {
		ends[p], at = at, at+ends[p]
	}
	at := make([]int, parts)
	for k := range d.lines {
		copy(at, ends)
		for _, v := range d.lines[k][lo:hi] {
			d.spare[at[d.part[v]]] = v
			at[d.part[v]]++
		}
		copy(d.lines[k][lo:hi], d.spare[lo:hi])
	}
	return at
}

// halve sets part to the side of the best cut: the one of the fewest states, then the evenest.
func (d *dissection) halve(lo, hi int) {
	n := hi - lo
	ends := max(1, int(float64(n)*inertia))
	best, even := math.MaxInt32, 0
	for k := range d.lines {
		line := d.lines[k][lo:hi]
		for i, v := range line {
			d.role[v] = midway
			if i < ends {
				d.role[v] = source
			} else if i >= n-ends {
				d.role[v] = sink
			}
			for _, s := range d.roads[d.first[v]:d.first[v+1]] {
				d.flow[s.seg&^reversed] = 0
			}
		}
		cut := 0
		for cut <= best && d.levels(line, source) {
			cut = d.augment(line, cut, best+1)
		}
		if cut > best {
			continue
		}
		// Of the least cuts, the one nearest to the sources and the one nearest to the sinks.
		for _, from := range [...]uint8{source, sink} {
			if from == sink {
				d.levels(line, sink)
			}
			size := 0
			for _, v := range line {
				if d.level[v] >= 0 {
					size++
				}
			}
			if e := min(size, n-size); cut < best || cut == best && e > even {
				best, even = cut, e
				for _, v := range line {
					d.part[v] = 0
					if (d.level[v] >= 0) == (from == sink) {
						d.part[v] = 1
					}
				}
			}
		}
	}
}

// room says whether more may flow along a road; reversed, against it.
func (d *dissection) room(seg uint32) bool {
	i := seg &^ reversed
	if seg&reversed == 0 {
		return d.flow[i] < d.wide[i]
	}
	return d.flow[i] > -d.wide[i]
}

// levels counts steps from the sources along what has room, until a sink is reached; or from
// the sinks against it.
func (d *dissection) levels(line []uint32, from uint8) (reached bool) {
	d.queue = d.queue[:0]
	for _, v := range line {
		d.level[v] = -1
		if d.role[v] == from {
			d.level[v] = 0
			d.queue = append(d.queue, v)
		}
		d.next[v] = d.first[v]
	}
	last, against := int32(math.MaxInt32), uint32(0)
	if from == sink {
		against = reversed
	}
	for i := 0; i < len(d.queue) && d.level[d.queue[i]] < last; i++ {
		u := d.queue[i]
		for _, s := range d.roads[d.first[u]:d.first[u+1]] {
			w := s.to
			if d.cell[w] != d.cells || d.level[w] >= 0 || !d.room(s.seg^against) {
				continue
			}
			d.level[w] = d.level[u] + 1
			if from == source && d.role[w] == sink {
				last = d.level[w]
			}
			d.queue = append(d.queue, w)
		}
	}
	return last < math.MaxInt32
}

// augment adds to a flow whatever the levels let through, up to a limit.
func (d *dissection) augment(line []uint32, flow, limit int) int {
	for _, v := range line {
		if d.role[v] != source {
			continue
		}
		for flow < limit && d.push(v) {
			flow++
		}
	}
	return flow
}

// push sends one more from v to a sink, level by level.
func (d *dissection) push(v uint32) bool {
	d.path = d.path[:0]
	for u := v; ; {
		if d.role[u] == sink {
			for _, p := range d.path {
				if p.seg&reversed == 0 {
					d.flow[p.seg]++
				} else {
					d.flow[p.seg&^reversed]--
				}
			}
			return true
		}
		ahead := false
		for ; d.next[u] < d.first[u+1]; d.next[u]++ {
			s := d.roads[d.next[u]]
			if d.cell[s.to] == d.cells && d.level[s.to] == d.level[u]+1 && d.room(s.seg) {
				d.path = append(d.path, step{u, s.seg})
				u, ahead = s.to, true
				break
			}
		}
		if ahead {
			continue
		}
		if len(d.path) == 0 {
			return false
		}
		u = d.path[len(d.path)-1].node
		d.path = d.path[:len(d.path)-1]
		d.next[u]++
	}
}
