package city

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/paulmach/orb"

	"rasad/geo/roads"
)

// relation adds a relation; members are "role type ref", such as "from way 3".
func (tw *town) relation(members []string, pairs ...string) {
	var b strings.Builder
	for _, m := range members {
		f := strings.Fields(m)
		fmt.Fprintf(&b, `<member role="%s" type="%s" ref="%s"/>`, f[0], f[1], f[2])
	}
	tw.relations++
	tw.elements = append(tw.elements, fmt.Sprintf(`<relation id="%d">%s%s</relation>`, tw.relations, b.String(), xmlTags(pairs)))
}

// roadsOf makes only the road graph of a town, whatever the gates say of it.
func roadsOf(t testing.TB, tw *town) (*roads.Graph, *Report) {
	t.Helper()
	g, rep, err := Roads(t.Context(), Options{In: tw.file(t)})
	if err != nil && (g == nil || !errors.Is(err, ErrGate)) {
		t.Fatal(err)
	}
	return g, rep
}

// bansOf says the bans by the names of the streets, one after the other.
func bansOf(g *roads.Graph) []string {
	var out []string
	for ban := range g.Bans() {
		var names []string
		for _, e := range ban {
			names = append(names, g.Name(e, ""))
		}
		out = append(out, strings.Join(names, " "))
	}
	slices.Sort(out)
	return out
}

// crossroads has four arms that meet at node 1: ways 1 to 4, north, east, south and west.
func crossroads(tags ...string) *town {
	tw := &town{}
	c := orb.Point{51, 35}
	tw.node(c)
	for i, arm := range []orb.Point{{51, 35.01}, {51.01, 35}, {51, 34.99}, {50.99, 35}} {
		tw.way(orb.LineString{c, arm}, append([]string{"highway", "residential", "name", string("NESW"[i])}, tags...)...)
	}
	return tw
}

