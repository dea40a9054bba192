package publish

import (
	"slices"
	"time"

	"rasad/geo"
)

// Policy is what a city lets the public know. The program fills it from the preset; a
// kind or type that does not stand in it cannot be published.
type Policy struct {
	Ceilings map[geo.Kind]map[string]Ceiling // by type
	// Flags are properties that keep a feature unpublished while they are true, such
	// as minors.
	Flags []string
	// Final are the statuses of incidents that are over.
	Final []string
	// Rooms says what a status of shelters means to who looks for room; a status that
	// is not here is closed.
	Rooms map[string]string
	// Bands are the upper ends of the bands that a capacity is told by, ascending.
	Bands []int
	// OverFor is how long the public still sees what is over; zero: until somebody
	// withdraws it.
	OverFor time.Duration
}

// Ceiling is the most that the public may know of a type.
type Ceiling struct {
	// Never says why things of the type are not published at all, as a code such as
	// safe_house; empty: they may be.
	Never     string
	Precision Precision
	// Delay is the least time between a decision and its being public.
	Delay time.Duration
	// Guard: publishing needs a word that it is meant.
	Guard bool
	// Named: the name of the feature is its title, unless another is given.
	Named bool
	Label Text // the title otherwise
}

// ceiling returns the ceiling of a feature. What the policy does not know is never
// public.
func (p *Policy) ceiling(f *geo.Feature) Ceiling {
	c, ok := p.Ceilings[f.Kind][f.Props.Text("type")]
	if !ok {
		return Ceiling{Never: "unlisted"}
	}
	if c.Never == "" {
		for _, flag := range p.Flags {
			if f.Props.Bool(flag) {
				c.Never = flag
			}
		}
	}
	if f.Props.Bool("sensitive") {
		c.Guard = true
	}
	return c
}

// room is what the public may know of the room in a shelter.
func (p *Policy) room(f *geo.Feature) *Room {
	r := &Room{State: p.Rooms[f.Props.Text("status")]}
	if !slices.Contains(RoomStates, r.State) {
		r.State = "closed"
	}
	capacity, known := f.Props.Number("capacity")
	if occupancy, counted := f.Props.Number("occupancy"); known && counted && occupancy >= capacity && r.State == "open" {
		r.State = "full"
	}
	if known && capacity > 0 && len(p.Bands) > 0 {
		r.From = 1
		for _, end := range p.Bands {
			if capacity <= float64(end) {
				r.To = end
				break
			}
			r.From = end + 1
		}
	}
	if t := moment(f.Props.Text("counted_at")); t != 0 {
		r.CountedAt = stamp(t)
	}
	return r
}

// over tells whether the thing that a feature stands for has ended.
func (p *Policy) over(f *geo.Feature, now geo.Millis) bool {
	switch f.Kind {
	case geo.Incident:
		return slices.Contains(p.Final, f.Props.Text("status"))
	case geo.Hazard:
		to := moment(f.Props.Text("valid_to"))
		return to != 0 && to <= now
	}
	return false
}
