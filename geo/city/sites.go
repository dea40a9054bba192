package city

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/paulmach/orb"
	"github.com/paulmach/osm"
)

// site is a fixed place that matters in an emergency, on its way to sites.geojson.
type site struct {
	id, typ    string
	shelter    bool
	names      names
	at         orb.Point
	area       orb.MultiPolygon // of a mapped area
	part       bool             // a building that may only be a part of a campus: nothing on it says that it is more
	rank       int              // of the element: relation, area, line, node; the best of a campus stands for it
	properties map[string]any
	merged     []string
}

const (
	rankRelation = iota
	rankArea
	rankLine
	rankNode
)

// sameName and sameless are how far apart, in metres, two mapped things of one type may lie to
// be one campus: when they have the same name, and when at least one has none.
func campusMetres(typ string) (sameName, nameless float64) {
	switch typ {
	case "hydrant", "siren", "suction_point", "water_tank", "fire_water_pond":
		return 1, 1 // each of them counts
	case "hospital", "university", "airport", "power_plant", "refugee_site":
		return 800, 60
	case "assembly_point", "helipad":
		return 20, 5
	}
	return 300, 40
}

func (b *builder) addSite(key string, t osm.Tags, at orb.Point, area orb.MultiPolygon, rank int) {
	if why := neverShelter(t); why != "" {
		b.skipped("shelter", why)
		if t.Find("emergency") == "" { // an assembly point may have a roof
			return
		}
	}
	typ, shelter := siteType(t)
	if typ == "" || !b.clip.Contains(at) {
		return
	}
	s := &site{id: key, typ: typ, shelter: shelter, names: namesOf(t, b.over.dictionary), at: at, area: area, rank: rank,
		properties: map[string]any{"source": "osm"}}
	put := func(k, v string) {
		if v != "" {
			s.properties[k] = v
		}
	}
	s.part = area != nil && yes(t.Find("building")) && firstOf(t, "emergency", "capacity:beds", "phone", "contact:phone", "website",
		"contact:website", "wikidata", "wikipedia", "operator") == ""
	put("address", address(t))
	put("phone", firstOf(t, "phone", "contact:phone"))
	put("operator", firstOf(t, "operator"))
	count := func(k, tag string) {
		if n, err := strconv.Atoi(firstOf(t, tag)); err == nil && n > 0 {
			s.properties[k] = n
		}
	}
	switch {
	case typ == "hospital":
		count("beds", "capacity:beds")
		if e := t.Find("emergency"); e == "yes" || e == "no" {
			s.properties["emergency_room"] = e == "yes"
		}
	case typ == "hydrant":
		put("hydrant", firstOf(t, "fire_hydrant:type"))
		put("diameter", firstOf(t, "fire_hydrant:diameter"))
		put("flow", firstOf(t, "fire_hydrant:flow_rate"))
	case shelter:
		count("capacity", "capacity")
	}
	b.sites = append(b.sites, s)
}

func address(t osm.Tags) string {
	if full := firstOf(t, "addr:full"); full != "" {
		return full
	}
	street := strings.TrimSpace(firstOf(t, "addr:housenumber") + " " + firstOf(t, "addr:street", "addr:place"))
	if firstOf(t, "addr:street", "addr:place") == "" {
		return ""
	}
	if city := firstOf(t, "addr:city"); city != "" {
		street += ", " + city
	}
	return street
}

// plain folds a name for comparing: case, spaces and punctuation do not make another hospital.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) && !unicode.IsNumber(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
}