func TestTurnsAtANode(t *testing.T) {
	at := func(from, to int) []string {
		return []string{fmt.Sprint("from way ", from), "via node 1", fmt.Sprint("to way ", to)}
	}
	tests := map[string]struct {
		members []string
		tags    []string
		want    []string
		why     string // where it forbids nothing
	}{
		"no left turn": {at(3, 4), []string{"restriction", "no_left_turn"}, []string{"S W"}, ""},
		"the name of the turn is not asked where the ways say it": {at(3, 4), []string{"restriction", "no_right_turn"}, []string{"S W"}, ""},
		"no U-turn":                        {at(3, 3), []string{"restriction", "no_u_turn"}, []string{"S S"}, ""},
		"no U-turn without a to":           {at(3, 3)[:2], []string{"restriction", "no_u_turn"}, []string{"S S"}, ""},
		"no entry from any of them":        {[]string{"from way 1", "from way 2", "from way 4", "via node 1", "to way 3"}, []string{"restriction", "no_entry"}, []string{"E S", "N S", "W S"}, ""},
		"no exit to any of them":           {[]string{"from way 3", "via node 1", "to way 1", "to way 2"}, []string{"restriction", "no_exit"}, []string{"S E", "S N"}, ""},
		"straight on only":                 {at(3, 1), []string{"restriction", "only_straight_on"}, []string{"S E", "S S", "S W"}, ""},
		"members in another order":         {[]string{"to way 4", "via node 1", "from way 3"}, []string{"restriction", "no_left_turn"}, []string{"S W"}, ""},
		"two in one":                       {at(3, 4), []string{"restriction", "no_left_turn;no_u_turn"}, []string{"S W"}, ""},
		"for cars":                         {at(3, 4), []string{"restriction:motorcar", "no_left_turn"}, []string{"S W"}, ""},
		"but not for bicycles":             {at(3, 4), []string{"restriction", "no_left_turn", "except", "bicycle;psv"}, []string{"S W"}, ""},
		"but not for us":                   {at(3, 4), []string{"restriction", "no_left_turn", "except", "psv; emergency"}, nil, turnExempt},
		"but not for cars":                 {at(3, 4), []string{"restriction", "no_left_turn", "except", "motorcar"}, nil, turnExempt},
		"for trucks":                       {at(3, 4), []string{"restriction:hgv", "no_left_turn"}, nil, turnOthers},
		"for trucks, the old way":          {at(3, 4), []string{"type", "restriction:hgv", "restriction", "no_left_turn"}, nil, turnOthers},
		"in the morning":                   {at(3, 4), []string{"restriction:conditional", "no_left_turn @ (Mo-Fr 06:00-09:00)"}, nil, turnConditional},
		"in the morning, the old way":      {at(3, 4), []string{"restriction", "no_left_turn", "hour_on", "06:00", "hour_off", "09:00"}, nil, turnConditional},
		"always, and for trucks too":       {at(3, 4), []string{"restriction", "no_left_turn", "restriction:hgv", "no_u_turn"}, []string{"S W"}, ""},
		"of a kind that is none":           {at(3, 4), []string{"restriction", "no_way"}, nil, turnKind},
		"of no kind":                       {at(3, 4), nil, nil, turnKind},
		"back into the way, but no U-turn": {at(3, 3), []string{"restriction", "no_left_turn"}, nil, turnSame},
		"without a from":                   {at(3, 4)[1:], []string{"restriction", "no_left_turn"}, nil, turnRoles},
		"without a via":                    {[]string{"from way 3", "to way 4"}, []string{"restriction", "no_left_turn"}, nil, turnRoles},
		"with two vias":                    {append(at(3, 4), "via node 2"), []string{"restriction", "no_left_turn"}, nil, turnRoles},
		"with a via elsewhere":             {[]string{"from way 3", "via node 2", "to way 4"}, []string{"restriction", "no_left_turn"}, nil, turnApart},
		"with a way that is not here":      {at(3, 77), []string{"restriction", "no_left_turn"}, nil, turnOutside},
		"with a node that is not here":     {[]string{"from way 3", "via node 77", "to way 4"}, []string{"restriction", "no_left_turn"}, nil, turnOutside},
		"with a footway":                   {at(3, 5), []string{"restriction", "no_left_turn"}, nil, turnMoot},
	}
	for name, tt := range tests {
		tw := crossroads()
		tw.way(orb.LineString{{51, 35}, {51.01, 35.01}}, "highway", "footway") // way 5
		pairs := append([]string{"type", "restriction"}, tt.tags...)
		if slices.Contains(tt.tags, "type") {
			pairs = tt.tags
		}
		tw.relation(tt.members, pairs...)
		g, rep := roadsOf(t, tw)
		why := ""
		for _, n := range slices.Concat(rep.Roads.Turns.Skipped, rep.Roads.Turns.Broken) {
			why += n.Why
		}
		if got := bansOf(g); !slices.Equal(got, tt.want) || why != tt.why || rep.Roads.Turns.Found != 1 || (rep.Roads.Turns.Used == 1) != (tt.why == "") {
			t.Errorf("%s: got %q because %q, want %q because %q: %+v", name, got, why, tt.want, tt.why, rep.Roads.Turns)
		}
	}
}

