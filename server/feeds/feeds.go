// Package feeds turns what phones, radios and other systems send into fixes.
//
// Each adapter is one file: bytes in, reports out, and an error that names the
// field when the bytes are not what the protocol says. Adapters judge form only;
// whether a fix is believed is decided on the draft, in order, by the sequencer.
package feeds

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"rasad/geo"
	"rasad/streams"
)

// Unfit is a message that is well formed and yet holds no fix, such as a status
// line or an encrypted body. The door answers it with 200 and the reason, since
// phones repeat a 4xx for ever.
type Unfit struct{ Reason string }

func (e *Unfit) Error() string { return e.Reason }

// wrong is a message that is not what the protocol says; the door answers it
// with 400.
func wrong(field, format string, args ...any) error {
	reason := fmt.Sprintf(format, args...)
	return &geo.Refusal{Class: geo.Invalid, Code: "malformed", Detail: field + " " + reason,
		Errors: []geo.FieldError{{Field: field, Reason: reason}}}
}

// Speeds on the wire of the protocols, in metres per second.
const (
	knot = 1852.0 / 3600
	kmh  = 1 / 3.6
)

// reading is what every position protocol knows about a fix, in SI units, before
// it is rounded to the integers of the world. NaN stands for "not given".
type reading struct {
	key                                 string
	lng, lat                            float64
	time                                time.Time // zero: not given
	speedMps, headingDeg, accuracyMetre float64
}

func (r reading) report(feed string, datum geo.Datum, received time.Time) (streams.Report, error) {
	if err := geo.CheckKey(r.key); err != nil {
		return streams.Report{}, wrong("id", "%v", err)
	}
	if r.lat < -90 || r.lat > 90 {
		return streams.Report{}, wrong("lat", "%v is not in -90..90", r.lat)
	}
	if r.lng < -180 || r.lng > 180 {
		return streams.Report{}, wrong("lon", "%v is not in -180..180", r.lng)
	}
	at, err := geo.At(datum.ToWGS84(r.lng, r.lat))
	if err != nil {
		return streams.Report{}, wrong("lon", "%v", err)
	}
	x := geo.Fix{At: at, Heading: geo.HeadingUnknown, Speed: geo.SpeedUnknown}
	if !r.time.IsZero() {
		x.Time = geo.Millis(r.time.UnixMilli())
	}
	if r.headingDeg >= 0 && r.headingDeg <= 360 { // devices say -1 for unknown
		x.Heading = uint16(math.Round(r.headingDeg)) % 360
	}
	if r.speedMps >= 0 && r.speedMps < 6500 {
		x.Speed = uint16(math.Round(r.speedMps * 10))
	}
	if r.accuracyMetre > 0 {
		x.Accuracy = uint16(min(math.Ceil(r.accuracyMetre), math.MaxUint16))
	}
	return streams.Report{Key: r.key, Fix: x, Received: geo.Millis(received.UnixMilli()), Feed: feed}, nil
}

// number reads a decimal number; the words for infinity and not-a-number, hex
// and underscores, which strconv would take, are refused.
func number(field, s string) (float64, error) {
	s = strings.TrimSpace(s)
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune("0123456789+-.eE", r) }) {
		return 0, wrong(field, "%.40q is not a number", s)
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(v, 0) {
		return 0, wrong(field, "%.40q is not a number", s)
	}
	return v, nil
}

// moment reads a time as phones write it: Unix seconds or milliseconds, or
// ISO 8601 with a zone, or without one, which is UTC.
func moment(field, s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	if v, err := strconv.ParseFloat(s, 64); err == nil && !math.IsInf(v, 0) && !math.IsNaN(v) {
		return unix(field, v)
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999"} {
		if t, err := time.Parse(layout, s); err == nil {
			return inRange(field, t)
		}
	}
	return time.Time{}, wrong(field, "%.40q is neither Unix time nor ISO 8601", s)
}

func unix(field string, v float64) (time.Time, error) {
	if v > 1e11 { // seconds until the year 5138 are smaller, milliseconds since 1973 larger
		v /= 1000
	}
	if v <= 0 || v > 1e11 {
		return time.Time{}, wrong(field, "%v is not a time", v)
	}
	return inRange(field, time.UnixMilli(int64(math.Round(v*1000))))
}

func inRange(field string, t time.Time) (time.Time, error) {
	if y := t.UTC().Year(); y < 1971 || y > 9998 {
		return time.Time{}, wrong(field, "the year %d is not believable", y)
	}
	return t, nil
}
