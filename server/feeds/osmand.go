package feeds

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"rasad/geo"
	"rasad/streams"
)

// OsmAnd reads the protocol of OsmAnd's live tracking and of Traccar Client:
// parameters in the query or a form (speed in knots), or the JSON of newer
// clients (speed in metres per second). See https://www.traccar.org/osmand/.
type OsmAnd struct {
	Name  string // of the feed, in reports and metrics
	Datum geo.Datum
}

// Parse reads one message. It returns [*geo.Refusal] for what is malformed and
// [*Unfit] for a message without a place, such as cell towers only.
func (o OsmAnd) Parse(r *http.Request, body []byte, received time.Time) ([]streams.Report, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, wrong("query", "%v", err)
	}
	var fix reading
	switch media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); {
	case r.Method == http.MethodPost && (strings.TrimSpace(media) == "application/json" || len(body) > 0 && body[0] == '{'):
		fix, err = osmandJSON(body)
	case r.Method == http.MethodPost && len(body) > 0:
		form, ferr := url.ParseQuery(string(body))
		if ferr != nil {
			return nil, wrong("body", "%v", ferr)
		}
		for k, v := range form {
			q[k] = v // the body is what the client meant to say
		}
		fix, err = osmandValues(q)
	default:
		fix, err = osmandValues(q)
	}
	if err != nil {
		return nil, err
	}
	report, err := fix.report(o.Name, o.Datum, received)
	if err != nil {
		return nil, err
	}
	return []streams.Report{report}, nil
}

func first(q url.Values, names ...string) (string, string, bool) {
	for _, n := range names {
		if v := q.Get(n); v != "" {
			return n, v, true
		}
	}
	return names[0], "", false
}

func osmandValues(q url.Values) (reading, error) {
	nan := math.NaN()
	x := reading{lng: nan, lat: nan, speedMps: nan, headingDeg: nan, accuracyMetre: nan}
	var ok bool
	var err error
	if _, x.key, ok = first(q, "id", "deviceid", "device_id"); !ok {
		return x, wrong("id", "is missing")
	}
	if both := q.Get("location"); both != "" {
		lat, lng, ok := strings.Cut(both, ",")
		if !ok {
			return x, wrong("location", "must be lat,lon")
		}
		q.Set("lat", lat)
		q.Set("lon", lng)
	}
	for _, f := range []struct {
		names []string
		into  *float64
		must  bool
		unit  float64
	}{
		{[]string{"lat"}, &x.lat, true, 1},
		{[]string{"lon"}, &x.lng, true, 1},
		{[]string{"speed"}, &x.speedMps, false, knot},
		{[]string{"bearing", "heading"}, &x.headingDeg, false, 1},
		{[]string{"accuracy", "hacc"}, &x.accuracyMetre, false, 1},
		{[]string{"altitude"}, new(float64), false, 1},
		{[]string{"batt"}, new(float64), false, 1},
	} {
		name, text, given := first(q, f.names...)
		if !given {
			if f.must && (q.Has("cell") || q.Has("wifi")) {
				return x, &Unfit{"no_place"}
			}
			if f.must {
				return x, wrong(name, "is missing")
			}
			continue
		}
		v, err := number(name, text)
		if err != nil {
			return x, err
		}
		*f.into = v * f.unit
	}
	if text := q.Get("timestamp"); text != "" {
		if x.time, err = moment("timestamp", text); err != nil {
			return x, err
		}
	}
	return x, nil
}

// text is a JSON string, or a number that a client wrote where a string belongs.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] != '"' {
		if b[0] == '{' || b[0] == '[' || string(b) == "true" || string(b) == "false" {
			return errors.New("must be a string or a number")
		}
		if string(b) != "null" {
			*t = text(b)
		}
		return nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*t = text(s)
	return nil
}

func osmandJSON(body []byte) (reading, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(body, &m); err != nil {
		return reading{}, wrong("body", "%v", err)
	}
	if _, nested := m["location"]; !nested {
		return osmandFlat(m)
	}
	var in struct {
		Device   text `json:"device_id"`
		ID       text `json:"id"`
		Location *struct {
			Timestamp text `json:"timestamp"`
			Coords    *struct {
				Latitude, Longitude, Accuracy, Speed, Heading *float64
			} `json:"coords"`
		} `json:"location"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return reading{}, jsonField(err)
	}
	key := in.Device
	if key == "" {
		key = in.ID
	}
	switch {
	case key == "":
		return reading{}, wrong("device_id", "is missing")
	case in.Location == nil || in.Location.Coords == nil:
		return reading{}, &Unfit{"no_place"}
	case in.Location.Coords.Latitude == nil:
		return reading{}, wrong("location.coords.latitude", "is missing")
	case in.Location.Coords.Longitude == nil:
		return reading{}, wrong("location.coords.longitude", "is missing")
	}
	c := in.Location.Coords
	x := reading{key: string(key), lat: *c.Latitude, lng: *c.Longitude, speedMps: or(c.Speed), headingDeg: or(c.Heading), accuracyMetre: or(c.Accuracy)}
	if in.Location.Timestamp != "" {
		var err error
		if x.time, err = moment("location.timestamp", string(in.Location.Timestamp)); err != nil {
			return x, err
		}
	}
	return x, nil
}

// osmandFlat reads a JSON object with the names of the query parameters.
func osmandFlat(m map[string]json.RawMessage) (reading, error) {
	q := url.Values{}
	for k, raw := range m {
		var v text
		if err := v.UnmarshalJSON(raw); err != nil {
			continue // a member that is not ours
		}
		q.Set(k, string(v))
	}
	return osmandValues(q)
}

func or(p *float64) float64 {
	if p == nil {
		return math.NaN()
	}
	return *p
}

func jsonField(err error) error {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) && kind.Field != "" {
		return wrong(strings.ToLower(kind.Field), "is a %s, which does not belong here", kind.Value)
	}
	return wrong("body", "%v", err)
}