// A ban must fall on the right stretch and the right direction of a way that is cut elsewhere as well.
func TestTurnsOfCutWays(t *testing.T) {
	name := func(s string) []string { return []string{"highway", "residential", "name", s} }
	c := orb.Point{51, 35}
	tests := map[string]struct {
		make func(tw *town)
		want []string
		why  string
	}{
		"a side street cuts the way that one comes by": {func(tw *town) {
			tw.node(c)
			tw.way(orb.LineString{{51, 34.98}, {51, 34.99}, c}, name("S")...)
			tw.way(orb.LineString{c, {51.01, 35}, {51.02, 35}}, name("E")...)
			tw.way(orb.LineString{{51, 34.99}, {51.01, 34.99}}, name("side")...)
			tw.way(orb.LineString{{51.01, 35}, {51.01, 35.01}}, name("side")...)
			tw.relation([]string{"from way 1", "via node 1", "to way 2"}, "type", "restriction", "restriction", "no_right_turn")
		}, []string{"S E"}, ""},
		"the way that one comes by is drawn away from there": {func(tw *town) {
			tw.node(c)
			tw.way(orb.LineString{c, {51, 34.99}, {51, 34.98}}, name("S")...)
			tw.way(orb.LineString{{51.02, 35}, {51.01, 35}, c}, name("E")...)
			tw.way(orb.LineString{{51, 34.99}, {51.01, 34.99}}, name("side")...)
			tw.relation([]string{"from way 1", "via node 1", "to way 2"}, "type", "restriction", "restriction", "no_right_turn")
		}, []string{"S E"}, ""},
		"the way that one turns into runs on on both sides": {func(tw *town) {
			tw.node(c)
			tw.way(orb.LineString{{51, 34.99}, c}, name("S")...)
			tw.way(orb.LineString{{50.99, 35}, c, {51.01, 35}}, name("EW")...)
			tw.relation([]string{"from way 1", "via node 1", "to way 2"}, "type", "restriction", "restriction", "no_left_turn")
		}, []string{"S EW"}, ""},
		"one is one-way, and its other side is not meant": {func(tw *town) {
			tw.node(c)
			tw.way(orb.LineString{{51, 34.99}, c}, name("S")...)
			tw.way(orb.LineString{{50.99, 35}, c, {51.01, 35}}, append(name("EW"), "oneway", "yes")...)
			tw.relation([]string{"from way 2", "via node 1", "to way 1"}, "type", "restriction", "restriction", "no_right_turn")
		}, []string{"EW S"}, ""},
		"nobody can tell which side": {func(tw *town) {
			tw.node(c)
			tw.way(orb.LineString{{50.99, 35}, c, {51.01, 35}}, name("EW")...)
			tw.way(orb.LineString{{51, 34.99}, c, {51, 35.01}}, name("NS")...)
			tw.relation([]string{"from way 1", "via node 1", "to way 2"}, "type", "restriction", "restriction", "no_left_turn")
		}, nil, turnAmbiguous},
		"it runs against a one-way": {func(tw *town) {
			tw.node(c)
			tw.way(orb.LineString{{51, 34.99}, c}, name("S")...)
			tw.way(orb.LineString{{50.99, 35}, c}, append(name("W"), "oneway", "yes")...)
			tw.way(orb.LineString{c, {51.01, 35}}, name("E")...)
			tw.relation([]string{"from way 1", "via node 1", "to way 2"}, "type", "restriction", "restriction", "no_left_turn")
		}, []string{"S W"}, ""}, // a siren that may drive against it may not turn there either
		"it runs against a motorway": {func(tw *town) {
			tw.node(c)
			tw.way(orb.LineString{{51, 34.99}, c}, name("S")...)
			tw.way(orb.LineString{{50.99, 35}, c}, "highway", "motorway", "name", "W")
			tw.way(orb.LineString{c, {51.01, 35}}, name("E")...)
			tw.relation([]string{"from way 1", "via node 1", "to way 2"}, "type", "restriction", "restriction", "no_left_turn")
		}, nil, turnMoot},
		"over a way, drawn the other way round and cut": {func(tw *town) {
			tw.node(c)
			tw.way(orb.LineString{{51, 34.99}, c}, name("from")...)
			tw.way(orb.LineString{{51.02, 35}, {51.01, 35}, c}, name("via")...)
			tw.way(orb.LineString{{51.02, 35}, {51.02, 34.99}}, name("to")...)
			tw.way(orb.LineString{{51.01, 35}, {51.01, 35.01}}, name("side")...)
			tw.way(orb.LineString{c, {50.99, 35}}, name("side")...)
			tw.relation([]string{"from way 1", "via way 2", "to way 3"}, "type", "restriction", "restriction", "no_u_turn")
		}, []string{"from via via to"}, ""},
		"over two ways in the wrong order": {func(tw *town) {
			tw.node(c)
			tw.way(orb.LineString{{51, 34.99}, c}, name("from")...)
			tw.way(orb.LineString{c, {51.01, 35}}, name("via1")...)
			tw.way(orb.LineString{{51.02, 35}, {51.01, 35}}, name("via2")...)
			tw.way(orb.LineString{{51.02, 35}, {51.02, 34.99}}, name("to")...)
			tw.relation([]string{"from way 1", "via way 3", "via way 2", "to way 4"}, "type", "restriction", "restriction", "no_u_turn")
		}, []string{"from via1 via2 to"}, ""},
		"only there, over a way": {func(tw *town) {
			tw.node(c)
			tw.way(orb.LineString{{51, 34.99}, c}, name("from")...)
			tw.way(orb.LineString{c, {51.01, 35}}, name("via")...)
			tw.way(orb.LineString{{51.01, 35}, {51.01, 35.01}}, name("to")...)
			tw.way(orb.LineString{{51.01, 35}, {51.02, 35}}, name("else")...)
			tw.relation([]string{"from way 1", "via way 2", "to way 3"}, "type", "restriction", "restriction", "only_left_turn")
		}, []string{"from via else", "from via via"}, ""},
		"over a one-way against its sense": {func(tw *town) {
			tw.node(c)
			tw.way(orb.LineString{{51, 34.99}, c}, name("from")...)
			tw.way(orb.LineString{{51.01, 35}, c}, "highway", "motorway_link", "name", "via")
			tw.way(orb.LineString{{51.01, 35}, {51.01, 35.01}}, name("to")...)
			tw.relation([]string{"from way 1", "via way 2", "to way 3"}, "type", "restriction", "restriction", "no_u_turn")
		}, nil, turnApart},
		"over a way with a bollard": {func(tw *town) {
			tw.node(c)
			tw.node(orb.Point{51.005, 35}, "barrier", "bollard")
			tw.way(orb.LineString{{51, 34.99}, c}, name("from")...)
			tw.way(orb.LineString{c, {51.005, 35}, {51.01, 35}}, name("via")...)
			tw.way(orb.LineString{{51.01, 35}, {51.01, 35.01}}, name("to")...)
			tw.relation([]string{"from way 1", "via way 2", "to way 3"}, "type", "restriction", "restriction", "no_u_turn")
		}, nil, turnClosed},
		"a U-turn in the middle of a way": {func(tw *town) {
			tw.node(c)
			tw.way(orb.LineString{{50.99, 35}, c, {51.01, 35}}, name("EW")...)
			tw.relation([]string{"from way 1", "via node 1", "to way 1"}, "type", "restriction", "restriction", "no_u_turn")
		}, []string{"EW EW", "EW EW"}, ""},
	}
	for name, tt := range tests {
		tw := &town{}
		tt.make(tw)
		g, rep := roadsOf(t, tw)
		why := ""
		for _, n := range slices.Concat(rep.Roads.Turns.Skipped, rep.Roads.Turns.Broken) {
			why += n.Why
		}
		if got := bansOf(g); !slices.Equal(got, tt.want) || why != tt.why {
			t.Errorf("%s: got %q because %q, want %q because %q", name, got, why, tt.want, tt.why)
		}
		for ban := range g.Bans() { // the last turn lies at the via: for all but the U-turn, no more than 0.02 degrees from it
			for i := 1; i < len(ban); i++ {
				if g.Edge(ban[i]).From != g.Edge(ban[i-1]).To {
					t.Errorf("%s: ban %v jumps", name, ban)
				}
			}
		}
		if tt.why == "" && !strings.Contains(name, "over") && !strings.Contains(name, "only there") {
			for ban := range g.Bans() {
				if p := point(g.Node(g.Edge(ban[0]).To)); math.Hypot(p[0]-c[0], p[1]-c[1]) > 1e-6 {
					t.Errorf("%s: the turn is forbidden at %v, want %v", name, p, c)
				}
			}
		}
	}
	// Which side of the way that runs on: left of northward is west.
	tw := &town{}
	tests["the way that one turns into runs on on both sides"].make(tw)
	g, rep := roadsOf(t, tw)
	for ban := range g.Bans() {
		if p := point(g.Node(g.Edge(ban[1]).To)); p[0] > 51 {
			t.Errorf("no left turn forbids the way to %v, which lies right", p)
		}
	}
	if rep.Roads.Turns.Guessed != 1 {
		t.Errorf("told by the turn: got %d, want 1", rep.Roads.Turns.Guessed)
	}
}

