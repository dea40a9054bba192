package city

import (
	"math"
	"strconv"
	"strings"

	"github.com/paulmach/osm"

	"rasad/geo/roads"
)

// drive is how an emergency vehicle may drive a way.
type drive struct {
	class             roads.Class
	flags             roads.Flags
	forward, backward direction
	most              float64 // km/h that the ground allows; 0 is any
	round             bool    // a roundabout
}

// direction is one direction of a way.
type direction struct {
	open    bool
	against bool // of a one-way street
	speed   limit
}

// Reasons why a way is no road for us, in the report's words.
const (
	notRoad       = "" // footways, tracks, paths: no road at all, and so many that they are not counted
	notForCars    = "no motor vehicles, and no exemption for emergencies"
	notForUs      = "emergency=no"
	notPassable   = "impassable for a car by its smoothness"
	notInSummer   = "a road over ice or snow only"
	notALine      = "an area"
	notFloat      = "a ferry"
	notYetOrEver  = "under construction, proposed or given up"
	unpavedTracks = "a track of grade 3 or worse, or of no grade"
)

// driveOf says how a way may be driven; why says why not, where it may not. Gates open for sirens: what is private is
// kept and marked. Footways and the like are roads only where their tags invite emergency vehicles.
func driveOf(t osm.Tags) (d drive, ok bool, why string) {
	if t.Find("route") == "ferry" {
		return d, false, notFloat
	}
	v := t.Find
	highway := v("highway")
	emergency := v("emergency")
	invited := emergency == "yes" || emergency == "designated" || emergency == "official" || emergency == "permissive"
	access := firstOf(t, "motorcar", "motor_vehicle", "vehicle", "access")
	d.most = groundKmh(t)
	switch strings.TrimSuffix(highway, "_link") {
	case "motorway":
		d.class = roads.Motorway
	case "trunk":
		d.class = roads.Trunk
	case "primary":
		d.class = roads.Primary
	case "secondary":
		d.class = roads.Secondary
	case "tertiary":
		d.class = roads.Tertiary
	case "unclassified", "road":
		d.class = roads.Unclassified
	case "residential":
		d.class = roads.Residential
	case "living_street":
		d.class = roads.LivingStreet
	case "service", "busway":
		d.class = roads.Service
	case "track":
		d.class = roads.Service
		grade := v("tracktype")
		if grade != "grade1" && grade != "grade2" && !invited && !lets(access) {
			return d, false, unpavedTracks
		}
	case "pedestrian":
		d.class = roads.LivingStreet
		if !invited && !lets(firstOf(t, "motorcar", "motor_vehicle", "vehicle")) {
			return d, false, notRoad
		}
	case "footway", "cycleway", "path", "bridleway":
		d.class, d.most = roads.Service, least(d.most, 15)
		if emergency != "yes" && emergency != "designated" {
			return d, false, notRoad
		}
	case "construction", "proposed", "abandoned", "disused", "razed":
		return d, false, notYetOrEver
	default:
		return d, false, notRoad
	}
	if strings.HasSuffix(highway, "_link") {
		d.flags |= roads.Link
	}
	switch {
	case v("area") == "yes":
		return d, false, notALine
	case emergency == "no":
		return d, false, notForUs
	case v("smoothness") == "impassable" || v("impassable") == "yes":
		return d, false, notPassable
	case v("ice_road") == "yes" || v("winter_road") == "yes" || v("snowmobile") == "designated":
		return d, false, notInSummer
	}
	if !invited {
		switch access {
		case "no", "foot", "bicycle":
			// Where buses may go, so may a fire engine; and a way made for emergencies need not say so twice.
			if highway != "busway" && !lets(firstOf(t, "bus", "psv")) && v("service") != "emergency_access" {
				return d, false, notForCars
			}
		case "private", "agricultural", "forestry", "permit", "military", "employees", "residents":
			d.flags |= roads.Private
		}
		if emergency == "private" {
			d.flags |= roads.Private
		}
	}
	if s := v("service"); s == "driveway" || s == "parking_aisle" || s == "drive-through" {
		d.most = least(d.most, 12)
	} else if s == "alley" {
		d.most = least(d.most, 15)
	}
	if unpaved(t) {
		d.flags |= roads.Unpaved
	}
	if yes(v("bridge")) {
		d.flags |= roads.Bridge
	}
	if yes(v("tunnel")) {
		d.flags |= roads.Tunnel
	}
	d.round = v("junction") == "roundabout" || v("junction") == "circular"
	d.forward.speed, d.backward.speed = limitOf(t, "forward"), limitOf(t, "backward")
	d.forward.open, d.backward.open = true, true
	one := oneway(t)
	if one == 0 || v("oneway:emergency") == "no" || contraflow(t) {
		return d, true, ""
	}
	wrong := &d.backward
	if one < 0 {
		wrong = &d.forward
	}
	// Nobody drives against a motorway, a trunk road or a roundabout, whatever the siren says.
	wrong.open = d.class > roads.Trunk && !d.round
	wrong.against = wrong.open
	return d, true, ""
}

