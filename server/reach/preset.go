package reach

import (
	"slices"
	"time"

	"rasad/fixtures"
	"rasad/geo"
	"rasad/geo/coverage"
	"rasad/geo/roads"
)

// Kind is how units of a type get about.
type Kind struct {
	Way     string          // fixtures.WayRoad, WayAir or WayWater
	Profile roads.ProfileID // of WayRoad
	// Speed is the usual one of a drive with lights and siren, in metres a second;
	// zero: unknown. Line is that over the straight line: less on roads, by their detour.
	Speed, Line float64
	Covers      bool // it counts for the coverage
}

// turns are the words of a preset for the turns of the roads.
var turns = [roads.TurnClassCount]string{roads.Straight: "straight", roads.Slight: "slight", roads.Left: "left", roads.Right: "right",
	roads.SharpLeft: "sharp_left", roads.SharpRight: "sharp_right", roads.UTurn: "u_turn"}

// Profiles are the road profiles of a preset, in its order.
func Profiles(p *fixtures.Preset) []roads.Profile {
	var out []roads.Profile
	for _, f := range p.Profiles {
		if f.Road == nil {
			continue
		}
		r := roads.Profile{Name: f.Code, Limit: f.Road.Limit, Gate: f.Road.GateS, Private: f.Road.Private, Against: f.Road.Against,
			Banned: f.Road.BannedTurns, Approach: f.Road.ApproachMps}
		for c := range r.Max {
			r.Max[c] = f.Road.SpeedsMps[roads.Class(c).String()]
		}
		for i, name := range turns {
			r.Turn[i] = f.Road.TurnsS[name]
		}
		out = append(out, r)
	}
	return out
}

// Kinds says how each kind of unit of a preset gets about, over a router of its
// [Profiles]; nil is a plain ground. A unit of a kind that nobody knows drives as the
// first road profile, and its speed over a line is not known.
func Kinds(p *fixtures.Preset, r *roads.Router) func(unitType string) Kind {
	profile := func(code string) (id roads.ProfileID) {
		if r != nil {
			id, _ = r.Profile(code) // it was made of the same profiles
		}
		return id
	}
	usual := Kind{Way: fixtures.WayRoad, Covers: true}
	if i := slices.IndexFunc(p.Profiles, func(f fixtures.Profile) bool { return f.Way == fixtures.WayRoad }); i >= 0 {
		usual.Profile = profile(p.Profiles[i].Code)
	}
	kinds := map[string]Kind{}
	for _, k := range p.UnitKinds {
		f := p.Profile(k.Profile)
		m := Kind{Way: f.Way, Covers: f.Covers, Speed: k.Speed.EmergencyMps, Line: k.Speed.EmergencyMps}
		if m.Way == fixtures.WayRoad {
			m.Profile = profile(k.Profile)
			m.Line /= p.Coverage.Detour
		}
		kinds[k.Code] = m
	}
	return func(unitType string) Kind {
		if k, ok := kinds[unitType]; ok {
			return k
		}
		return usual
	}
}

// staleness says from which age the fix of a unit does not count.
func staleness(p *fixtures.Preset) func(*geo.Feature) time.Duration {
	kinds := map[string]time.Duration{}
	for _, k := range p.UnitKinds {
		kinds[k.Code] = time.Duration(k.StaleAfterS) * time.Second
	}
	other := time.Duration(p.StaleAfterS) * time.Second
	return func(f *geo.Feature) time.Duration {
		if d := kinds[f.Props.Text("type")]; d > 0 {
			return d
		}
		return other
	}
}

// watched are the standards whose shares and voids are kept in the record.
func watched(p *fixtures.Preset) []coverage.Standard {
	out := make([]coverage.Standard, len(p.Coverage.Standards))
	for i, s := range p.Coverage.Standards {
		out[i] = coverage.Standard{Capability: s.Capability, Seconds: s.Seconds}
	}
	return out
}