func TestBarriersInTheGraph(t *testing.T) {
	along := func(kind ...string) *town {
		tw := &town{}
		tw.node(orb.Point{51.01, 35}, kind...)
		tw.way(orb.LineString{{51, 35}, {51.01, 35}, {51.02, 35}}, "highway", "residential", "name", "a")
		return tw
	}
	edges := func(g *roads.Graph) (all []roads.Edge) {
		for e := range g.EdgeCount() {
			all = append(all, g.Edge(roads.EdgeID(e)))
		}
		return all
	}
	g, _ := roadsOf(t, along("barrier", "gate"))
	gates := 0
	for _, e := range edges(g) {
		p := point(g.Node(e.To))
		if gate := math.Abs(p[0]-51.01) < 1e-6; gate != (e.Flags&roads.Gate != 0) {
			t.Errorf("gate: the edge to %v has flags %b", p, e.Flags)
		} else if gate {
			gates++
		}
	}
	if gates != 2 || g.NodeCount() != 3 || g.CoreCount() != 3 {
		t.Errorf("gate: %d edges lead to it, %d nodes, %d connected, want 2, 3 and 3", gates, g.NodeCount(), g.CoreCount())
	}
	g, rep := roadsOf(t, along("barrier", "bollard"))
	if g.NodeCount() != 4 || g.CoreCount() != 2 || g.EdgeCount() != 4 || rep.Roads.Islands != 1 {
		t.Errorf("bollard: %d nodes, %d connected, %d edges, %d islands; want 4, 2, 4, 1", g.NodeCount(), g.CoreCount(), g.EdgeCount(), rep.Roads.Islands)
	}
	g, _ = roadsOf(t, along("barrier", "kerb"))
	if g.NodeCount() != 2 {
		t.Errorf("kerb: %d nodes, want 2: it is nothing", g.NodeCount())
	}
	// On a junction a bollard bars nothing, at the end of a road neither.
	tw := crossroads()
	tw.elements[0] = strings.Replace(tw.elements[0], "</node>", xmlTags([]string{"barrier", "bollard"})+"</node>", 1)
	g, rep = roadsOf(t, tw)
	if g.CoreCount() != 5 || len(rep.Roads.Barriers) != 1 || !strings.Contains(rep.Roads.Barriers[0].Why, "junction") {
		t.Errorf("bollard on a junction: %d nodes connected, %+v", g.CoreCount(), rep.Roads.Barriers)
	}
}

