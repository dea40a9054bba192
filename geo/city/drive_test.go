package city

import (
	"math"
	"testing"

	"rasad/geo/roads"
)

func TestSpeedLimits(t *testing.T) {
	for in, want := range map[string]float64{"50": 50, "30 mph": 48.28, "30mph": 48.28, "80 km/h": 80, "60kmh": 60, "10 knots": 18.52, "walk": 7, "50;30": 30,
		"30|50": 30, "50;signals": 0, "": 0, ";": 0, "none": 0, "signals": 0, "RU:urban": 0, "-5": 0, "0": 0, "NaN": 0, "Inf": 0, "1e9": 0, "mph": 0} {
		if got := kmhOf(in); math.Abs(got-want) > 0.01 {
			t.Errorf("maxspeed %q: got %g, want %g", in, got, want)
		}
	}
	for in, want := range map[string]float64{"US:urban": 40, "US-DE:rural": 89, "IR:motorway": 120, "CN:rural": 70, "DE:zone30": 30, "DE:zone:20": 20, "FR:30": 30,
		"GB:zone20": 32.19, "GB:nsl_dual": 113, "GB:nsl_single": 97, "BR:urban": 50, "AT:walk": 7, "FR:living_street": 20,
		"DE:": 0, ":urban": 0, "urban": 0, "de:urban": 0, "Delaware:urban": 0, "DE:zone": 0, "DE:nonsense": 0, "50": 0} {
		if got := lawKmh(in); math.Abs(got-want) > 0.01 {
			t.Errorf("law %q: got %g, want %g", in, got, want)
		}
	}
	tests := map[string]struct {
		tags              []string
		forward, backward limit
	}{
		"none":                            {nil, limit{}, limit{}},
		"a number":                        {[]string{"maxspeed", "50"}, limit{50, speedTagged}, limit{50, speedTagged}},
		"one for each direction":          {[]string{"maxspeed", "50", "maxspeed:backward", "30"}, limit{50, speedTagged}, limit{30, speedTagged}},
		"a code":                          {[]string{"maxspeed", "IR:urban"}, limit{50, speedByLaw}, limit{50, speedByLaw}},
		"a code beside a number":          {[]string{"maxspeed", "60", "source:maxspeed", "IR:urban"}, limit{60, speedTagged}, limit{60, speedTagged}},
		"a code where there is no number": {[]string{"maxspeed", "signals", "zone:traffic", "DE:rural"}, limit{100, speedByLaw}, limit{100, speedByLaw}},
		"signals":                         {[]string{"maxspeed", "signals"}, limit{}, limit{}},
		"none at all, as in Germany":      {[]string{"maxspeed", "none"}, limit{}, limit{}},
		"what cannot be read":             {[]string{"maxspeed", "fast"}, limit{0, speedUnread}, limit{0, speedUnread}},
		"where it was seen is no limit":   {[]string{"source:maxspeed", "Delaware State Law"}, limit{}, limit{}},
	}
	for name, tt := range tests {
		if f, b := limitOf(tags(tt.tags...), "forward"), limitOf(tags(tt.tags...), "backward"); f != tt.forward || b != tt.backward {
			t.Errorf("%s: got %+v and %+v, want %+v and %+v", name, f, b, tt.forward, tt.backward)
		}
	}
}

func TestFreeFlow(t *testing.T) {
	tests := map[string]struct {
		tags  []string
		urban bool
		want  float64 // km/h
	}{
		"a limit":                     {[]string{"highway", "primary", "maxspeed", "100"}, true, 85},
		"a street in town":            {[]string{"highway", "primary"}, true, 50},
		"a road in the country":       {[]string{"highway", "primary"}, false, 68},
		"a ramp":                      {[]string{"highway", "motorway_link"}, false, 50},
		"gravel":                      {[]string{"highway", "secondary", "surface", "gravel"}, false, 40},
		"gravel, whatever is allowed": {[]string{"highway", "secondary", "surface", "gravel", "maxspeed", "80"}, false, 40},
		"mud":                         {[]string{"highway", "residential", "surface", "mud"}, true, 12},
		"a bad road":                  {[]string{"highway", "secondary", "smoothness", "very_bad"}, false, 20},
		"a driveway":                  {[]string{"highway", "service", "service", "driveway"}, true, 12},
		"a good track":                {[]string{"highway", "track", "tracktype", "grade2"}, false, 20},
	}
	for name, tt := range tests {
		d, ok, why := driveOf(tags(tt.tags...))
		if got := d.mps(d.forward, tt.urban) * 3.6; !ok || math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%s: got %g km/h, %v %s, want %g", name, got, ok, why, tt.want)
		}
	}
}

