package city

import (
	"fmt"

	"rasad/geo"
	"rasad/geo/roads"
)

// roadGraph makes the road graph of what may be driven inside clip.
func (b *builder) roadGraph() (*roads.Graph, error) {
	type drivable struct {
		way *way
		d   drive
	}
	var ways []drivable
	uses := map[int64]uint8{} // of nodes: 2 and more is a junction
	use := func(id int64, n uint8) {
		if uses[id] < 2 {
			uses[id] += n
		}
	}
	for i := range b.x.ways {
		w := &b.x.ways[i]
		d, ok := driveOf(w.tags)
		if !ok || len(w.refs) < 2 {
			continue
		}
		ways = append(ways, drivable{w, d})
		for k, id := range w.refs {
			if k == 0 || k == len(w.refs)-1 {
				use(id, 2)
			} else {
				use(id, 1)
			}
		}
	}
	var g roads.Builder
	numbers := map[int64]roads.NodeID{}
	number := func(id int64, at geo.LngLat) roads.NodeID {
		n, ok := numbers[id]
		if !ok {
			n = g.Node(at)
			numbers[id] = n
		}
		return n
	}
	for _, v := range ways {
		n := namesOf(v.way.tags, b.over.dictionary)
		street := roads.Names{Local: n.Local, FA: n.FA, ZH: n.ZH, EN: n.EN, Ref: firstOf(v.way.tags, "ref")}
		// A stretch runs from junction to junction; one that leaves the map ends at its last node inside.
		var stretch []int64
		var line []geo.LngLat
		end := func() error {
			defer func() { stretch, line = stretch[:0], line[:0] }()
			if len(line) < 2 {
				return nil
			}
			m := 0.0
			for i := 1; i < len(line); i++ {
				m += geo.Distance(line[i-1], line[i])
			}
			if m == 0 {
				return nil
			}
			s := roads.Segment{From: number(stretch[0], line[0]), To: number(stretch[len(stretch)-1], line[len(line)-1]),
				Between: append([]geo.LngLat(nil), line[1:len(line)-1]...), Class: v.d.class, Flags: v.d.flags, Names: street, Way: v.way.id}
			if v.d.forward {
				s.Forward = m / v.d.mps
			}
			if v.d.backward {
				s.Backward = m / v.d.mps
			}
			b.report.RoadKm += m / 1000
			return g.Add(s)
		}
		for _, id := range v.way.refs {
			at, ok := b.x.node(id)
			if !ok || !b.clip.Contains(point(at)) {
				if err := end(); err != nil {
					return nil, fmt.Errorf("make road graph: %w", err)
				}
				continue
			}
			stretch, line = append(stretch, id), append(line, at)
			if uses[id] >= 2 && len(line) > 1 {
				if err := end(); err != nil {
					return nil, fmt.Errorf("make road graph: %w", err)
				}
				stretch, line = append(stretch, id), append(line, at)
			}
		}
		if err := end(); err != nil {
			return nil, fmt.Errorf("make road graph: %w", err)
		}
	}
	return g.Graph()
}