// lets says whether an access tag lets vehicles in that have business there.
func lets(v string) bool {
	switch v {
	case "yes", "designated", "official", "permissive", "public", "destination", "delivery", "customers", "private", "permit", "agricultural", "forestry":
		return true
	}
	return false
}

// least is the smaller of two speeds, of which 0 is none.
func least(a, b float64) float64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// oneway is 1 where a way may be driven along its line only, -1 against it only, else 0.
func oneway(t osm.Tags) int {
	switch t.Find("oneway") {
	case "yes", "true", "1", "reversible":
		return 1 // of a lane that turns by the hour we promise only one direction
	case "-1", "reverse":
		return -1
	case "no", "false", "0", "alternating": // lights let both directions pass in turn
		return 0
	}
	if h := t.Find("highway"); h == "motorway" || h == "motorway_link" {
		return 1
	}
	if j := t.Find("junction"); j == "roundabout" || j == "circular" {
		return 1
	}
	return 0
}

// contraflow says whether buses have a lane against the one-way, where a fire engine may drive as well.
func contraflow(t osm.Tags) bool {
	for _, k := range [...]string{"busway", "busway:left", "busway:right"} {
		if v := t.Find(k); v == "opposite_lane" || v == "opposite_track" || v == "opposite" {
			return true
		}
	}
	return t.Find("oneway:bus") == "no" || t.Find("oneway:psv") == "no"
}

// groundKmh is what the surface allows; 0 is anything.
func groundKmh(t osm.Tags) float64 {
	kmh := 0.0
	switch t.Find("surface") {
	case "compacted", "fine_gravel":
		kmh = 50
	case "unpaved", "gravel", "pebblestone", "metal_grid", "chipseal", "sett", "wood":
		kmh = 40
	case "cobblestone", "unhewn_cobblestone", "cobblestone:flattened":
		kmh = 30
	case "dirt", "earth", "ground", "soil", "grass", "grass_paver", "clay", "woodchips", "snow":
		kmh = 25
	case "sand", "mud", "rock", "ice", "stepping_stones":
		kmh = 12
	}
	switch t.Find("smoothness") {
	case "bad":
		kmh = least(kmh, 40)
	case "very_bad":
		kmh = least(kmh, 20)
	case "horrible":
		kmh = least(kmh, 10)
	case "very_horrible":
		kmh = least(kmh, 5)
	}
	if t.Find("highway") == "track" {
		switch t.Find("tracktype") {
		case "grade1":
			kmh = least(kmh, 30)
		case "grade2":
			kmh = least(kmh, 20)
		default:
			kmh = least(kmh, 12)
		}
	}
	return kmh
}

// unpaved says whether the ground is loose.
func unpaved(t osm.Tags) bool {
	switch t.Find("surface") {
	case "unpaved", "compacted", "fine_gravel", "gravel", "pebblestone", "dirt", "earth", "ground", "soil", "grass", "clay", "woodchips",
		"snow", "sand", "mud", "rock", "ice":
		return true
	case "":
		g := t.Find("tracktype")
		return g != "" && g != "grade1"
	}
	return false
}

