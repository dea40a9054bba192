package city

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/paulmach/orb"
	"github.com/paulmach/osm"
)

// Place is something with a name that a person may search for, as it stands in places.json.
type Place struct {
	// Kind is a place kind of the tile layer place, or "street".
	Kind string `json:"kind"`
	names
	Lon  float64 `json:"lon"`
	Lat  float64 `json:"lat"`
	Rank int     `json:"rank"` // 1 is the most important
	Pop  int     `json:"pop,omitempty"`
	zoom int
}

const (
	rankStreet = 9 // of a residential street; greater ones come first
	// streetGapDegrees joins ways of one name into one street where their ends lie this near, some 500 m.
	streetGapDegrees = 0.005
)

func (b *builder) addPlace(t osm.Tags, at orb.Point) {
	kind := t.Find("place")
	k, ok := placeKinds[kind]
	if !ok || !b.clip.Contains(at) {
		return
	}
	n := namesOf(t, b.over.dictionary)
	if n.Local == "" {
		return
	}
	if kind == "province" {
		kind = "state"
	}
	pop, _ := strconv.Atoi(strings.ReplaceAll(t.Find("population"), ",", ""))
	b.places = append(b.places, Place{Kind: kind, names: n, Lon: round7(at[0]), Lat: round7(at[1]), Rank: k.rank, Pop: max(0, pop), zoom: k.zoom})
}

// addNamedArea gives a lake or a park its name on the map and in the search.
func (b *builder) addNamedArea(kind string, t osm.Tags, g orb.MultiPolygon) {
	n := namesOf(t, b.over.dictionary)
	if n.Local == "" {
		return
	}
	at := label(g)
	if !b.clip.Contains(at) {
		return
	}
	// The size in metres decides when there is room for the name: a label of 100 pixels or so.
	side := math.Sqrt(area(g)*math.Cos(at[1]*math.Pi/180)) * metresPerDeg
	zoom := 14
	for zoom > 9 && side/(40075016/float64(int(512)<<(zoom-1))*math.Cos(at[1]*math.Pi/180)) > 60 {
		zoom--
	}
	b.places = append(b.places, Place{Kind: kind, names: n, Lon: round7(at[0]), Lat: round7(at[1]), Rank: 8, zoom: zoom})
}

// finishPlaces drops what is mapped twice, adds the overlays' places, and sorts by rank.
func (b *builder) finishPlaces() {
	for _, r := range b.over.rows {
		k, ok := placeKinds[r.kind]
		if r.used || !ok || !r.placed {
			continue
		}
		r.used = true
		if r.names.Local == "" || !b.clip.Contains(r.at) {
			b.warn("%v", r.refused("a place without a name or outside the map"))
			continue
		}
		n := r.names
		if d, ok := b.over.dictionary[n.Local]; ok {
			n.FA, n.ZH, n.EN = or(n.FA, d.FA), or(n.ZH, d.ZH), or(n.EN, d.EN)
		}
		pop, _ := r.properties["pop"].(float64)
		b.places = append(b.places, Place{Kind: r.kind, names: n, Lon: round7(r.at[0]), Lat: round7(r.at[1]), Rank: k.rank, Pop: int(pop), zoom: k.zoom})
	}
	slices.SortStableFunc(b.places, func(a, c Place) int {
		return cmp.Or(cmp.Compare(a.Rank, c.Rank), -cmp.Compare(a.Pop, c.Pop), cmp.Compare(a.Local, c.Local), cmp.Compare(a.Kind, c.Kind),
			cmp.Compare(a.Lon, c.Lon), cmp.Compare(a.Lat, c.Lat))
	})
	// A town is a node and often an area as well, a lake a relation and a way.
	near := map[[2]string][]Place{}
	kept := b.places[:0]
	for _, p := range b.places {
		key := [2]string{p.Kind, p.Local}
		if slices.ContainsFunc(near[key], func(q Place) bool {
			return metres(orb.Point{p.Lon, p.Lat}, orb.Point{q.Lon, q.Lat}) < 3000
		}) {
			continue
		}
		near[key] = append(near[key], p)
		kept = append(kept, p)
	}
	b.places = kept
}

// street is a way with a name, for the search.
type street struct {
	names names
	rank  int
	line  orb.LineString
}

// streetPlaces makes one place of all ways of one name that lie together.
func streetPlaces(streets []street) []Place {
	byName := map[string][]int{}
	for i, s := range streets {
		byName[s.names.Local] = append(byName[s.names.Local], i)
	}
	var out []Place
	for name, ways := range byName {
		// Union by the cells that their ends lie in or next to.
		parent := make([]int, len(ways))
		for i := range parent {
			parent[i] = i
		}
		find := func(i int) int {
			for parent[i] != i {
				parent[i] = parent[parent[i]]
				i = parent[i]
			}
			return i
		}
		cells := map[[2]int]int{}
		for i, w := range ways {
			for _, p := range []orb.Point{streets[w].line[0], streets[w].line[len(streets[w].line)-1]} {
				x, y := int(math.Floor(p[0]/streetGapDegrees)), int(math.Floor(p[1]/streetGapDegrees))
				for dx := -1; dx <= 1; dx++ {
					for dy := -1; dy <= 1; dy++ {
						if j, ok := cells[[2]int{x + dx, y + dy}]; ok {
							a, b := find(i), find(j)
							parent[max(a, b)] = min(a, b)
						}
					}
				}
				cells[[2]int{x, y}] = i
			}
		}
		groups := map[int]*Place{}
		longest := map[int]float64{}
		for i, w := range ways {
			s, root := streets[w], find(i)
			g := groups[root]
			if g == nil {
				g = &Place{Kind: "street", names: names{Local: name}, Rank: rankStreet + 9}
				groups[root] = g
			}
			g.FA, g.ZH, g.EN = or(g.FA, s.names.FA), or(g.ZH, s.names.ZH), or(g.EN, s.names.EN)
			for _, a := range s.names.Alt {
				if !slices.Contains(g.Alt, a) {
					g.Alt = append(g.Alt, a)
				}
			}
			g.Rank = min(g.Rank, rankStreet+s.rank)
			if l := length(s.line); l > longest[root] || g.Lon == 0 && g.Lat == 0 {
				longest[root] = l
				m := middle(s.line)
				g.Lon, g.Lat = round7(m[0]), round7(m[1])
			}
		}
		for _, g := range groups {
			slices.Sort(g.Alt)
			out = append(out, *g)
		}
	}
	slices.SortFunc(out, func(a, b Place) int {
		return cmp.Or(cmp.Compare(a.Rank, b.Rank), cmp.Compare(a.Local, b.Local), cmp.Compare(a.Lon, b.Lon), cmp.Compare(a.Lat, b.Lat))
	})
	return out
}