// An extract in bzip2, of two nodes and a street.
func TestBzip2(t *testing.T) {
	body, err := base64.StdEncoding.DecodeString("QlpoOTFBWSZTWXAOQQ0AACMZgFAB+wen753gIACSCVCDTR6mmmQA00CU0Sg0yPChmkMhT8u8gsK98Wy5xHaSqzEUnBA+DFSbrlKAdBURKwxrPNOn2IPW9tPG" +
		"LpXQ9MPeZ9bIhthTNxbxnZOxPEmqlFjJXMCo+eEQSBiRK5OMmqgOEG3tUx7tLVfi7kinChIOAcghoA==")
	if err != nil {
		t.Fatal(err)
	}
	x, err := readExtract(t.Context(), writeText(t, "a.osm.bz2", string(body)))
	if err != nil {
		t.Fatal(err)
	}
	if len(x.ids) != 2 || len(x.ways) != 1 || x.ways[0].tags.Find("highway") != "residential" {
		t.Errorf("got %d nodes and %v", len(x.ids), x.ways)
	}
}

// Two nodes on one spot are joined by a way, not torn apart.
func TestNodesOnOneSpot(t *testing.T) {
	tw := &town{}
	tw.node(orb.Point{51, 35})
	tw.node(orb.Point{51.01, 35})
	tw.elements = append(tw.elements, `<node id="3" lon="51.01" lat="35"/>`, `<node id="4" lon="51.02" lat="35"/>`)
	for i, refs := range [][2]int{{1, 2}, {2, 3}, {3, 4}} {
		tw.elements = append(tw.elements, fmt.Sprintf(`<way id="%d"><nd ref="%d"/><nd ref="%d"/>%s</way>`, i+1, refs[0], refs[1], xmlTags([]string{"highway", "residential"})))
	}
	if g, _ := roadsOf(t, tw); g.CoreCount() != 4 {
		t.Errorf("%d of 4 nodes are connected", g.CoreCount())
	}
}

