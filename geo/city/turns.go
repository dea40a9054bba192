package city

import (
	"math"
	"slices"
	"strings"

	"github.com/paulmach/osm"

	"rasad/geo"
	"rasad/geo/roads"
)

// turnRule is a turn restriction as it is mapped.
type turnRule struct {
	relation int64
	what     string  // no_left_turn, only_straight_on, …
	from, to []int64 // ways
	via      []int64 // nodes: one, or none
	through  []int64 // ways, where it speaks of no node
}

// Reasons why a turn restriction forbids nothing, in the report's words.
const (
	turnConditional = "holds at certain times only; times are not read"
	turnExempt      = "does not bind emergency vehicles, or no cars"
	turnOthers      = "is for other vehicles (trucks, buses, bicycles)"
	turnMoot        = "speaks of a way that no motor vehicle may drive"
	turnOutside     = "speaks of a way or node that the map does not hold"
	turnKind        = "its restriction is none that we know"
	turnRoles       = "lacks a from, a via or a to"
	turnApart       = "its ways do not meet where it says"
	turnAmbiguous   = "its ways run on through the via, and it does not say which side is meant"
	turnSame        = "goes from a way back into it, and is no U-turn"
	turnClosed      = "a barrier lies on its way"
)

var turnKinds = []string{"no_left_turn", "no_right_turn", "no_straight_on", "no_u_turn", "no_entry", "no_exit",
	"only_left_turn", "only_right_turn", "only_straight_on", "only_u_turn"}

// readTurns finds the turn restrictions that may concern us, and notes the others.
func (n *roadNetwork) readTurns() []turnRule {
	rep := &n.report.Turns
	var out []turnRule
	for i := range n.x.rels {
		r := &n.x.rels[i]
		if typ := r.tags.Find("type"); typ != "restriction" && !strings.HasPrefix(typ, "restriction:") || !n.near(r) {
			continue
		}
		rep.Found++
		t := turnRule{relation: r.id, what: firstOf(r.tags, "restriction:emergency", "restriction:motorcar", "restriction:motor_vehicle", "restriction")}
		t.what, _, _ = strings.Cut(t.what, ";") // of several, the one that the way describes comes first
		if typ := r.tags.Find("type"); strings.HasPrefix(typ, "restriction:") && typ != "restriction:motorcar" && typ != "restriction:motor_vehicle" {
			t.what = ""
		}
		switch {
		case t.what == "" && (r.tags.Find("restriction:conditional") != "" || r.tags.Find("restriction:motorcar:conditional") != ""),
			firstOf(r.tags, "day_on", "day_off", "hour_on", "hour_off") != "":
			rep.skip(turnConditional, r.id)
			continue
		case t.what == "" && (r.tags.Find("type") != "restriction" || slices.ContainsFunc(r.tags, func(t osm.Tag) bool { return strings.HasPrefix(t.Key, "restriction:") })):
			rep.skip(turnOthers, r.id)
			continue
		case exempt(r.tags.Find("except")):
			rep.skip(turnExempt, r.id)
			continue
		case !slices.Contains(turnKinds, t.what):
			rep.breaks(turnKind, r.id)
			continue
		}
		for _, m := range r.members {
			switch {
			case m.Role == "from" && m.Type == osm.TypeWay:
				t.from = append(t.from, m.Ref)
			case m.Role == "to" && m.Type == osm.TypeWay:
				t.to = append(t.to, m.Ref)
			case m.Role == "via" && m.Type == osm.TypeWay:
				t.through = append(t.through, m.Ref)
			case m.Role == "via" && m.Type == osm.TypeNode:
				t.via = append(t.via, m.Ref)
			}
		}
		// A U-turn is from a way into itself, and often mapped with one of the two only.
		if strings.HasSuffix(t.what, "_u_turn") && len(t.through) == 0 {
			if len(t.to) == 0 {
				t.to = t.from
			} else if len(t.from) == 0 {
				t.from = t.to
			}
		}
		if len(t.from) == 0 || len(t.to) == 0 || len(t.via) > 1 || (len(t.via) == 0) == (len(t.through) == 0) {
			rep.breaks(turnRoles, r.id)
			continue
		}
		out = append(out, t)
	}
	return out
}

// exempt says whether an except tag names us.
func exempt(except string) bool {
	for v := range strings.SplitSeq(except, ";") {
		switch strings.TrimSpace(v) {
		case "emergency", "motorcar", "motor_vehicle", "vehicle":
			return true
		}
	}
	return false
}

// near says whether a relation has a member on the map: a restriction of another town is not counted at all.
func (n *roadNetwork) near(r *relation) bool {
	return slices.ContainsFunc(r.members, func(m osm.Member) bool {
		switch m.Type {
		case osm.TypeNode:
			at, ok := n.x.node(m.Ref)
			return ok && n.b.clip.Contains(point(at))
		case osm.TypeWay:
			w, ok := n.x.way(m.Ref)
			return ok && n.onMap(w)
		}
		return false
	})
}

