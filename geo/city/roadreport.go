package city

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"rasad/geo/roads"
)

// RoadReport says what the road graph was made of, in kilometres of street (a two-way street counts once).
type RoadReport struct {
	Km        float64 `json:"km"`
	Nodes     int     `json:"nodes"`
	Edges     int     `json:"edges"`     // directions that somebody may drive
	Junctions int     `json:"junctions"` // where three roads or more meet
	DeadEnds  int     `json:"dead_ends"`

	Classes   []ClassReport `json:"classes"`
	OneWayKm  float64       `json:"one_way_km"`
	AgainstKm float64       `json:"against_km"` // one-way streets that a siren may drive against
	PrivateKm float64       `json:"private_km"`
	UnpavedKm float64       `json:"unpaved_km"`
	Bridges   int           `json:"bridges"` // stretches on one
	Tunnels   int           `json:"tunnels"`
	Ferries   int           `json:"ferries"` // never driven on
	Gates     int           `json:"gates"`

	Speeds    []SpeedReport `json:"speeds"`
	BuiltUpKm float64       `json:"built_up_km"`

	// Islands are parts without any way to the largest one; LargestShare is the part of the kilometres from which
	// everything in it can be reached and that everything in it can reach.
	Islands       int     `json:"islands"`
	IslandKmMost  float64 `json:"island_km_most"`
	LargestShare  float64 `json:"largest_share"`
	OneWayTraps   int     `json:"one_way_traps"` // nodes with a way to the largest part only, or only from it
	RestrictedWay []Note  `json:"restricted_ways"`
	Barriers      []Note  `json:"barriers"`

	Turns TurnReport `json:"turns"`

	classes  map[roads.Class]*ClassReport
	speeds   [speedSources]float64
	ways     map[[2]string]int
	barriers map[[2]string]int
}

// ClassReport counts the roads of a class.
type ClassReport struct {
	Class    string  `json:"class"`
	Km       float64 `json:"km"`
	OneWayKm float64 `json:"one_way_km"`
	LimitKm  float64 `json:"limit_km"` // with a speed limit mapped
}

// SpeedReport says for how many kilometres the speed comes from where.
type SpeedReport struct {
	From string  `json:"from"`
	Km   float64 `json:"km"`
}

// TurnReport says what became of the turn restrictions.
type TurnReport struct {
	Found   int        `json:"found"`
	Used    int        `json:"used"`
	OnlyOf  int        `json:"only"`     // of those used: prescribe a turn
	ViaWays int        `json:"via_ways"` // of those used: over a way, not at a node
	Guessed int        `json:"guessed"`  // of those used: which side of a way is meant was told by the turn it names
	Bans    int        `json:"bans"`     // sequences of stretches that they forbid
	Skipped []TurnNote `json:"skipped"`
	Broken  []TurnNote `json:"broken"`

	skipped, broken map[string][]int64
}

// TurnNote counts turn restrictions that forbid nothing, with the first few relations of OpenStreetMap by number.
type TurnNote struct {
	Why       string  `json:"why"`
	Count     int     `json:"count"`
	Relations []int64 `json:"relations"`
}

const turnExamples = 5

func (r *TurnReport) skip(why string, relation int64) {
	if r.skipped == nil {
		r.skipped = map[string][]int64{}
	}
	r.skipped[why] = append(r.skipped[why], relation)
}

func (r *TurnReport) breaks(why string, relation int64) {
	if r.broken == nil {
		r.broken = map[string][]int64{}
	}
	r.broken[why] = append(r.broken[why], relation)
}

func (r *TurnReport) use(t turnRule, bans int) {
	r.Used++
	r.Bans += bans
	if strings.HasPrefix(t.what, "only_") {
		r.OnlyOf++
	}
	if len(t.through) > 0 {
		r.ViaWays++
	}
}

func turnNotes(m map[string][]int64) []TurnNote {
	out := []TurnNote{}
	for _, why := range slices.Sorted(maps.Keys(m)) {
		out = append(out, TurnNote{why, len(m[why]), m[why][:min(turnExamples, len(m[why]))]})
	}
	return out
}

// broken is how many turn restrictions are mapped wrong.
func (r *TurnReport) brokenCount() (sum int) {
	for _, n := range r.Broken {
		sum += n.Count
	}
	return sum
}