// limit is the speed that signs or the law of a place allow.
type limit struct {
	kmh  float64 // 0: by class
	from speedSource
}

// speedSource is where the speed of a road comes from.
type speedSource uint8

const (
	speedByClass speedSource = iota // no limit is mapped: by class, in or out of a built-up area
	speedTagged                     // a number
	speedByLaw                      // a code such as "US:urban"
	speedUnread                     // a tag that is no speed: by class
	speedSources
)

var speedSourceNames = [speedSources]string{"no limit mapped: by class and built-up area", "the mapped limit",
	"the law that the map names (such as US:urban)", "a limit that cannot be read: by class"}

// limitOf reads the limit of a direction ("forward" or "backward") of a way.
func limitOf(t osm.Tags, way string) limit {
	unread := false
	for _, k := range [...]string{"maxspeed:" + way, "maxspeed", "maxspeed:type", "source:maxspeed", "zone:maxspeed", "zone:traffic"} {
		v := strings.TrimSpace(t.Find(k))
		if v == "" {
			continue
		}
		if kmh := kmhOf(v); kmh > 0 {
			return limit{kmh, speedTagged}
		}
		if kmh := lawKmh(v); kmh > 0 {
			return limit{kmh, speedByLaw}
		}
		switch v {
		case "none", "signals", "variable", "no", "unknown", "sign", "signed", "survey": // says that there is no one number, or where it was seen
		default:
			unread = unread || strings.HasPrefix(k, "maxspeed") && k != "maxspeed:type"
		}
	}
	if unread {
		return limit{0, speedUnread}
	}
	return limit{}
}

// kmhOf reads a speed limit ("50", "30 mph", "50;30", "walk"), of several the least; 0 where there is none or it
// is no number.
func kmhOf(s string) float64 {
	least := 0.0
	for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ';' || r == '|' || r == ',' }) {
		v := oneKmh(strings.TrimSpace(part))
		if v == 0 {
			return 0
		}
		if least == 0 || v < least {
			least = v
		}
	}
	return least
}

func oneKmh(s string) float64 {
	if s == "walk" {
		return walkKmh
	}
	factor := 1.0
	for unit, f := range map[string]float64{"mph": 1.609344, "knots": 1.852, "km/h": 1, "kmh": 1, "kph": 1} {
		if number, ok := strings.CutSuffix(s, unit); ok {
			s, factor = strings.TrimSpace(number), f
			break
		}
	}
	v, err := strconv.ParseFloat(s, 64)
	if v *= factor; err != nil || !(v >= 3 && v <= 200) {
		return 0
	}
	return v
}

const walkKmh = 7

// lawKmh knows the limits of codes such as "IR:urban", "DE:zone30" and "GB:nsl_single"; 0 where s is none.
func lawKmh(s string) float64 {
	country, zone, ok := strings.Cut(s, ":")
	if !ok || len(country) < 2 || strings.ToUpper(country[:2]) != country[:2] || len(country) > 2 && country[2] != '-' {
		return 0
	}
	zone = strings.ToLower(strings.TrimSpace(zone))
	if n, ok := strings.CutPrefix(zone, "zone"); ok || zone != "" && zone[0] >= '0' && zone[0] <= '9' {
		kmh := oneKmh(strings.TrimLeft(n, ":"))
		if country == "GB" || country[:2] == "US" {
			kmh *= 1.609344
		}
		return kmh
	}
	switch zone {
	case "walk", "pedestrian_zone":
		return walkKmh
	case "living_street", "bicycle_road":
		return 20
	}
	law, ok := countryKmh[country[:2]]
	if !ok {
		law = [3]float64{50, 80, 120} // what most of the world has
	}
	switch zone {
	case "urban", "urban_primary", "urban_secondary", "nsl_restricted", "in_town":
		return law[0]
	case "rural", "nsl_single", "trunk", "outside":
		return law[1]
	case "motorway", "nsl_dual", "express", "urban_motorway":
		return law[2]
	}
	return 0
}

