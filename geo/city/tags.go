package city

import (
	"strings"

	"github.com/paulmach/osm"
)

// names are the names of a thing, empty where unknown.
type names struct {
	Local string   `json:"name"`
	FA    string   `json:"name_fa,omitempty"`
	ZH    string   `json:"name_zh,omitempty"`
	EN    string   `json:"name_en,omitempty"`
	Alt   []string `json:"alt,omitempty"` // other names it is called by
}

func firstOf(t osm.Tags, keys ...string) string {
	for _, k := range keys {
		if v := strings.TrimSpace(t.Find(k)); v != "" {
			return v
		}
	}
	return ""
}

// spoken is firstOf for what people read: OpenStreetMap puts a semicolon between
// several values, as in "I 95;US 202".
func spoken(t osm.Tags, keys ...string) string {
	var values []string
	for v := range strings.SplitSeq(firstOf(t, keys...), ";") {
		if v = strings.TrimSpace(v); v != "" {
			values = append(values, v)
		}
	}
	return strings.Join(values, " / ")
}

// namesOf reads the names from tags; dictionary gives what the tags lack.
func namesOf(t osm.Tags, dictionary map[string]names) names {
	n := names{
		Local: spoken(t, "name", "name:en", "name:fa", "name:zh"),
		FA:    spoken(t, "name:fa"),
		ZH:    spoken(t, "name:zh", "name:zh-Hans", "name:zh-CN"),
		EN:    spoken(t, "name:en"),
	}
	for _, k := range [...]string{"alt_name", "short_name", "official_name", "old_name", "loc_name"} {
		for v := range strings.SplitSeq(t.Find(k), ";") {
			if v = strings.TrimSpace(v); v != "" {
				n.Alt = append(n.Alt, v)
			}
		}
	}
	if d, ok := dictionary[n.Local]; ok && n.Local != "" {
		n.FA, n.ZH, n.EN = or(n.FA, d.FA), or(n.ZH, d.ZH), or(n.EN, d.EN)
	}
	return n
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// put writes the names into properties.
func (n names) put(p map[string]any) {
	for k, v := range map[string]string{"name": n.Local, "name_fa": n.FA, "name_zh": n.ZH, "name_en": n.EN} {
		if v != "" {
			p[k] = v
		}
	}
}

// yes says whether a tag is set to anything but a no.
func yes(v string) bool { return v != "" && v != "no" && v != "0" && v != "false" }

// areaKind says which layer, kind and lowest zoom an area of these tags has on the map; no layer when none.
func areaKind(t osm.Tags) (layer layerID, kind string, zoom int) {
	v := t.Find
	switch natural, landuse, leisure, amenity, aeroway := v("natural"), v("landuse"), v("leisure"), v("amenity"), v("aeroway"); {
	case v("waterway") == "riverbank", natural == "water" && (v("water") == "river" || v("water") == "canal" || v("water") == "stream"):
		return layerWater, "river", 4
	case landuse == "reservoir", natural == "water" && v("water") == "reservoir":
		return layerWater, "reservoir", 4
	case landuse == "basin", natural == "water" && (v("water") == "basin" || v("water") == "wastewater"), v("waterway") == "dock":
		return layerWater, "basin", 8
	case natural == "water", natural == "bay" && v("water") != "":
		return layerWater, "water", 4
	case leisure == "swimming_pool" && v("location") != "indoor":
		return layerWater, "pool", 14
	case natural == "wetland":
		return layerLand, "wetland", 8
	case natural == "wood", landuse == "forest":
		return layerLand, "wood", 7
	case natural == "bare_rock", natural == "scree", natural == "shingle", landuse == "quarry":
		return layerLand, "rock", 9
	case natural == "glacier":
		return layerLand, "ice", 7
	case natural == "beach", natural == "sand", natural == "dune":
		return layerLand, "sand", 9
	case leisure == "park", leisure == "nature_reserve", leisure == "garden", v("boundary") == "national_park":
		return layerLand, "park", 8
	case leisure == "golf_course", leisure == "pitch", leisure == "stadium", leisure == "playground", landuse == "grass", landuse == "meadow",
		landuse == "recreation_ground", landuse == "cemetery", landuse == "village_green", amenity == "grave_yard",
		natural == "grassland", natural == "heath", natural == "scrub":
		return layerLand, "green", 11
	case landuse == "farmland", landuse == "orchard", landuse == "vineyard", landuse == "farmyard", landuse == "plant_nursery":
		return layerLand, "farmland", 9
	case amenity == "hospital":
		return layerLand, "hospital", 12
	case amenity == "school", amenity == "university", amenity == "college", amenity == "kindergarten":
		return layerLand, "education", 12
	case aeroway == "aerodrome":
		return layerLand, "airport", 9
	case aeroway == "runway", aeroway == "apron", aeroway == "taxiway", aeroway == "helipad":
		return layerLand, "runway", 11
	case landuse == "military", v("military") == "base":
		return layerLand, "military", 9
	case landuse == "industrial", landuse == "port", landuse == "railway", v("man_made") == "wastewater_plant", v("power") == "plant", v("power") == "substation":
		return layerLand, "industrial", 9
	case landuse == "residential", landuse == "commercial", landuse == "retail", landuse == "construction":
		return layerLand, "urban", 9
	case yes(v("building")):
		return layerBuilding, "", 13
	}
	return layerNone, "", 0
}

// isArea says whether a closed way is meant as an area.
func isArea(t osm.Tags) bool {
	if a := t.Find("area"); a == "yes" || a == "no" {
		return a == "yes"
	}
	if yes(t.Find("highway")) || yes(t.Find("railway")) || yes(t.Find("barrier")) {
		return false
	}
	if aw := t.Find("aeroway"); aw == "runway" || aw == "taxiway" {
		return false
	}
	w := t.Find("waterway")
	return w == "" || w == "riverbank" || w == "dock"
}

// roadKind is how a highway lies on the map.
type roadKind struct {
	kind string
	link bool
	zoom int
	rank int
}

var roadKinds = map[string]roadKind{
	"motorway": {"motorway", false, 5, 1}, "motorway_link": {"motorway", true, 10, 1},
	"trunk": {"trunk", false, 6, 2}, "trunk_link": {"trunk", true, 10, 2},
	"primary": {"primary", false, 8, 3}, "primary_link": {"primary", true, 11, 3},
	"secondary": {"secondary", false, 9, 4}, "secondary_link": {"secondary", true, 11, 4},
	"tertiary": {"tertiary", false, 11, 5}, "tertiary_link": {"tertiary", true, 12, 5},
	"unclassified": {"unclassified", false, 12, 6}, "residential": {"residential", false, 12, 6},
	"road": {"unclassified", false, 12, 6}, "living_street": {"living_street", false, 12, 6},
	"busway": {"service", false, 13, 7}, "pedestrian": {"pedestrian", false, 13, 7}, "service": {"service", false, 13, 8},
	"track": {"track", false, 13, 8}, "construction": {"construction", false, 14, 8},
	"footway": {"footway", false, 14, 9}, "cycleway": {"cycleway", false, 14, 9}, "path": {"path", false, 14, 9},
	"steps": {"steps", false, 14, 9}, "bridleway": {"bridleway", false, 14, 9},
}

var railZooms = map[string]int{"rail": 9, "light_rail": 10, "subway": 11, "tram": 12, "narrow_gauge": 11, "monorail": 11, "funicular": 12}

var waterwayZooms = map[string]int{"river": 9, "canal": 11, "stream": 12, "drain": 13, "ditch": 13}

// placeKinds say at which zoom a place appears and how much it matters, 1 most.
var placeKinds = map[string]struct{ zoom, rank int }{
	"country": {2, 1}, "state": {4, 2}, "province": {4, 2}, "city": {4, 3}, "town": {7, 4}, "village": {9, 5}, "suburb": {10, 5},
	"borough": {10, 5}, "quarter": {11, 6}, "island": {10, 6}, "neighbourhood": {12, 7}, "hamlet": {12, 7}, "locality": {13, 8}, "square": {13, 8},
}

// siteType says what a thing is to us: the type of a site, and whether it is a shelter. Empty
// where it is neither. The reasons are in the package comment.
func siteType(t osm.Tags) (typ string, shelter bool) {
	v := t.Find
	if v("disused") == "yes" || v("abandoned") == "yes" {
		return "", false
	}
	emergency, amenity := v("emergency"), v("amenity")
	switch emergency {
	case "assembly_point":
		return "assembly_point", true
	case "evacuation_centre", "evacuation_center":
		return "evacuation_centre", true
	case "ambulance_station":
		return "ambulance_station", false
	case "fire_hydrant":
		return "hydrant", false
	case "water_tank", "suction_point", "fire_water_pond", "siren":
		return emergency, false
	}
	if v("evacuation_center") == "yes" {
		return "evacuation_centre", true
	}
	switch amenity {
	case "refugee_site":
		return "refugee_site", true
	case "fire_station", "police", "hospital", "clinic", "school", "kindergarten", "university", "nursing_home",
		"prison", "townhall", "community_centre", "fuel", "bus_station":
		return amenity, false
	case "college":
		return "university", false
	}
	switch v("healthcare") {
	case "hospital", "clinic":
		return v("healthcare"), false
	}
	switch v("social_facility") {
	case "nursing_home", "assisted_living":
		return "nursing_home", false
	}
	switch {
	case v("aeroway") == "helipad", v("aeroway") == "heliport":
		return "helipad", false
	case v("aeroway") == "aerodrome":
		return "airport", false
	case v("power") == "plant":
		return "power_plant", false
	case v("man_made") == "water_works":
		return "water_works", false
	case v("railway") == "station":
		return "rail_station", false
	}
	return "", false
}

// neverShelter says why a thing that OSM calls a shelter is none, empty when it does not call it so.
func neverShelter(t osm.Tags) string {
	switch {
	case t.Find("amenity") == "shelter":
		return "amenity=shelter is a roof against rain, never an emergency shelter"
	case t.Find("social_facility") == "shelter":
		return "social_facility=shelter is a home or a refuge whose place is not ours to show"
	}
	return ""
}

// shelterByUse says whether a site of this type often serves as a shelter.
func shelterByUse(typ string) bool { return typ == "school" || typ == "community_centre" }
