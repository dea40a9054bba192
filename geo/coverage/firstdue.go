package coverage

import (
	"math"
	"slices"

	"rasad/geo"
	"rasad/geo/roads"
)

// Station is where a unit starts from that answers for the ground around.
type Station struct {
	ID    string
	Names roads.Names
	At    geo.LngLat
}

// FirstDue returns the demand with the first-due areas of stations as its zones: each cell belongs to the
// station from which a unit of a profile is there first, by road. Ground that no station reaches in an
// hour goes to the one that is nearest over the line. Without stations there are no zones.
func (d *Demand) FirstDue(r *roads.Router, p roads.ProfileID, stations []Station) *Demand {
	out := &Demand{Level: d.Level, Cells: slices.Clone(d.Cells), Basis: d.Basis, Source: d.Source}
	for _, s := range stations {
		out.Zones = append(out.Zones, Zone{s.ID, s.Names})
	}
	first := make([]roads.Cost, len(d.Cells))
	for i := range out.Cells {
		out.Cells[i].Zone, first[i] = NoZone, math.MaxUint32
	}
	ways := &routed{streets: newStreets(newGround(out), r.Graph()), router: r}
	// Most ground is near some station: a search of an hour from each would see the city many times over.
	for _, depth := range [...]roads.Cost{MaxSeconds * 1000, 4 * MaxSeconds * 1000} {
		found := make([]*reach, len(stations))
		each(len(stations), func(i int) {
			found[i] = ways.reach(&Unit{At: stations[i].At, Heading: math.NaN(), Profile: p}, false, depth)
		})
		for z, f := range found {
			for _, h := range f.hits {
				if c := &out.Cells[h.cell]; h.at < first[h.cell] {
					c.Zone, first[h.cell] = int32(z), h.at
				}
			}
		}
		if !slices.ContainsFunc(out.Cells, func(c Cell) bool { return c.Zone == NoZone }) {
			break
		}
	}
	for i := range out.Cells {
		c := &out.Cells[i]
		if c.Zone != NoZone {
			continue
		}
		nearest := math.Inf(1)
		for z, s := range stations {
			if m := geo.Distance(c.At, s.At); m < nearest {
				c.Zone, nearest = int32(z), m
			}
		}
	}
	return out
}