func TestBuiltUp(t *testing.T) {
	// A mapped village, a dense quarter of streets, a quarter of houses, and a country road.
	tw := &town{}
	tw.way(square(51.00, 35.00, 0.01), "landuse", "residential")
	tw.way(orb.LineString{{51.001, 35.005}, {51.009, 35.005}}, "highway", "secondary", "name", "village")
	for i := range 12 {
		d := 0.001 * float64(i)
		var ew, ns orb.LineString
		for k := range 12 {
			ew = append(ew, orb.Point{51.10 + 0.001*float64(k), 35.10 + d})
			ns = append(ns, orb.Point{51.10 + d, 35.10 + 0.001*float64(k)})
		}
		tw.way(ew, "highway", "secondary", "name", "grid")
		tw.way(ns, "highway", "secondary", "name", "grid")
	}
	tw.way(orb.LineString{{51.20, 35.205}, {51.21, 35.205}}, "highway", "secondary", "name", "houses")
	for i := range 400 {
		tw.way(square(51.20+0.0005*float64(i%20), 35.20+0.0005*float64(i/20), 0.0001), "building", "yes")
	}
	tw.way(orb.LineString{{51.30, 35.30}, {51.31, 35.30}}, "highway", "secondary", "name", "country")
	tw.way(orb.LineString{{51.30, 35.31}, {51.31, 35.31}}, "highway", "secondary", "name", "limit", "maxspeed", "40")
	g, rep := roadsOf(t, tw)
	want := map[string]float64{"village": 45, "grid": 45, "houses": 45, "country": 60, "limit": 34}
	for e := range g.EdgeCount() {
		v := g.Edge(roads.EdgeID(e))
		if kmh := v.Metres / v.Seconds * 3.6; math.Abs(kmh-want[g.Name(v.ID, "")]) > 0.5 {
			t.Fatalf("%s: got %g km/h, want %g", g.Name(v.ID, ""), kmh, want[g.Name(v.ID, "")])
		}
	}
	if r := rep.Roads; r.BuiltUpKm < 20 || r.BuiltUpKm > r.Km-1.5 || r.Speeds[speedTagged].Km < 0.8 || r.Speeds[speedTagged].Km > 1 {
		t.Errorf("report: %+v", r)
	}
}

