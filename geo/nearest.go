package geo

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// EarthRadius is the mean radius of the Earth in metres (IUGG R1). [Distance] is
// measured on a sphere of it; that is within 0.6 % of the ellipsoid.
const EarthRadius = 6371008.8

// Distance is the great-circle distance from a to b in metres: the haversine on
// a sphere of [EarthRadius].
func Distance(a, b LngLat) float64 {
	aLng, aLat := a.Degrees()
	bLng, bLat := b.Degrees()
	const rad = math.Pi / 180
	sLat, sLng := math.Sin((bLat-aLat)*rad/2), math.Sin((bLng-aLng)*rad/2)
	return 2 * EarthRadius * math.Asin(math.Sqrt(min(1, sLat*sLat+math.Cos(aLat*rad)*math.Cos(bLat*rad)*sLng*sLng)))
}

// NearestMax is the largest K of a [Query]; a larger one is cut to it.
const NearestMax = 100

// Query asks for the units nearest to a place. The zero value of a filter lets
// every unit pass.
type Query struct {
	At           LngLat
	K            int // at most [NearestMax]
	Dispatchable *bool
	Status       string
	Agency       string
	Type         string
	Capability   []string // the unit has all of them
	MaxDistance  float64  // metres, inclusive; zero: no limit
	Now          Millis   // what the age of a fix is measured from
	// StaleAfter is the age from which the fix of a unit does not count; zero or
	// less: never. Nil: no fix is ever stale.
	StaleAfter func(*Feature) time.Duration
}

// Nearest is the answer to a [Query]: units by distance, ties by ID, and how many
// units would have stood among them if their fix were not stale.
type Nearest struct {
	Units []Near
	Stale int
}

// Near is one unit of an answer.
type Near struct {
	Feature  *Feature
	Distance float64       // metres
	FixAge   time.Duration // at Query.Now, never negative
}

// Nearest returns the units nearest to a place.
func (v *View) Nearest(q Query) Nearest {
	var near []Near
	for f := range v.All(Unit) {
		if !f.Fix.Placed() ||
			q.Dispatchable != nil && f.Props.Bool("dispatchable") != *q.Dispatchable ||
			q.Status != "" && f.Props.Text("status") != q.Status ||
			q.Agency != "" && f.Props.Text("agency") != q.Agency ||
			q.Type != "" && f.Props.Text("type") != q.Type ||
			slices.ContainsFunc(q.Capability, func(c string) bool { return !slices.Contains(f.Props.Texts("capabilities"), c) }) {
			continue
		}
		d := Distance(q.At, f.Fix.At)
		if q.MaxDistance > 0 && d > q.MaxDistance {
			continue
		}
		near = append(near, Near{f, d, max(0, time.Duration(q.Now-f.Fix.Time)*time.Millisecond)})
	}
	slices.SortFunc(near, func(a, b Near) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.Feature.ID, b.Feature.ID))
	})
	var out Nearest
	for _, n := range near {
		if len(out.Units) >= min(q.K, NearestMax) {
			break
		}
		if q.StaleAfter != nil {
			if s := q.StaleAfter(n.Feature); s > 0 && n.FixAge >= s {
				out.Stale++
				continue
			}
		}
		out.Units = append(out.Units, n)
	}
	return out
}