func (r *RoadReport) leftOut(what, why string) {
	if r.ways == nil {
		r.ways = map[[2]string]int{}
	}
	r.ways[[2]string{what, why}]++
}

func (r *RoadReport) barrier(kind, why string) {
	if r.barriers == nil {
		r.barriers = map[[2]string]int{}
	}
	r.barriers[[2]string{kind, why}]++
}

// stretch counts a stretch of road.
func (r *RoadReport) stretch(s *stretch, builtUp bool) {
	km := s.metres / 1000
	if r.classes == nil {
		r.classes = map[roads.Class]*ClassReport{}
	}
	c := r.classes[s.drive.class]
	if c == nil {
		c = &ClassReport{Class: s.drive.class.String()}
		r.classes[s.drive.class] = c
	}
	r.Km += km
	c.Km += km
	fwd, back := s.drive.forward, s.drive.backward
	legal := fwd
	if !fwd.open || fwd.against {
		legal = back
	}
	if fwd.against || back.against || !fwd.open || !back.open {
		r.OneWayKm += km
		c.OneWayKm += km
	}
	if fwd.against || back.against {
		r.AgainstKm += km
	}
	r.speeds[legal.speed.from] += km
	if legal.speed.kmh > 0 {
		c.LimitKm += km
	}
	for f, sum := range map[roads.Flags]*float64{roads.Private: &r.PrivateKm, roads.Unpaved: &r.UnpavedKm} {
		if s.drive.flags&f != 0 {
			*sum += km
		}
	}
	if s.drive.flags&roads.Bridge != 0 {
		r.Bridges++
	}
	if s.drive.flags&roads.Tunnel != 0 {
		r.Tunnels++
	}
	if builtUp {
		r.BuiltUpKm += km
	}
}

// count counts what only the whole graph tells.
func (r *RoadReport) count(g *roads.Graph, n *roadNetwork) {
	r.Nodes, r.Edges = g.NodeCount(), g.EdgeCount()
	for _, ends := range n.ends {
		switch {
		case ends > 2:
			r.Junctions++
		case ends == 1:
			r.DeadEnds++
		}
	}
	for id, b := range n.barriers {
		if b == barrierGate && n.ends[id] > 0 {
			r.Gates++
		}
	}
	// Parts of the graph, whatever the one-ways say.
	part := make([]roads.NodeID, g.NodeCount())
	for i := range part {
		part[i] = roads.NodeID(i)
	}
	root := func(v roads.NodeID) roads.NodeID {
		for part[v] != v {
			part[v] = part[part[v]]
			v = part[v]
		}
		return v
	}
	km, inCore := map[roads.NodeID]float64{}, 0.0
	seen := func(yield func(roads.Edge)) { // one edge of each street
		for e := range g.EdgeCount() {
			id := roads.EdgeID(e)
			if back, ok := g.Reverse(id); !ok || id < back {
				yield(g.Edge(id))
			}
		}
	}
	seen(func(e roads.Edge) { part[root(e.From)] = root(e.To) })
	whole := 0.0
	seen(func(e roads.Edge) {
		km[root(e.From)] += e.Metres / 1000
		whole += e.Metres / 1000
		if !g.Island(e.ID) {
			inCore += e.Metres / 1000
		}
	})
	var main roads.NodeID
	for v := range g.Nodes() {
		if g.Core(v) {
			main = root(v)
			break
		}
	}
	for p, v := range km {
		if p != main {
			r.Islands++
			r.IslandKmMost = max(r.IslandKmMost, v)
		}
	}
	for v := range g.Nodes() {
		if root(v) == main && !g.Core(v) {
			r.OneWayTraps++
		}
	}
	r.LargestShare = inCore / max(whole, 1e-9)

	for _, c := range slices.SortedFunc(maps.Keys(r.classes), cmp.Compare[roads.Class]) {
		v := *r.classes[c]
		v.Km, v.OneWayKm, v.LimitKm = tenths(v.Km), tenths(v.OneWayKm), tenths(v.LimitKm)
		r.Classes = append(r.Classes, v)
	}
	for i, v := range r.speeds {
		r.Speeds = append(r.Speeds, SpeedReport{speedSourceNames[i], tenths(v)})
	}
	for _, v := range [...]*float64{&r.Km, &r.OneWayKm, &r.AgainstKm, &r.PrivateKm, &r.UnpavedKm, &r.BuiltUpKm, &r.IslandKmMost} {
		*v = tenths(*v)
	}
	r.LargestShare = math.Round(r.LargestShare*1e4) / 1e4
	r.RestrictedWay, r.Barriers = notes(r.ways), notes(r.barriers)
	r.Turns.Skipped, r.Turns.Broken = turnNotes(r.Turns.skipped), turnNotes(r.Turns.broken)
}