// ban turns the turn rules into bans on the stretches that were made of their ways.
func (n *roadNetwork) ban() error {
	rep := &n.report.Turns
	leaving := n.byNode()
	for _, t := range n.turns {
		ways := slices.Concat(t.from, t.through, t.to)
		if slices.ContainsFunc(ways, func(id int64) bool { _, ok := n.x.way(id); return !ok }) {
			rep.skip(turnOutside, t.relation)
			continue
		}
		if slices.ContainsFunc(ways, func(id int64) bool { return n.drives[id] == nil }) {
			rep.skip(turnMoot, t.relation)
			continue
		}
		paths, why := n.paths(t, leaving)
		switch why {
		case "":
		case turnOutside, turnMoot:
			rep.skip(why, t.relation)
			continue
		default:
			rep.breaks(why, t.relation)
			continue
		}
		for _, p := range paths {
			if err := n.graph.Ban(p...); err != nil {
				return err
			}
		}
		rep.use(t, len(paths))
	}
	return nil
}

// head is the node that a direction of a stretch leads to.
func (n *roadNetwork) head(d roads.Drive) int64 {
	if s := &n.stretches[d.Segment]; d.Backward {
		return s.from
	} else {
		return s.to
	}
}

func turned(d roads.Drive) roads.Drive { return roads.Drive{Segment: d.Segment, Backward: !d.Backward} }

// open says whether a direction of a stretch may be driven, and against says whether that is against a one-way street.
func (n *roadNetwork) open(d roads.Drive) (open, against bool) {
	to := n.stretches[d.Segment].drive.forward
	if d.Backward {
		to = n.stretches[d.Segment].drive.backward
	}
	return to.open, to.against
}

// of leaves the directions that lie on one of the ways and may be driven; those against a one-way street only where there are
// no others.
func (n *roadNetwork) of(ds []roads.Drive, ways []int64) []roads.Drive {
	var legal, against []roads.Drive
	for _, d := range ds {
		if !slices.Contains(ways, n.stretches[d.Segment].way.id) {
			continue
		}
		switch open, wrong := n.open(d); {
		case open && wrong:
			against = append(against, d)
		case open:
			legal = append(legal, d)
		}
	}
	if len(legal) > 0 {
		return legal
	}
	return against
}

// arriving gives the directions that lead to a node.
func arriving(leaving []roads.Drive) []roads.Drive {
	out := make([]roads.Drive, len(leaving))
	for i, d := range leaving {
		out[i] = turned(d)
	}
	return out
}

// paths are the sequences of directions that a turn rule forbids; why says why there are none.
func (n *roadNetwork) paths(t turnRule, leaving map[int64][]roads.Drive) (paths [][]roads.Drive, why string) {
	var inner []roads.Drive // over the via ways
	var begin, end int64    // nodes where from ends and to begins
	if len(t.via) == 1 {
		begin, end = t.via[0], t.via[0]
		if at, ok := n.x.node(begin); !ok || !n.b.clip.Contains(point(at)) {
			return nil, turnOutside
		}
	} else if inner, begin, end, why = n.inner(t, leaving); why != "" {
		return nil, why
	}
	if n.barriers[begin] == barrierClosed || n.barriers[end] == barrierClosed {
		return nil, turnClosed
	}
	in, out := n.of(arriving(leaving[begin]), t.from), n.of(leaving[end], t.to)
	if len(in) == 0 || len(out) == 0 {
		meets := func(ways []int64, node int64) bool {
			return slices.ContainsFunc(ways, func(id int64) bool { w, _ := n.x.way(id); return slices.Contains(w.refs, node) })
		}
		if meets(t.from, begin) && meets(t.to, end) {
			return nil, turnMoot // such as no left turn into a street that comes out there, by the one-way sign alone
		}
		return nil, turnApart
	}
	same := len(inner) == 0 && slices.Equal(t.from, t.to)
	if same && t.what == "no_u_turn" {
		for _, a := range in {
			if back := turned(a); slices.Contains(out, back) {
				paths = append(paths, []roads.Drive{a, back})
			}
		}
		if len(paths) == 0 {
			return nil, turnMoot
		}
		return paths, ""
	}
	// A way that runs on through the via arrives from both sides, and leaves to both: the turn that it names tells which
	// are meant.
	several := len(in) > 1 && t.what != "no_entry" && len(t.from) == 1 || len(out) > 1 && t.what != "no_exit" && len(t.to) == 1
	type pair struct{ in, out roads.Drive }
	var pairs []pair
	for _, a := range in {
		for _, d := range out {
			if a == turned(d) && (same || several) && !strings.HasSuffix(t.what, "_u_turn") {
				continue
			}
			if !several || n.named(t.what, a, d, inner) {
				pairs = append(pairs, pair{a, d})
			}
		}
	}
	switch {
	case len(pairs) == 0 && !several:
		return nil, turnSame
	case len(pairs) == 0 || several && len(pairs) > 1:
		return nil, turnAmbiguous
	case several:
		n.report.Turns.Guessed++
	}
	for _, p := range pairs {
		if strings.HasPrefix(t.what, "no_") {
			paths = append(paths, slices.Concat([]roads.Drive{p.in}, inner, []roads.Drive{p.out}))
			continue
		}
		for _, d := range leaving[end] { // only: everything else is forbidden
			if open, _ := n.open(d); open && !slices.ContainsFunc(pairs, func(q pair) bool { return q.in == p.in && q.out == d }) {
				paths = append(paths, slices.Concat([]roads.Drive{p.in}, inner, []roads.Drive{d}))
			}
		}
	}
	if len(paths) == 0 {
		return nil, turnMoot // only straight on, where there is nothing else
	}
	return paths, ""
}