// mergeCampuses makes one site of what is mapped many times: a hospital's node inside its own
// grounds, five buildings of one school. The best mapped element stands for it (relation before
// area before node, named before nameless, large before small) and takes what it lacks from the others.
func mergeCampuses(sites []*site) (kept []*site) {
	order := slices.Clone(sites)
	slices.SortStableFunc(order, func(a, b *site) int {
		named := func(s *site) int {
			if s.names.Local != "" {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(min(a.rank, rankArea), min(b.rank, rankArea)), cmp.Compare(named(a), named(b)),
			-cmp.Compare(area(a.area), area(b.area)), cmp.Compare(a.rank, b.rank), cmp.Compare(a.id, b.id))
	})
	// Kept sites by type and cell of a coarse grid: a campus is never larger than a cell or two.
	const cellDegrees = 0.02
	type cell struct {
		typ  string
		x, y int
	}
	at := func(typ string, p orb.Point, dx, dy int) cell {
		return cell{typ, int(math.Floor(p[0]/cellDegrees)) + dx, int(math.Floor(p[1]/cellDegrees)) + dy}
	}
	grid := map[cell][]*site{}
	for _, s := range order {
		into := func() *site {
			for dx := -1; dx <= 1; dx++ {
				for dy := -1; dy <= 1; dy++ {
					for _, k := range grid[at(s.typ, s.at, dx, dy)] {
						if sameCampus(k, s) {
							return k
						}
					}
				}
			}
			return nil
		}()
		if into == nil {
			grid[at(s.typ, s.at, 0, 0)] = append(grid[at(s.typ, s.at, 0, 0)], s)
			kept = append(kept, s)
			continue
		}
		into.merged = append(into.merged, s.id)
		n := &into.names
		if n.Local == "" {
			*n = s.names
		} else if plain(n.Local) == plain(s.names.Local) {
			n.FA, n.ZH, n.EN = or(n.FA, s.names.FA), or(n.ZH, s.names.ZH), or(n.EN, s.names.EN)
		}
		for k, v := range s.properties {
			if _, ok := into.properties[k]; !ok {
				into.properties[k] = v
			}
		}
	}
	return kept
}

// campusParts says which types come in buildings with names of their own (a surgery, a hall of a
// university): how far in metres such a building may lie from its campus and from the next building,
// how many times larger than it the campus must be drawn, and whether buildings without any
// campus are one. Two hospitals side by side must never become one, so there the campus has to be plain.
var campusParts = map[string]struct {
	toCampus, toNext, larger float64
	alone                    bool
}{"hospital": {300, 150, 8, false}, "school": {200, 100, 4, false}, "university": {600, 300, 0, true}}

// mergeParts merges the buildings of a campus into it. Their names are kept in also_named.
func mergeParts(sites []*site) (kept []*site) {
	into := map[*site]*site{}
	for _, typ := range slices.Sorted(maps.Keys(campusParts)) {
		rule := campusParts[typ]
		var campuses, parts []*site
		for _, s := range sites {
			switch {
			case s.typ != typ:
			case s.part:
				parts = append(parts, s)
				if rule.larger > 0 { // the main building of a campus may be as bare as the others
					campuses = append(campuses, s)
				}
			default:
				campuses = append(campuses, s)
			}
		}
		fits := func(part, campus *site) bool {
			return campus != part && into[campus] == nil && area(campus.area) >= rule.larger*area(part.area)
		}
		for _, p := range parts {
			near := rule.toCampus
			for _, c := range campuses {
				if d := metres(p.at, c.at); d < near && fits(p, c) {
					into[p], near = c, d
				}
			}
		}
		for again := true; again; { // a building next to one that belongs to a campus does too
			again = false
			for _, p := range parts {
				if into[p] != nil {
					continue
				}
				for _, q := range parts {
					if c := into[q]; c != nil && fits(p, c) && metres(p.at, q.at) <= rule.toNext {
						into[p], again = c, true
						break
					}
				}
			}
		}
		if rule.alone { // sites come largest first: the first one stands for the others
			for i, p := range parts {
				if into[p] != nil {
					continue
				}
				group := []*site{p}
				for g := 0; g < len(group); g++ {
					for _, q := range parts[i+1:] {
						if into[q] == nil && metres(group[g].at, q.at) <= rule.toNext {
							into[q] = p
							group = append(group, q)
						}
					}
				}
			}
		}
	}
	for _, s := range sites {
		c := into[s]
		if c == nil {
			kept = append(kept, s)
			continue
		}
		for into[c] != nil {
			c = into[c]
		}
		c.merged = append(append(c.merged, s.id), s.merged...)
		if n := s.names.Local; n != "" && n != c.names.Local {
			also, _ := c.properties["also_named"].([]string)
			if !slices.Contains(also, n) {
				also = append(also, n)
				slices.Sort(also)
				c.properties["also_named"] = also
			}
		}
	}
	return kept
}

func sameCampus(a, b *site) bool {
	if a.typ != b.typ {
		return false
	}
	same, nameless := campusMetres(a.typ)
	d := metres(a.at, b.at)
	an, bn := plain(a.names.Local), plain(b.names.Local)
	switch {
	case d <= 1, a.area != nil && contains(a.area, b.at):
		return true
	case an != "" && an == bn:
		return d <= same
	case an == "" || bn == "":
		return d <= nameless
	}
	return false
}

// finishSites merges campuses, adds what the overlays bring, derives shelters, and sorts by key.
func (b *builder) finishSites() {
	before := len(b.sites)
	sites := mergeParts(mergeCampuses(b.sites))
	b.report.Merged = before - len(sites)

	byID := map[string]*site{}
	stands := map[string]*site{} // for the elements of a campus that were merged away
	for _, s := range sites {
		byID[s.id] = s
		for _, m := range s.merged {
			stands[m] = s
		}
	}
	// Derive first, so that an overlay can say of a derived shelter what it knows.
	for _, s := range slices.Clone(sites) {
		if s.shelter || !shelterByUse(s.typ) {
			continue
		}
		d := &site{id: s.id + "-shelter", typ: s.typ, shelter: true, names: s.names, at: s.at,
			properties: map[string]any{"source": "osm", "derived": true, "derived_from": s.id}}
		if a, ok := s.properties["address"]; ok {
			d.properties["address"] = a
		}
		sites, byID[d.id] = append(sites, d), d
	}
	for _, r := range b.over.rows {
		s, amended := byID[r.id], true
		if s == nil && r.id != "" {
			s = stands[r.id]
		}
		if s == nil {
			amended = false
			if r.used || !r.placed || placeKinds[r.kind].rank > 0 {
				continue // it amended a street, or it is a place: not ours
			}
			if !b.clip.Contains(r.at) {
				b.warn("%v", r.refused("lies outside the map"))
				r.used = true
				continue
			}
			typ := or(r.typ, r.kind)
			if r.kind == "shelter" {
				typ = or(r.typ, "shelter")
			}
			if typ == "" || typ == "site" {
				b.warn("%v", r.refused("neither kind nor type says what it is"))
				r.used = true
				continue
			}
			id := r.id
			if id == "" {
				id = fmt.Sprintf("overlay-%s-%.5f-%.5f", slug(typ), r.at[0], r.at[1])
				if byID[id] != nil {
					b.warn("%v", r.refused("stands where another %s of an overlay stands", typ))
					r.used = true
					continue
				}
			}
			_, knownShelter := siteTypeIsShelter[typ]
			s = &site{id: id, typ: typ, shelter: r.kind == "shelter" || r.kind != "site" && knownShelter, at: r.at, area: r.area,
				properties: map[string]any{"source": "overlay"}}
			sites, byID[id] = append(sites, s), s
			b.report.OverlaySites++
		}
		r.used = true
		s.names = names{or(r.names.Local, s.names.Local), or(r.names.FA, s.names.FA), or(r.names.ZH, s.names.ZH), or(r.names.EN, s.names.EN), s.names.Alt}
		if amended {
			s.properties["amended"] = true
			b.report.OverlayAmended++
			if r.placed { // a better place than OSM's
				s.at = r.at
			}
		}
		maps.Copy(s.properties, r.properties)
		if r.original != nil {
			s.properties["original"] = r.original
		}
	}
	for _, s := range sites {
		if d, ok := b.over.dictionary[s.names.Local]; ok && s.names.Local != "" {
			s.names.FA, s.names.ZH, s.names.EN = or(s.names.FA, d.FA), or(s.names.ZH, d.ZH), or(s.names.EN, d.EN)
		}
	}
	slices.SortFunc(sites, func(a, b *site) int { return cmp.Compare(a.id, b.id) })
	b.sites = sites
	for _, s := range sites {
		key := s.typ
		if s.shelter {
			key = "shelter: " + s.typ
			if s.properties["derived"] == true {
				key += " (derived, unconfirmed)"
			}
		}
		b.report.Sites[key]++
	}
}

var siteTypeIsShelter = map[string]struct{}{"assembly_point": {}, "evacuation_centre": {}, "refugee_site": {}, "shelter": {}}

func slug(s string) string {
	return strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' || r == '-') {
			return r
		}
		return '-'
	}, s[:min(len(s), 40)])
}