// countryKmh is the law in and out of built-up areas and on motorways, from the OpenStreetMap wiki's table of default
// speed limits.
var countryKmh = map[string][3]float64{
	"AD": {50, 90, 90}, "AE": {60, 100, 120}, "AT": {50, 100, 130}, "BE": {50, 70, 120}, "CH": {50, 80, 120}, "CN": {50, 70, 120}, "CZ": {50, 90, 130},
	"DE": {50, 100, 130}, "DK": {50, 80, 130}, "ES": {50, 90, 120}, "FR": {50, 80, 130}, "GB": {48, 97, 113}, "HU": {50, 90, 130}, "IQ": {60, 100, 120},
	"IR": {50, 95, 120}, "IT": {50, 90, 130}, "NL": {50, 80, 100}, "PL": {50, 90, 140}, "PT": {50, 90, 120}, "RO": {50, 90, 130}, "RU": {60, 90, 110},
	"SE": {50, 70, 110}, "TR": {50, 90, 130}, "UA": {50, 90, 130}, "US": {40, 89, 105}, "UZ": {60, 100, 110},
}

// limitShare is what of a limit traffic reaches on average on the open road; what turns cost is for whoever routes.
const limitShare = 0.85

// classKmh is the free-flow speed where no limit is known: in built-up areas, out of them.
var classKmh = [...][2]float64{roads.Motorway: {88, 100}, roads.Trunk: {62, 82}, roads.Primary: {50, 68}, roads.Secondary: {45, 60}, roads.Tertiary: {40, 54},
	roads.Unclassified: {34, 46}, roads.Residential: {29, 38}, roads.LivingStreet: {12, 12}, roads.Service: {17, 20}}

var linkKmh = [2]float64{42, 50}

// mps is the free-flow speed of a direction of the way, in a built-up area or out of one.
func (d *drive) mps(to direction, builtUp bool) float64 {
	where := 1
	if builtUp {
		where = 0
	}
	kmh := classKmh[d.class][where]
	if d.flags&roads.Link != 0 {
		kmh = math.Min(kmh, linkKmh[where])
	}
	if to.speed.kmh > 0 {
		kmh = to.speed.kmh * limitShare
	}
	return least(kmh, d.most) / 3.6
}

// barrier is what a thing on a road means to a fire engine.
type barrier uint8

const (
	barrierNone   barrier = iota // nothing to speak of: a kerb, a cattle grid, an open toll booth
	barrierGate                  // it opens, and that takes time
	barrierClosed                // nobody drives through
)

// barrierOf says what stands on a node.
func barrierOf(t osm.Tags) barrier {
	kind := t.Find("barrier")
	var b barrier
	switch kind {
	case "", "no", "kerb", "entrance", "toll_booth", "cattle_grid", "toll", "speed_bump", "coupure":
		return barrierNone
	case "gate", "lift_gate", "swing_gate", "sliding_gate", "hampshire_gate", "bump_gate", "sally_port", "border_control", "chain", "rope", "bar", "spikes", "checkpoint":
		b = barrierGate
	default: // bollard, block, jersey_barrier, stile, … and what we do not know
		b = barrierClosed
		if cars := firstOf(t, "motorcar", "motor_vehicle", "vehicle"); cars == "private" || cars == "permit" {
			b = barrierGate // who may pass can open it
		} else if lets(cars) || kind != "bollard" && kind != "height_restrictor" && t.Find("access") == "yes" {
			return barrierNone // it leaves room for cars
		}
		switch t.Find("bollard") {
		case "rising", "removable", "foldable", "flexible":
			b = barrierGate
		}
	}
	switch t.Find("emergency") {
	case "no":
		return barrierClosed
	case "yes", "designated", "official", "permissive":
		return barrierGate // made so that we get through, but not at full speed
	}
	return b
}