// named says whether going from one direction to another is the turn that a rule names.
func (n *roadNetwork) named(what string, in, out roads.Drive, inner []roads.Drive) bool {
	if len(inner) > 0 {
		return false // over via ways there is no telling
	}
	a, b := n.line(in), n.line(out)
	angle := math.Remainder(heading(b[0], b[1])-heading(a[len(a)-2], a[len(a)-1]), 360) // right is positive
	_, turn, _ := strings.Cut(what, "_")
	switch turn {
	case "left_turn":
		return angle < -30 && angle > -170
	case "right_turn":
		return angle > 30 && angle < 170
	case "straight_on":
		return math.Abs(angle) < 45
	case "u_turn":
		return math.Abs(angle) > 135
	}
	return false
}

// line is the line of a direction of a stretch as it is driven.
func (n *roadNetwork) line(d roads.Drive) []geo.LngLat {
	line := n.stretches[d.Segment].line
	if d.Backward {
		line = slices.Clone(line)
		slices.Reverse(line)
	}
	return line
}

// heading is the direction from a to b in degrees clockwise from north.
func heading(a, b geo.LngLat) float64 {
	_, lat := a.Degrees()
	return math.Atan2((float64(b.Lng)-float64(a.Lng))*math.Cos(lat*math.Pi/180), float64(b.Lat)-float64(a.Lat)) * 180 / math.Pi
}

// inner finds how one drives over the via ways of a rule: the directions, the node where they begin and the one where they
// end. The ways may stand in any order and run in any direction.
func (n *roadNetwork) inner(t turnRule, leaving map[int64][]roads.Drive) (path []roads.Drive, begin, end int64, why string) {
	refs := func(ways []int64) (out []int64) {
		for _, id := range ways {
			w, _ := n.x.way(id)
			out = append(out, w.refs...)
		}
		return out
	}
	from, to := refs(t.from), refs(t.to)
	found := 0
	// search tries every order: of via ways there are one or two, rarely three.
	var search func(at int64, left []int64, path []roads.Drive, first int64)
	search = func(at int64, left []int64, so []roads.Drive, first int64) {
		if len(left) == 0 {
			if slices.Contains(to, at) {
				path, begin, end = slices.Clone(so), first, at
				found++
			}
			return
		}
		for i, id := range left {
			w, _ := n.x.way(id)
			a, b := w.refs[0], w.refs[len(w.refs)-1]
			rest := slices.Delete(slices.Clone(left), i, i+1)
			for _, ends := range [...][2]int64{{a, b}, {b, a}} {
				if ends[0] != at || a == b {
					continue
				}
				if way, ok := n.over(id, ends[0], ends[1], leaving); ok {
					search(ends[1], rest, append(so, way...), first)
				}
			}
		}
	}
	if len(t.through) > 4 {
		return nil, 0, 0, turnApart
	}
	starts := map[int64]bool{}
	for _, id := range t.through {
		w, _ := n.x.way(id)
		for _, at := range [...]int64{w.refs[0], w.refs[len(w.refs)-1]} {
			if !starts[at] && slices.Contains(from, at) {
				starts[at] = true
				search(at, t.through, nil, at)
			}
		}
	}
	switch found {
	case 0:
		if len(starts) > 0 && slices.ContainsFunc(t.through, func(id int64) bool { return n.cutBy(id) }) {
			return nil, 0, 0, turnClosed
		}
		return nil, 0, 0, turnApart
	case 1:
		return path, begin, end, ""
	}
	return nil, 0, 0, turnAmbiguous
}

// cutBy says whether a closed barrier or the edge of the map cuts a way.
func (n *roadNetwork) cutBy(way int64) bool {
	w, _ := n.x.way(way)
	return slices.ContainsFunc(w.refs, func(id int64) bool {
		at, ok := n.x.node(id)
		return !ok || !n.b.clip.Contains(point(at)) || n.barriers[id] == barrierClosed
	})
}

// over gives the directions of the stretches of a way that lead from its one end to the other.
func (n *roadNetwork) over(way, from, to int64, leaving map[int64][]roads.Drive) (path []roads.Drive, ok bool) {
	w, _ := n.x.way(way)
	for at := from; at != to; at = n.head(path[len(path)-1]) {
		i := slices.IndexFunc(leaving[at], func(d roads.Drive) bool {
			open, _ := n.open(d)
			return open && n.stretches[d.Segment].way.id == way && (len(path) == 0 || d != turned(path[len(path)-1])) && d.Backward == (from != w.refs[0])
		})
		if i < 0 || len(path) > len(w.refs) || len(path) > 0 && n.barriers[at] == barrierClosed {
			return nil, false
		}
		path = append(path, leaving[at][i])
	}
	return path, true
}