func TestRoadReport(t *testing.T) {
	tw := crossroads()
	tw.way(orb.LineString{{51.01, 35}, {51.02, 35}}, "highway", "primary", "oneway", "yes", "maxspeed", "50", "bridge", "yes")
	tw.way(orb.LineString{{51.05, 35}, {51.06, 35}}, "highway", "service", "access", "private") // an island
	tw.way(orb.LineString{{51.01, 35}, {51.05, 35}}, "route", "ferry")
	tw.way(orb.LineString{{51.01, 35}, {51.01, 35.01}}, "highway", "residential", "motor_vehicle", "no")
	tw.relation([]string{"from way 3", "via node 1", "to way 4"}, "type", "restriction", "restriction", "no_left_turn")
	tw.relation([]string{"from way 3", "to way 4"}, "type", "restriction", "restriction", "no_left_turn")
	_, rep := roadsOf(t, tw)
	r := rep.Roads
	if r.Junctions != 1 || r.DeadEnds != 6 || r.Ferries != 1 || r.Islands != 1 || r.OneWayTraps != 1 || r.Bridges != 1 || r.Turns.Found != 2 || r.Turns.Used != 1 ||
		math.Abs(r.LargestShare-4.04/5.9) > 0.03 || r.PrivateKm != 0.9 || r.OneWayKm != 0.9 || r.AgainstKm != 0.9 {
		t.Errorf("got %+v", r)
	}
	for _, want := range []string{"residential", "1 ferry: never driven on", notForCars, "1 broken: lacks a from, a via or a to (2)", "the mapped limit", "hang together"} {
		if !strings.Contains(rep.Text(), want) {
			t.Errorf("the report does not say %q:\n%s", want, rep.Text())
		}
	}
}

func TestRoadGates(t *testing.T) {
	apart := &town{} // roads that do not meet
	for i := range 10 {
		apart.way(orb.LineString{{51, 35 + 0.01*float64(i)}, {51.01, 35 + 0.01*float64(i)}}, "highway", "residential")
	}
	turns := crossroads()
	for range turnsToJudge {
		turns.relation([]string{"from way 3", "to way 4"}, "type", "restriction", "restriction", "no_left_turn")
	}
	for gate, tw := range map[string]*town{"network": apart, "turns": turns} {
		_, err := Build(t.Context(), Options{In: tw.file(t), Out: t.TempDir()})
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("gate %q", gate)) {
			t.Errorf("got %v, want gate %q to refuse", err, gate)
		}
	}
}