func TestDrive(t *testing.T) {
	const shut, free, siren = 0, 1, 2 // a direction: nobody, everybody, only who may drive against a one-way
	tests := map[string]struct {
		tags              []string
		forward, backward int
		flags             roads.Flags
	}{
		"a street":                         {[]string{"highway", "residential"}, free, free, 0},
		"one-way":                          {[]string{"highway", "primary", "oneway", "yes"}, free, siren, 0},
		"one-way against its line":         {[]string{"highway", "primary", "oneway", "-1"}, siren, free, 0},
		"one-way but for emergencies":      {[]string{"highway", "primary", "oneway", "yes", "oneway:emergency", "no"}, free, free, 0},
		"one-way but for a bus lane":       {[]string{"highway", "primary", "oneway", "yes", "busway", "opposite_lane"}, free, free, 0},
		"one-way but for bicycles":         {[]string{"highway", "primary", "oneway", "yes", "oneway:bicycle", "no"}, free, siren, 0},
		"one-way by turns":                 {[]string{"highway", "primary", "oneway", "alternating"}, free, free, 0},
		"one-way by the hour":              {[]string{"highway", "primary", "oneway", "reversible"}, free, siren, 0},
		"a motorway is one-way":            {[]string{"highway", "motorway"}, free, shut, 0},
		"unless it says not":               {[]string{"highway", "motorway", "oneway", "no"}, free, free, 0},
		"its ramp is one-way":              {[]string{"highway", "motorway_link"}, free, shut, roads.Link},
		"nobody goes against a trunk road": {[]string{"highway", "trunk", "oneway", "yes"}, free, shut, 0},
		"a roundabout":                     {[]string{"highway", "tertiary", "junction", "roundabout"}, free, shut, 0},
		"a roundabout the other way round": {[]string{"highway", "tertiary", "junction", "circular", "oneway", "-1"}, shut, free, 0},
		"a ramp over a bridge":             {[]string{"highway", "trunk_link", "bridge", "yes"}, free, free, roads.Link | roads.Bridge},
		"a bridge that is none":            {[]string{"highway", "primary", "bridge", "no", "tunnel", "no"}, free, free, 0},
		"a tunnel":                         {[]string{"highway", "primary", "tunnel", "yes"}, free, free, roads.Tunnel},
		"no cars":                          {[]string{"highway", "residential", "motor_vehicle", "no"}, shut, shut, 0},
		"no vehicles":                      {[]string{"highway", "residential", "vehicle", "no"}, shut, shut, 0},
		"no access":                        {[]string{"highway", "residential", "access", "no"}, shut, shut, 0},
		"no access, but for cars":          {[]string{"highway", "residential", "access", "no", "motor_vehicle", "yes"}, free, free, 0},
		"no cars but emergencies":          {[]string{"highway", "residential", "motor_vehicle", "no", "emergency", "yes"}, free, free, 0},
		"no cars but buses":                {[]string{"highway", "residential", "motor_vehicle", "no", "psv", "yes"}, free, free, 0},
		"no cars on an emergency access":   {[]string{"highway", "service", "service", "emergency_access", "access", "no"}, free, free, 0},
		"no emergencies":                   {[]string{"highway", "residential", "emergency", "no"}, shut, shut, 0},
		"private":                          {[]string{"highway", "service", "access", "private"}, free, free, roads.Private},
		"private, but for emergencies":     {[]string{"highway", "service", "access", "private", "emergency", "designated"}, free, free, 0},
		"private, but its road public":     {[]string{"highway", "service", "access", "private", "motor_vehicle", "destination"}, free, free, 0},
		"for farmers":                      {[]string{"highway", "unclassified", "motor_vehicle", "agricultural"}, free, free, roads.Private},
		"for residents":                    {[]string{"highway", "residential", "access", "destination"}, free, free, 0},
		"a busway":                         {[]string{"highway", "busway", "access", "no"}, free, free, 0},
		"a footway":                        {[]string{"highway", "footway"}, shut, shut, 0},
		"a footway for fire engines":       {[]string{"highway", "footway", "emergency", "yes"}, free, free, 0},
		"a cycleway for fire engines":      {[]string{"highway", "cycleway", "emergency", "designated"}, free, free, 0},
		"steps, whatever they say":         {[]string{"highway", "steps", "emergency", "yes"}, shut, shut, 0},
		"a pedestrian street":              {[]string{"highway", "pedestrian"}, shut, shut, 0},
		"a pedestrian street for sirens":   {[]string{"highway", "pedestrian", "emergency", "yes"}, free, free, 0},
		"a pedestrian street for shops":    {[]string{"highway", "pedestrian", "motor_vehicle", "delivery"}, free, free, 0},
		"a track":                          {[]string{"highway", "track"}, shut, shut, 0},
		"a good track":                     {[]string{"highway", "track", "tracktype", "grade1"}, free, free, 0},
		"a fair track":                     {[]string{"highway", "track", "tracktype", "grade2"}, free, free, roads.Unpaved},
		"a bad track that is opened":       {[]string{"highway", "track", "tracktype", "grade4", "motor_vehicle", "yes"}, free, free, roads.Unpaved},
		"gravel":                           {[]string{"highway", "residential", "surface", "gravel"}, free, free, roads.Unpaved},
		"impassable":                       {[]string{"highway", "residential", "smoothness", "impassable"}, shut, shut, 0},
		"ice":                              {[]string{"highway", "unclassified", "ice_road", "yes"}, shut, shut, 0},
		"a ferry":                          {[]string{"route", "ferry", "motor_vehicle", "yes"}, shut, shut, 0},
		"a ferry that is called a road":    {[]string{"route", "ferry", "highway", "primary"}, shut, shut, 0},
		"to be built":                      {[]string{"highway", "construction", "construction", "primary"}, shut, shut, 0},
		"a square":                         {[]string{"highway", "service", "area", "yes"}, shut, shut, 0},
		"a race track":                     {[]string{"highway", "raceway"}, shut, shut, 0},
	}
	say := func(ok bool, d direction) int {
		switch {
		case !ok || !d.open:
			return shut
		case d.against:
			return siren
		}
		return free
	}
	for name, tt := range tests {
		d, ok, why := driveOf(tags(tt.tags...))
		if f, b := say(ok, d.forward), say(ok, d.backward); f != tt.forward || b != tt.backward || ok && (d.flags != tt.flags || !(d.mps(d.forward, true) > 0)) {
			t.Errorf("%s: got %d and %d with flags %b (%s), want %d and %d with %b", name, f, b, d.flags, why, tt.forward, tt.backward, tt.flags)
		}
	}
}

