// Package geo holds the world: what exists, where it is, and which changes
// turn one moment of it into the next.
//
// A [World] is changed only by applying a [Delta]. Deltas obey one law that the
// rest of the program leans on:
//
//	w.Apply(a); w.Apply(b)   leaves w equal to   w.Apply(a.Merge(b))
//
// The package reads no clock, opens no socket and leaves no goroutine behind:
// time comes in as an argument, so a replay decides nothing twice.
package geo

import (
	"errors"
	"fmt"
	"strings"
)

// ID is the dense number of a feature on the wire. It is given once in the
// history of a world and never reused, so a frame from last year still names
// the same thing. Zero is no feature.
type ID uint32

// Millis is a moment: milliseconds since 1970-01-01T00:00:00Z. Zero is "never".
type Millis int64

// Kind says what a feature is. The registry is open: a kind that this version
// does not know is kept and passed on.
type Kind string

// The kinds that rules and screens of this version know.
const (
	Unit       Kind = "unit"
	Incident   Kind = "incident"
	Hazard     Kind = "hazard"
	Shelter    Kind = "shelter"
	Site       Kind = "site"
	Zone       Kind = "zone"
	Call       Kind = "call"
	Assignment Kind = "assignment"
	Alarm      Kind = "alarm"
	Feed       Kind = "feed"
	Coverage   Kind = "coverage" // what the standards of cover come to
	Void       Kind = "void"     // a zone that no unit of a capability reaches in time

	// What people say of the city as a whole, see the facts of server/dispatch.
	Situation Kind = "situation" // the line that a person wrote above all numbers
	Response  Kind = "response"  // the response level
	Figure    Kind = "figure"    // a number with its source, person and time
	Decision  Kind = "decision"  // something that is to be decided, or was
	Layout    Kind = "layout"    // what a wall shows
)

// Indexed tells whether features of the kind answer box queries.
func (k Kind) Indexed() bool {
	switch k {
	case Unit, Incident, Hazard, Shelter, Site:
		return true
	}
	return false
}

// LngLat is a WGS 84 position in units of 1e-7 degree (about 1 cm). Integers
// because they compare exactly, cannot be NaN, and are what the wire carries.
type LngLat struct{ Lng, Lat int32 }

// The limits of a [LngLat].
const (
	LngMax = 1_800_000_000
	LatMax = 900_000_000
)

// ErrRange is a coordinate off the globe, or not a number.
var ErrRange = errors.New("longitude must lie in -180..180 and latitude in -90..90")

// At makes a position from degrees, rounding to the nearest 1e-7 degree. It
// returns [ErrRange] for coordinates off the globe and for NaN.
func At(lng, lat float64) (LngLat, error) {
	if !(lng >= -180 && lng <= 180 && lat >= -90 && lat <= 90) {
		return LngLat{}, ErrRange
	}
	return LngLat{roundE7(lng), roundE7(lat)}, nil
}

func roundE7(deg float64) int32 {
	v := deg * 1e7
	if v < 0 {
		return int32(v - 0.5)
	}
	return int32(v + 0.5)
}

// Degrees returns longitude and latitude in degrees.
func (p LngLat) Degrees() (lng, lat float64) { return float64(p.Lng) / 1e7, float64(p.Lat) / 1e7 }

// Values of [Fix] fields that say "not known".
const (
	HeadingUnknown uint16 = 511
	SpeedUnknown   uint16 = 0xFFFF
)

// FixFlags say what is peculiar about a fix.
type FixFlags uint16

const (
	// FixClock: the device's clock was wrong; the time is when we received it.
	FixClock FixFlags = 1 << iota
	// FixJump: the place is improbably far from the one before, and was
	// believed only because later fixes agree.
	FixJump
	// FixManual: a person set the place.
	FixManual
)

// Fix is where a feature is, since when, and how well that is known: the moving
// columns of a feature. Its integers are those of the wire and of the state
// hash.
type Fix struct {
	At       LngLat
	Time     Millis // of the fix; zero: the feature has no place
	Heading  uint16 // degrees clockwise from north, 0..359, or HeadingUnknown
	Speed    uint16 // tenths of a metre per second, or SpeedUnknown
	Accuracy uint16 // metres, 0 unknown
	Flags    FixFlags
}

// Placed tells whether there is a place at all.
func (x Fix) Placed() bool { return x.Time != 0 }

// Feature is one thing in the world, with or without a place. A Feature is
// immutable once a [Draft] or a [World] holds it; to change it, put a new one.
type Feature struct {
	ID   ID
	Key  string // the caller's own key, one namespace for all kinds of a world
	Kind Kind
	Rev  uint64 // sequence of the frame that last put it; moves leave it alone
	Due  Millis // when a rule must look at it again; zero: never
	Fix  Fix    // a place as a point; for a shape, a point inside it
	// Shape is the geometry of a feature that is more than a point, else nil.
	Shape  *Shape
	Props  Props
	Sealed []Sealed
	// Extra holds fields of a newer format, as they came, so that an older
	// program passes on what it does not understand.
	Extra string
}

// Sealed is a personal field, encrypted under a key of its own. The feature
// carries the box; the key lives elsewhere and can be destroyed.
type Sealed struct {
	Name  string `json:"name"` // of the property it stands for, "caller"
	KeyID string `json:"key_id"`
	Box   []byte `json:"box"` // nonce and ciphertext
}

// KeyMax is the longest caller's key, in bytes.
const KeyMax = 128

// ErrKey is a caller's key that cannot stand in a URL path.
var ErrKey = errors.New("a key has 1 to 128 letters, digits, '-', '_', '.', '~' or ':'")

// CheckKey returns [ErrKey], wrapped with the key, unless key may name a feature.
func CheckKey(key string) error {
	bad := len(key) == 0 || len(key) > KeyMax || key == "." || key == ".." || key == "nearest" ||
		strings.ContainsFunc(key, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.~:", r))
		})
	if bad {
		return fmt.Errorf("key %.140q: %w", key, ErrKey)
	}
	return nil
}