// feature is the GeoJSON of a site.
func (s *site) feature() map[string]any {
	p := maps.Clone(s.properties)
	p["kind"], p["type"] = "site", s.typ
	if s.shelter {
		p["kind"] = "shelter"
		if _, ok := p["status"]; !ok {
			p["status"] = "unconfirmed"
		}
	}
	s.names.put(p)
	if len(s.merged) > 0 {
		slices.Sort(s.merged)
		p["merged"] = s.merged
	}
	return map[string]any{"type": "Feature", "id": s.id, "properties": p,
		"geometry": map[string]any{"type": "Point", "coordinates": []float64{round7(s.at[0]), round7(s.at[1])}}}
}

// writeSites writes sites.geojson, a feature a line.
func writeSites(w io.Writer, sites []*site) error {
	return writeCollection(w, len(sites), func(i int) any { return sites[i].feature() })
}

func writeCollection(w io.Writer, n int, feature func(int) any) error {
	if _, err := io.WriteString(w, `{"type":"FeatureCollection","features":[`); err != nil {
		return err
	}
	for i := range n {
		line, err := json.Marshal(feature(i))
		if err != nil {
			return err
		}
		sep := ",\n"
		if i == 0 {
			sep = "\n"
		}
		if _, err := io.WriteString(w, sep+string(line)); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "\n]}\n")
	return err
}