func TestBarriers(t *testing.T) {
	tests := map[string]struct {
		tags []string
		want barrier
	}{
		"nothing":                       {nil, barrierNone},
		"a kerb":                        {[]string{"barrier", "kerb"}, barrierNone},
		"a cattle grid":                 {[]string{"barrier", "cattle_grid"}, barrierNone},
		"a toll booth":                  {[]string{"barrier", "toll_booth"}, barrierNone},
		"a gate":                        {[]string{"barrier", "gate"}, barrierGate},
		"a locked gate":                 {[]string{"barrier", "gate", "locked", "yes", "access", "no"}, barrierGate},
		"a lift gate":                   {[]string{"barrier", "lift_gate", "access", "private"}, barrierGate},
		"a gate that no siren opens":    {[]string{"barrier", "gate", "emergency", "no"}, barrierClosed},
		"a bollard":                     {[]string{"barrier", "bollard"}, barrierClosed},
		"a bollard and a path":          {[]string{"barrier", "bollard", "access", "yes"}, barrierClosed},
		"a bollard that sinks":          {[]string{"barrier", "bollard", "bollard", "rising"}, barrierGate},
		"a bollard that we may lift":    {[]string{"barrier", "bollard", "emergency", "yes"}, barrierGate},
		"a bollard that cars pass":      {[]string{"barrier", "bollard", "motor_vehicle", "yes"}, barrierNone},
		"a bollard that residents open": {[]string{"barrier", "bollard", "motor_vehicle", "private"}, barrierGate},
		"a block":                       {[]string{"barrier", "block"}, barrierClosed},
		"a stile":                       {[]string{"barrier", "stile"}, barrierClosed},
		"a height limit of a car park":  {[]string{"barrier", "height_restrictor"}, barrierClosed},
		"what nobody has described":     {[]string{"barrier", "yes"}, barrierClosed},
		"what is open to all, whatever": {[]string{"barrier", "yes", "access", "yes"}, barrierNone},
	}
	for name, tt := range tests {
		if got := barrierOf(tags(tt.tags...)); got != tt.want {
			t.Errorf("%s: got %d, want %d", name, got, tt.want)
		}
	}
}