// Random restrictions on random streets forbid just what they forbid when one goes from node to node of the ways themselves.
func TestTurnsNodeByNode(t *testing.T) {
	type step struct{ a, b, c int64 } // from a over b to c
	used := 0
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 0))
		tw := &town{}
		const n = 4
		at := func(x, y int) orb.Point { return orb.Point{51 + 0.01*float64(x), 35 + 0.01*float64(y)} }
		for y := range n {
			for x := range n {
				tw.node(at(x, y))
			}
		}
		type street struct {
			refs   []int64
			oneway int
		}
		var streets []street
		for i := range n { // each street is cut into ways here and there, and drawn either way
			for _, across := range []bool{false, true} {
				var line orb.LineString
				flush := func() {
					if len(line) < 2 {
						return
					}
					if r.IntN(2) == 0 {
						line = reversedLine(line)
					}
					s := street{oneway: []int{0, 0, 1, -1}[r.IntN(4)]}
					for _, p := range line {
						s.refs = append(s.refs, int64(tw.node(p)))
					}
					tw.way(line, "highway", "residential", "oneway", []string{"-1", "no", "yes"}[s.oneway+1])
					streets = append(streets, s)
				}
				for k := range n {
					p := at(k, i)
					if across {
						p = at(i, k)
					}
					line = append(line, p)
					if r.IntN(2) == 0 || k == n-1 {
						flush()
						line = orb.LineString{p}
					}
				}
			}
		}
		// leaves are the nodes that a way leads to from a node, first those that it may be driven to by all.
		leaves := func(way int, node int64, back bool) (legal, against []int64) {
			s := streets[way-1]
			for i, id := range s.refs {
				if id != node {
					continue
				}
				for _, d := range []int{-1, 1} {
					if i+d < 0 || i+d >= len(s.refs) {
						continue
					}
					drawn := d // which way of the line it is driven
					if back {
						drawn = -d
					}
					if s.oneway == 0 || s.oneway == drawn {
						legal = append(legal, s.refs[i+d])
					} else {
						against = append(against, s.refs[i+d])
					}
				}
			}
			return legal, against
		}
		best := func(legal, against []int64) []int64 {
			if len(legal) > 0 {
				return legal
			}
			return against
		}
		kinds := []string{"no_left_turn", "no_straight_on", "no_u_turn", "only_right_turn", "only_straight_on"}
		type rule struct {
			from, to, via int
			what          string
		}
		var rules []rule
		for range 12 {
			u := rule{0, 0, 1 + r.IntN(n*n), kinds[r.IntN(len(kinds))]}
			for _, w := range []*int{&u.from, &u.to} {
				for *w = 1 + r.IntN(len(streets)); r.IntN(20) > 0 && !slices.Contains(streets[*w-1].refs, int64(u.via)); {
					*w = 1 + r.IntN(len(streets))
				}
			}
			if in, out := best(leaves(u.from, int64(u.via), true)), best(leaves(u.to, int64(u.via), false)); (len(in) > 1 || len(out) > 1) && (u.from != u.to || u.what != "no_u_turn") {
				continue // which side is meant is for another test
			}
			rules = append(rules, u)
			tw.relation([]string{fmt.Sprint("from way ", u.from), fmt.Sprint("via node ", u.via), fmt.Sprint("to way ", u.to)}, "type", "restriction", "restriction", u.what)
		}
		g, rep := roadsOf(t, tw)
		used += rep.Roads.Turns.Used
		if rep.Roads.Turns.Guessed > 0 || len(rep.Roads.Turns.broken[turnAmbiguous]) > 0 {
			t.Fatalf("seed %d: sides were guessed where there is one only: %+v", seed, rep.Roads.Turns)
		}

		want := map[step]bool{}
		for _, u := range rules {
			via := int64(u.via)
			in, out := best(leaves(u.from, via, true)), best(leaves(u.to, via, false))
			if len(in) == 0 || len(out) == 0 || u.from == u.to && in[0] == out[0] && u.what != "no_u_turn" {
				continue
			}
			switch {
			case u.what == "no_u_turn" && u.from == u.to:
				for _, a := range in {
					if slices.Contains(out, a) {
						want[step{a, via, a}] = true
					}
				}
			case strings.HasPrefix(u.what, "no_"):
				want[step{in[0], via, out[0]}] = true
			default:
				for w := range streets {
					legal, against := leaves(w+1, via, false)
					for _, c := range append(legal, against...) {
						if c != out[0] {
							want[step{in[0], via, c}] = true
						}
					}
				}
			}
		}
		got := map[step]bool{}
		byPlace := map[orb.Point]int64{}
		for p, k := range tw.nodes {
			byPlace[orb.Point{math.Round(p[0] * 100), math.Round(p[1] * 100)}] = int64(k)
		}
		id := func(p orb.Point) int64 { return byPlace[orb.Point{math.Round(p[0] * 100), math.Round(p[1] * 100)}] }
		for ban := range g.Bans() {
			first, second := g.Shape(ban[0]), g.Shape(ban[1])
			got[step{id(point(first[len(first)-2])), id(point(second[0])), id(point(second[1]))}] = true
		}
		if !maps.Equal(got, want) {
			t.Fatalf("seed %d: got %v, want %v\nstreets %v\nrules %+v\n%+v", seed, got, want, streets, rules, rep.Roads.Turns)
		}
	}
	if used < 400 {
		t.Errorf("%d restrictions were used and compared: too few to prove a thing", used)
	}
}

func FuzzLimits(f *testing.F) {
	for _, s := range []string{"50", "30 mph", "DE:zone30", "US-DE:urban", "50;30", "walk", "RU:urban|40", ":", "XX:zone:", "١٢"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, kmh := range []float64{kmhOf(s), lawKmh(s), limitOf(tags("maxspeed", s), "forward").kmh} {
			if !(kmh == 0 || kmh >= 3 && kmh <= 325) {
				t.Errorf("%q is %g km/h", s, kmh)
			}
		}
		d, ok, _ := driveOf(tags("highway", "residential", "maxspeed", s, "oneway", s, "surface", s, "access", s))
		if v := d.mps(d.forward, true); ok && !(v > 0 && v < 100) {
			t.Errorf("%q is driven at %g m/s", s, v)
		}
	})
}
