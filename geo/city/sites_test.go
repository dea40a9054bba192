package city

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/paulmach/orb"
	"github.com/paulmach/osm"
)

func tags(pairs ...string) osm.Tags {
	var t osm.Tags
	for i := 0; i < len(pairs); i += 2 {
		t = append(t, osm.Tag{Key: pairs[i], Value: pairs[i+1]})
	}
	return t
}

func TestSiteType(t *testing.T) {
	tests := map[string]struct {
		tags    osm.Tags
		typ     string
		shelter bool
	}{
		"a fire station":                        {tags("amenity", "fire_station"), "fire_station", false},
		"a hospital by its other tag":           {tags("healthcare", "hospital"), "hospital", false},
		"an ambulance station":                  {tags("emergency", "ambulance_station"), "ambulance_station", false},
		"a hydrant":                             {tags("emergency", "fire_hydrant"), "hydrant", false},
		"a college is a university to us":       {tags("amenity", "college"), "university", false},
		"an assembly point is a shelter":        {tags("emergency", "assembly_point"), "assembly_point", true},
		"an evacuation centre is a shelter":     {tags("evacuation_center", "yes", "amenity", "school"), "evacuation_centre", true},
		"a refugee site is a shelter":           {tags("amenity", "refugee_site"), "refugee_site", true},
		"a bus stop's roof is none":             {tags("amenity", "shelter", "shelter_type", "public_transport"), "", false},
		"a picnic hut is none":                  {tags("amenity", "shelter", "shelter_type", "picnic_shelter"), "", false},
		"whatever it calls itself":              {tags("amenity", "shelter", "shelter_type", "emergency"), "", false},
		"a refuge from violence is none":        {tags("amenity", "social_facility", "social_facility", "shelter"), "", false},
		"a bunker is none":                      {tags("military", "bunker", "bunker_type", "bomb_shelter"), "", false},
		"a nursing home":                        {tags("amenity", "social_facility", "social_facility", "nursing_home"), "nursing_home", false},
		"a school that is gone is none":         {tags("amenity", "school", "abandoned", "yes"), "", false},
		"a school is a site, its shelter later": {tags("amenity", "school"), "school", false},
		"a bench is nothing":                    {tags("amenity", "bench"), "", false},
	}
	for name, tt := range tests {
		if typ, shelter := siteType(tt.tags); typ != tt.typ || shelter != tt.shelter {
			t.Errorf("%s: got %q, %v, want %q, %v", name, typ, shelter, tt.typ, tt.shelter)
		}
	}
}

func newTestBuilder() *builder {
	return &builder{clip: orb.Bound{Min: orb.Point{-180, -85}, Max: orb.Point{180, 85}},
		over:   &overlays{byID: map[string]*overlayRow{}, dictionary: map[string]names{}},
		report: &Report{Sites: map[string]int{}, Counts: map[string]int{}, skipped: map[[2]string]int{}, repaired: map[[2]string]int{}}}
}

// Of amenity=shelter only the count of what was left out remains, on the map and everywhere.
func TestWeatherShelterIsNeverASite(t *testing.T) {
	b := newTestBuilder()
	b.addSite("osm-n1", tags("amenity", "shelter", "name", "Bus stop"), orb.Point{51, 35}, nil, rankNode)
	b.addSite("osm-n2", tags("amenity", "social_facility", "social_facility", "shelter", "name", "Safe House"), orb.Point{51, 35.1}, nil, rankNode)
	b.addSite("osm-n3", tags("amenity", "shelter", "emergency", "assembly_point", "name", "Park"), orb.Point{51, 35.2}, nil, rankNode)
	b.finishSites()
	if len(b.sites) != 1 || b.sites[0].id != "osm-n3" || b.sites[0].typ != "assembly_point" {
		t.Fatalf("got %d sites, want only the assembly point that has a roof", len(b.sites))
	}
	n := 0
	for _, note := range notes(b.report.skipped) {
		n += note.Count
	}
	if n != 3 {
		t.Errorf("%d were counted as left out, want 3", n)
	}
}