func tenths(v float64) float64 { return math.Round(v*10) / 10 }

const (
	// largestShareMin is how much of a city's roads must hang together. Measured: Delaware 97 %, Andorra 99 %.
	largestShareMin = 0.5
	// brokenTurnsMax is the share of turn restrictions that may be mapped wrong, where there are enough to judge.
	brokenTurnsMax = 0.3
	turnsToJudge   = 40
)

// gateRoads refuses a road graph that is clearly broken.
func (b *builder) gateRoads(g *roads.Graph) error {
	r := &b.report.Roads
	if err := b.report.gate("roads", g.CoreCount() > 1,
		"%d road nodes, %d of them connected both ways; a city has roads", g.NodeCount(), g.CoreCount()); err != nil {
		return err
	}
	if err := b.report.gate("network", r.LargestShare >= largestShareMin, "%.1f %% of the %.0f km of road hang together, at least %.0f %%",
		100*r.LargestShare, r.Km, 100*largestShareMin); err != nil {
		return err
	}
	broken := r.Turns.brokenCount()
	return b.report.gate("turns", r.Turns.Found < turnsToJudge || float64(broken) <= brokenTurnsMax*float64(r.Turns.Found),
		"%d of %d turn restrictions are broken, at most %.0f %%", broken, r.Turns.Found, 100*brokenTurnsMax)
}

// text writes the roads' part of the report.
func (r *RoadReport) text(line func(string, ...any)) {
	line("\nRoads (%.0f km, %d junctions, %d dead ends; %d nodes and %d directed edges in the graph)", r.Km, r.Junctions, r.DeadEnds, r.Nodes, r.Edges)
	line("  %9s %9s %9s", "km", "one-way", "limit")
	for _, c := range r.Classes {
		line("  %9.1f %9.1f %8.0f%%  %s", c.Km, c.OneWayKm, 100*c.LimitKm/max(c.Km, 1e-9), c.Class)
	}
	line("  %9.1f km one-way, %.1f km of them may be driven against by a profile that allows it", r.OneWayKm, r.AgainstKm)
	line("  %9.1f km private, %.1f km unpaved, %d stretches on bridges, %d in tunnels, %d gates", r.PrivateKm, r.UnpavedKm, r.Bridges, r.Tunnels, r.Gates)
	line("  %9.1f %% of the kilometres hang together both ways; %d islands, the longest %.1f km; %d nodes that one-ways lead only to or from",
		100*r.LargestShare, r.Islands, r.IslandKmMost, r.OneWayTraps)
	line("  Speeds, by where they come from (%.1f km lie in built-up areas)", r.BuiltUpKm)
	for _, s := range r.Speeds {
		line("  %9.1f km  %s", s.Km, s.From)
	}
	line("  Turn restrictions: %d found, %d used (%d that prescribe a turn, %d over ways, %d by the turn they name): %d bans",
		r.Turns.Found, r.Turns.Used, r.Turns.OnlyOf, r.Turns.ViaWays, r.Turns.Guessed, r.Turns.Bans)
	for _, v := range []struct {
		word  string
		notes []TurnNote
	}{{"skipped", r.Turns.Skipped}, {"broken", r.Turns.Broken}} {
		for _, n := range v.notes {
			line("  %9d %s: %s (%s%s)", n.Count, v.word, n.Why, strings.Trim(strings.ReplaceAll(fmt.Sprint(n.Relations), " ", ", "), "[]"), more(n.Count > len(n.Relations)))
		}
	}
	if r.Ferries+len(r.RestrictedWay)+len(r.Barriers) > 0 {
		line("  Barriers and ways left out")
		if r.Ferries > 0 {
			line("  %9d ferry: never driven on", r.Ferries)
		}
		for _, n := range slices.Concat(r.Barriers, r.RestrictedWay) {
			line("  %9d %s: %s", n.Count, n.What, n.Why)
		}
	}
}

func more(is bool) string {
	if is {
		return ", …"
	}
	return ""
}
