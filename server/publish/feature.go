package publish

import (
	"encoding/json"
	"fmt"
	"time"

	"rasad/geo"
)

// Languages are those in which the public is spoken to.
var Languages = []string{"fa", "zh", "en"}

// Text is a text by language.
type Text map[string]string

// Feature is all that the public may know about something. A field that is not here
// does not exist in the public world.
type Feature struct {
	ID       string   `json:"id"`                 // random, of the publication
	Kind     geo.Kind `json:"kind"`               // of the source
	Type     string   `json:"type"`               // a code of the preset
	Title    Text     `json:"title"`              // in every language
	Advice   Text     `json:"advice,omitempty"`   // what to do
	Severity string   `json:"severity,omitempty"` // as CAP 1.2 has it, lower case
	Status   string   `json:"status"`             // [StatusOpen] or [StatusOver]

	Precision Precision `json:"precision"`
	// Point is the representative point of a cell, or of the area; nil: hidden.
	Point *geo.LngLat `json:"point,omitempty"`
	// RadiusM is how far from Point it can be, metres; zero: it is there, or an area.
	RadiusM int        `json:"radius_m,omitempty"`
	Area    *geo.Shape `json:"area,omitempty"`

	Room *Room `json:"room,omitempty"` // of a shelter

	// Times as RFC 3339 has them. PublishedAt is when it became public first,
	// UpdatedAt when what is said changed last; neither says when anything happened.
	PublishedAt string `json:"published_at,omitempty"`
	UpdatedAt   string `json:"updated_at,omitempty"`
	ValidUntil  string `json:"valid_until,omitempty"`
}

// The values of [Feature.Status].
const (
	StatusOpen = "open"
	StatusOver = "over"
)

// Severities are the values of [Feature.Severity].
var Severities = []string{"extreme", "severe", "moderate", "minor", "unknown"}

// Room is what the public may know about the room in a shelter. How many people are
// in it is not among it.
type Room struct {
	State string `json:"state"` // open, full or closed
	// From and To are the band that the capacity lies in; To 0: no upper end; both 0:
	// it is not known.
	From      int    `json:"from,omitempty"`
	To        int    `json:"to,omitempty"`
	CountedAt string `json:"counted_at,omitempty"` // of the state
}

// RoomStates are the values of [Room.State].
var RoomStates = []string{"open", "full", "closed"}

// geo is the feature as the public world holds it, under its number and revision
// there.
func (p *Feature) geo(id geo.ID, rev uint64, at geo.Millis) *geo.Feature {
	f := &geo.Feature{ID: id, Key: p.ID, Kind: p.Kind, Rev: rev, Shape: p.Area, Fix: geo.Fix{}}
	if p.Point != nil {
		f.Fix = geo.Fix{At: *p.Point, Time: at, Heading: geo.HeadingUnknown, Speed: geo.SpeedUnknown, Accuracy: uint16(min(p.RadiusM, 1<<16-1))}
	}
	said := *p
	said.ID, said.Kind, said.Point, said.Area = "", "", nil, nil // they stand in the feature itself
	b, err := json.Marshal(said)
	if err == nil {
		f.Props, err = geo.ParseProps(b)
	}
	if err != nil {
		panic(fmt.Sprintf("publish: %s cannot be written: %v", p.ID, err)) // its types are all ours
	}
	f.Props = f.Props.With(map[string]any{"id": nil, "kind": nil})
	return f
}

// same tells whether two say the same, the times of saying it aside.
func (p *Feature) same(q *Feature) bool {
	if p == nil || q == nil {
		return p == q
	}
	text := func(f Feature) string {
		f.PublishedAt, f.UpdatedAt = "", ""
		b, err := json.Marshal(f)
		if err != nil {
			panic("publish: " + err.Error())
		}
		return string(b)
	}
	return text(*p) == text(*q)
}

// stamp writes a moment as RFC 3339 has it: UTC, seconds.
func stamp(t geo.Millis) string { return time.UnixMilli(int64(t)).UTC().Format(time.RFC3339) }

// moment reads what stamp writes, and any other time of RFC 3339; zero: it is none.
func moment(s string) geo.Millis {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return 0
	}
	return geo.Millis(t.UnixMilli())
}