func TestDerivedShelters(t *testing.T) {
	b := newTestBuilder()
	b.addSite("osm-w5", tags("amenity", "school", "name", "دبستان", "capacity", "400"), orb.Point{51, 35}, nil, rankNode)
	b.addSite("osm-w6", tags("amenity", "kindergarten"), orb.Point{51, 35.1}, nil, rankNode)
	b.finishSites()
	if len(b.sites) != 3 {
		t.Fatalf("got %d features, want the school, its shelter and the kindergarten", len(b.sites))
	}
	f := b.sites[1].feature()
	p := f["properties"].(map[string]any)
	if f["id"] != "osm-w5-shelter" || p["kind"] != "shelter" || p["type"] != "school" || p["derived"] != true ||
		p["derived_from"] != "osm-w5" || p["status"] != "unconfirmed" || p["name"] != "دبستان" {
		t.Errorf("got %v", f)
	}
	if _, ok := p["capacity"]; ok {
		t.Error("the pupils of a school are not the capacity of a shelter")
	}
	if p := b.sites[0].feature()["properties"].(map[string]any); p["kind"] != "site" || p["type"] != "school" {
		t.Errorf("the school itself: got %v", p)
	}
}

func box(x, y, side float64) orb.MultiPolygon {
	return orb.MultiPolygon{{orb.Ring(square(x, y, side))}}
}

func TestCampuses(t *testing.T) {
	const m = 1 / metresPerDeg // a metre in degrees, at the equator
	type in struct {
		id, typ, name string
		at            orb.Point
		area          orb.MultiPolygon
		rank          int
	}
	tests := map[string]struct {
		in   []in
		want []string // what is left, with what was merged into it
	}{
		"a node inside its own grounds": {
			in:   []in{{"n1", "hospital", "Imam", orb.Point{50 * m, 50 * m}, nil, rankNode}, {"w1", "hospital", "Imam Khomeini", orb.Point{90 * m, 90 * m}, box(0, 0, 200*m), rankArea}},
			want: []string{"w1[n1]"}},
		"five buildings of one school": {
			in: []in{{"w1", "school", "Alborz", orb.Point{0, 0}, box(0, 0, 20*m), rankArea}, {"w2", "school", "alborz ", orb.Point{60 * m, 0}, box(55*m, 0, 10*m), rankArea},
				{"w3", "school", "Alborz", orb.Point{0, 90 * m}, box(0, 85*m, 10*m), rankArea}, {"w4", "school", "", orb.Point{15 * m, 25 * m}, box(15*m, 25*m, 5*m), rankArea},
				{"n5", "school", "ALBORZ", orb.Point{10 * m, 0}, nil, rankNode}},
			want: []string{"w1[n5 w2 w3 w4]"}},
		"two hospitals side by side with names of their own": {
			in:   []in{{"n1", "hospital", "Imam", orb.Point{0, 0}, nil, rankNode}, {"n2", "hospital", "Shariati", orb.Point{50 * m, 0}, nil, rankNode}},
			want: []string{"n1", "n2"}},
		"a school beside a police station": {
			in:   []in{{"n1", "school", "A", orb.Point{0, 0}, nil, rankNode}, {"n2", "police", "A", orb.Point{0, 0}, nil, rankNode}},
			want: []string{"n1", "n2"}},
		"two schools of one name in two quarters": {
			in:   []in{{"n1", "school", "Lincoln", orb.Point{0, 0}, nil, rankNode}, {"n2", "school", "Lincoln", orb.Point{900 * m, 0}, nil, rankNode}},
			want: []string{"n1", "n2"}},
		"hydrants two metres apart are two": {
			in:   []in{{"n1", "hydrant", "", orb.Point{0, 0}, nil, rankNode}, {"n2", "hydrant", "", orb.Point{2 * m, 0}, nil, rankNode}},
			want: []string{"n1", "n2"}},
		"the relation stands for its outer way": {
			in:   []in{{"w1", "hospital", "", orb.Point{5 * m, 5 * m}, box(0, 0, 100*m), rankArea}, {"r1", "hospital", "Imam", orb.Point{50 * m, 50 * m}, box(0, 0, 100*m), rankRelation}},
			want: []string{"r1[w1]"}},
		"a nameless node beside a named one": {
			in:   []in{{"n1", "fire_station", "", orb.Point{0, 0}, nil, rankNode}, {"n2", "fire_station", "Station 7", orb.Point{30 * m, 0}, nil, rankNode}},
			want: []string{"n2[n1]"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(6) { // whatever order they stand in
				var sites []*site
				for _, s := range tt.in {
					sites = append(sites, &site{id: s.id, typ: s.typ, names: names{Local: s.name}, at: s.at, area: s.area, rank: s.rank, properties: map[string]any{}})
				}
				rand.New(rand.NewPCG(seed, 0)).Shuffle(len(sites), func(i, j int) { sites[i], sites[j] = sites[j], sites[i] })
				var got []string
				for _, s := range mergeCampuses(sites) {
					text := s.id
					if slices.Sort(s.merged); len(s.merged) > 0 {
						text += fmt.Sprint(s.merged)
					}
					got = append(got, text)
				}
				slices.Sort(got)
				if !slices.Equal(got, tt.want) {
					t.Fatalf("got %v, want %v", got, tt.want)
				}
			}
		})
	}
}

// Buildings with names of their own go to the campus that they plainly belong to.
func TestCampusParts(t *testing.T) {
	const m = 1 / metresPerDeg
	at := func(x float64) orb.Point { return orb.Point{x * m, 0} }
	part := func(id, typ string, x, side float64) *site {
		return &site{id: id, typ: typ, names: names{Local: "name of " + id}, at: at(x), area: box(x*m, 0, side*m), rank: rankArea, part: true, properties: map[string]any{}}
	}
	whole := func(id, typ string, x, side float64) *site {
		s := part(id, typ, x, side)
		s.part = false
		return s
	}
	tests := map[string]struct {
		in   []*site
		want []string
	}{
		"a surgery beside the hospital, and a pavilion beside the surgery": {
			[]*site{whole("w1", "hospital", 0, 200), part("w2", "hospital", 290, 40), part("w3", "hospital", 410, 60)}, []string{"w1[w2 w3]"}},
		"the main building is bare as well": {
			[]*site{part("w1", "hospital", 0, 200), part("w2", "hospital", 200, 40)}, []string{"w1[w2]"}},
		"two hospitals of a size side by side stay two": {
			[]*site{part("w1", "hospital", 0, 100), part("w2", "hospital", 150, 80)}, []string{"w1", "w2"}},
		"a hospital drawn as a building beside one drawn as a point stays": {
			[]*site{{id: "n1", typ: "hospital", names: names{Local: "B"}, at: at(0), rank: rankNode, properties: map[string]any{}}, part("w2", "hospital", 100, 50)}, []string{"n1", "w2"}},
		"a small hospital that says what it is stays": {
			[]*site{whole("w1", "hospital", 0, 200), whole("w2", "hospital", 200, 30)}, []string{"w1", "w2"}},
		"offices of the hospital across the town stay": {
			[]*site{whole("w1", "hospital", 0, 200), part("w2", "hospital", 745, 50)}, []string{"w1", "w2"}},
		"the halls of a university without a campus are one": {
			[]*site{part("w3", "university", 500, 40), part("w1", "university", 0, 90), part("w2", "university", 250, 60)}, []string{"w1[w2 w3]"}},
		"the halls go to the campus": {
			[]*site{whole("w9", "university", 100, 30), part("w1", "university", 0, 90), part("w2", "university", 250, 60)}, []string{"w9[w1 w2]"}},
	}
	for name, tt := range tests {
		var got []string
		for _, s := range mergeParts(mergeCampuses(tt.in)) {
			text := s.id
			if slices.Sort(s.merged); len(s.merged) > 0 {
				text += fmt.Sprint(s.merged)
				if also := s.properties["also_named"].([]string); len(also) != len(s.merged) {
					t.Errorf("%s: %s is also named %q, want the names of %v", name, s.id, also, s.merged)
				}
			}
			got = append(got, text)
		}
		slices.Sort(got)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}

// The site that stands for a campus takes what it lacks from the others.
func TestCampusKeepsWhatTheOthersKnow(t *testing.T) {
	b := newTestBuilder()
	b.addSite("osm-w1", tags("amenity", "hospital", "name", "Imam"), orb.Point{51, 35}, box(50.999, 34.999, 0.002), rankArea)
	b.addSite("osm-n1", tags("amenity", "hospital", "name", "Imam", "name:fa", "امام", "phone", "115", "capacity:beds", "300"), orb.Point{51, 35}, nil, rankNode)
	b.finishSites()
	p := b.sites[0].feature()["properties"].(map[string]any)
	if len(b.sites) != 1 || p["name_fa"] != "امام" || p["phone"] != "115" || p["beds"] != 300 || fmt.Sprint(p["merged"]) != "[osm-n1]" {
		t.Errorf("got %v", p)
	}
}
